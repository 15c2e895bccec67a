"""The promises of what keys stand on: `KeyRepository`, `RequestMeter` and `SpendBook`.

May import pytest and the core; knows no adapter.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from contracts.samples import a_job
from imaging_core.errors import JobConflict
from imaging_core.key_ports import CreditClaim, CreditsRefused, KeyRepository, RequestMeter, Reservation, SpendBook
from imaging_core.keys import ApiKey, AuditEntry, KeyLimits, KeyNotFound, Scope, digest_of, new_key_id, new_key_token
from imaging_core.ports import JobRepository

NOON = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
TODAY = date(2026, 5, 1)


def a_key(name: str = "mine", *, minutes: int = 0, limits: KeyLimits | None = None) -> ApiKey:
    """A key nobody has yet."""
    key_id = new_key_id()
    return ApiKey(
        id=key_id,
        name=name,
        digest=digest_of(new_key_token(key_id)),
        scopes=frozenset({Scope.READ, Scope.SUBMIT}),
        created_at=NOON + timedelta(minutes=minutes),
        limits=limits or KeyLimits(max_queued=3, requests_per_minute=60, credits_per_day=2.5),
    )


class KeyRepositoryContract:
    """A subclass supplies `keys` and `reopened`."""

    @pytest.fixture
    def keys(self) -> KeyRepository:
        """An empty repository."""
        raise NotImplementedError("supply the repository to try")

    async def reopened(self, keys: KeyRepository) -> KeyRepository:
        """The keys as another process finds them."""
        return keys

    async def test_1_an_added_key_is_found_as_it_was_also_by_another_process(self, keys: KeyRepository) -> None:
        key, other = a_key("Zoë's “laptop”"), a_key(limits=KeyLimits())
        await keys.add(key)
        await keys.add(other)
        keys = await self.reopened(keys)

        assert await keys.get(key.id) == key
        assert await keys.get(other.id) == other

    async def test_1_adding_a_key_again_changes_nothing(self, keys: KeyRepository) -> None:
        key = a_key()
        await keys.add(key)
        await keys.revoke(key.id, at=NOON)
        await keys.add(key)

        assert await keys.list() == [attrs.evolve(key, revoked_at=NOON)]

    async def test_7_the_latest_use_of_a_key_is_told_and_nothing_else_changes(self, keys: KeyRepository) -> None:
        key, idle = a_key(), a_key(minutes=1)
        await keys.add(key)
        await keys.add(idle)
        later = NOON + timedelta(minutes=5, microseconds=7)
        for at in (NOON, later, NOON):
            await keys.touch(key.id, at=at)
        stranger = new_key_id()
        await keys.touch(stranger, at=NOON)
        await keys.revoke(key.id, at=NOON)
        keys = await self.reopened(keys)

        found = await keys.get(key.id)
        assert found == attrs.evolve(key, revoked_at=NOON)
        assert found.last_used_at == later
        assert [one.last_used_at for one in await keys.list()] == [later, None]
        assert await keys.get(stranger) is None

    async def test_2_an_unknown_id_gives_nothing(self, keys: KeyRepository) -> None:
        await keys.add(a_key())

        assert await keys.get(new_key_id()) is None

    async def test_3_all_keys_are_listed_oldest_first_revoked_ones_too(self, keys: KeyRepository) -> None:
        made = [a_key(f"{n}", minutes=n) for n in range(5)]
        assert list(await keys.list()) == []
        for key in (made[3], made[0], made[4], made[1], made[2]):
            await keys.add(key)
        gone = await keys.revoke(made[1].id, at=NOON + timedelta(hours=1))

        assert list(await keys.list()) == [made[0], gone, *made[2:]]

    async def test_4_the_first_revocation_stays(self, keys: KeyRepository) -> None:
        key = a_key()
        await keys.add(key)

        assert (await keys.revoke(key.id, at=NOON)).revoked_at == NOON
        assert (await keys.revoke(key.id, at=NOON + timedelta(hours=1))).revoked_at == NOON
        found = await (await self.reopened(keys)).get(key.id)
        assert found is not None
        assert found.revoked_at == NOON

    async def test_4_an_unknown_key_cannot_be_revoked(self, keys: KeyRepository) -> None:
        with pytest.raises(KeyNotFound):
            await keys.revoke(new_key_id(), at=NOON)

    async def test_5_the_first_secret_offered_is_everybodys(self, keys: KeyRepository) -> None:
        offers = [bytes([n]) * 32 for n in range(8)]
        given = await asyncio.gather(*(keys.secret("links", offer) for offer in offers))
        keys = await self.reopened(keys)

        assert len(set(given)) == 1
        assert given[0] in offers
        assert await keys.secret("links", b"x" * 32) == given[0]
        assert await keys.secret("other", b"y" * 32) == b"y" * 32

    async def test_6_audit_entries_come_newest_first_and_once(self, keys: KeyRepository) -> None:
        entries = [
            AuditEntry(at=NOON + timedelta(seconds=n), action="key.created", subject=f"s{n}", actor="a" if n else None)
            for n in range(4)
        ]
        for entry in (entries[2], entries[0], entries[3], entries[1], entries[2]):
            await keys.note(entry)
        keys = await self.reopened(keys)

        assert list(await keys.notes()) == entries[::-1]
        assert list(await keys.notes(limit=2)) == [entries[3], entries[2]]


class RequestMeterContract:
    """A subclass supplies `meters` and `advance`."""

    @pytest.fixture
    def meters(self) -> Sequence[RequestMeter]:
        """Two processes' handles of one meter."""
        raise NotImplementedError("supply the meter to try")

    async def advance(self, seconds: float) -> None:
        """Let that much time pass on the meter's clock."""
        raise NotImplementedError("supply the passing of time")

    async def test_1_a_whole_minutes_allowance_goes_through_at_once_and_then_one_at_a_time(
        self, meters: Sequence[RequestMeter]
    ) -> None:
        # 120 a minute: one each half second.
        taken = [await meters[n % len(meters)].take("a", per_minute=120) for n in range(120)]
        assert taken == [0.0] * 120

        wait = await meters[0].take("a", per_minute=120)
        assert 0 < wait <= 0.5
        await self.advance(wait)
        assert await meters[-1].take("a", per_minute=120) == 0
        assert await meters[0].take("a", per_minute=120) > 0

    async def test_2_a_refused_request_does_not_count(self, meters: Sequence[RequestMeter]) -> None:
        assert await meters[0].take("a", per_minute=1) == 0
        waits = [await meters[0].take("a", per_minute=1) for _ in range(5)]

        assert all(59 < wait <= 60 for wait in waits)

    async def test_3_names_do_not_affect_each_other(self, meters: Sequence[RequestMeter]) -> None:
        assert await meters[0].take("a", per_minute=1) == 0

        assert await meters[0].take("b", per_minute=1) == 0
        assert await meters[0].take("a", per_minute=1) > 0


#: The jobs and the book of one installation, as one process has them.
Installation = tuple[JobRepository, SpendBook]


class SpendBookContract:
    """A subclass supplies `processes`."""

    @pytest.fixture
    def processes(self) -> Sequence[Installation]:
        """Two processes' handles of one empty installation."""
        raise NotImplementedError("supply the installation to try")

    @pytest.fixture
    def books(self, processes: Sequence[Installation]) -> Sequence[SpendBook]:
        """Their handles of the book."""
        return [book for _, book in processes]

    async def reserve(
        self,
        process: Installation,
        job_id: str,
        wanted: float,
        *,
        owner: str | None = "a",
        day: date = TODAY,
        mine: float | None = None,
        total: float | None = None,
    ) -> str | None:
        """Add a job that claims credits; whose limit stands in the way, if one does."""
        reservation = Reservation(job_id=job_id, owner=owner, day=day, credits=wanted)
        claim = CreditClaim(reservation=reservation, owner_limit=mine, total_limit=total)
        try:
            await process[0].add_all([a_job(id=job_id, owner=owner)], claims=[claim])
        except CreditsRefused as refused:
            return refused.whose
        return None

    async def test_1_the_last_credit_of_a_limit_may_be_used_and_no_more(
        self, processes: Sequence[Installation]
    ) -> None:
        one, book = processes[0], processes[0][1]
        assert [await self.reserve(one, f"j{n}", 0.1, mine=0.3) for n in range(4)] == [None, None, None, "owner"]
        assert await self.reserve(one, "k", 0.1, owner="b", mine=0.3, total=0.35) == "total"
        assert await self.reserve(one, "k", 0.05, owner="b", mine=0.3, total=0.35) is None
        assert await book.spent(TODAY) == pytest.approx(0.35)
        assert await book.spent(TODAY, owner="a") == pytest.approx(0.3)

    async def test_1_of_concurrent_claims_exactly_as_many_as_fit_succeed(
        self, processes: Sequence[Installation]
    ) -> None:
        asked = [self.reserve(processes[n % len(processes)], f"j{n}", 3.0, mine=30.0, total=30.0) for n in range(40)]
        answers = await asyncio.gather(*asked)

        assert answers.count(None) == 10
        assert await processes[0][1].spent(TODAY, owner="a") == 30.0

    async def test_1_each_day_begins_anew(self, processes: Sequence[Installation]) -> None:
        one, tomorrow = processes[0], TODAY + timedelta(days=1)
        assert await self.reserve(one, "j", 5.0, mine=5.0, total=5.0) is None
        assert await self.reserve(one, "k", 5.0, day=tomorrow, mine=5.0, total=5.0) is None
        assert await one[1].spent(TODAY) == 5.0

    async def test_1_jobs_of_nobody_count_for_all(self, processes: Sequence[Installation]) -> None:
        assert await self.reserve(processes[0], "j", 5.0, owner=None, total=6.0) is None
        assert await self.reserve(processes[0], "k", 2.0, mine=100.0, total=6.0) == "total"

    async def test_2_what_was_set_aside_or_settled_stays_when_the_job_is_added_again(
        self, processes: Sequence[Installation], books: Sequence[SpendBook]
    ) -> None:
        for job_id in ("j", "k"):
            assert await self.reserve(processes[0], job_id, 5.0) is None
        await books[0].settle("k", credits=2.0)
        for job_id in ("j", "k"):
            with pytest.raises(JobConflict):
                await self.reserve(processes[-1], job_id, 1.0)

        assert await books[0].spent(TODAY, owner="a") == 7.0
        assert [one.job_id for one in await books[0].open(older_s=0)] == ["j"]

    async def test_3_the_true_cost_takes_the_place_of_what_was_set_aside(
        self, processes: Sequence[Installation], books: Sequence[SpendBook]
    ) -> None:
        await self.reserve(processes[0], "j", 5.0)
        await self.reserve(processes[0], "k", 1.0)
        for _ in range(2):
            await books[-1].settle("j", credits=1.25)
        await books[0].settle("j", credits=99.0)
        await books[0].settle("unheard-of", credits=99.0)

        assert await books[0].spent(TODAY, owner="a") == pytest.approx(2.25)
        assert await books[0].spent(TODAY) == pytest.approx(2.25)

    async def test_4_what_is_not_settled_is_found(
        self, processes: Sequence[Installation], books: Sequence[SpendBook]
    ) -> None:
        for n in range(3):
            await self.reserve(processes[0], f"j{n}", 1.5, owner=None if n else "a")
        await books[0].settle("j1", credits=1.5)

        found = await books[-1].open(older_s=0)
        assert {r.job_id: r for r in found} == {
            f"j{n}": Reservation(job_id=f"j{n}", owner=None if n else "a", day=TODAY, credits=1.5) for n in (0, 2)
        }
        assert len(await books[0].open(older_s=0, limit=1)) == 1
        assert list(await books[0].open(older_s=3600)) == []

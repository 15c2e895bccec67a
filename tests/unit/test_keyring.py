"""Keys in a process: how long one is believed, what is asked of the store, and what nobody gets to see."""

from datetime import UTC, datetime

import pytest

from entrypoints.api.credentials import Credentials
from entrypoints.client.key_calls import KeyInfo
from imaging_core.errors import Unavailable
from imaging_core.keyring import FRESH_S, TOUCH_S, Keyring
from imaging_core.keys import TOKEN, ApiKey, KeyLimits, Scope, digest_of, new_key_id, new_key_token
from imaging_core.memory import MemoryKeyRepository


class CountingKeys(MemoryKeyRepository):
    """Keys that count how often they are looked at, and may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = self.lists = 0
        self.away = False

    async def get(self, key_id: str) -> ApiKey | None:
        self.gets += 1
        if self.away:
            raise Unavailable("Nobody is there.")
        return await super().get(key_id)

    async def list(self) -> list[ApiKey]:
        self.lists += 1
        if self.away:
            raise Unavailable("Nobody is there.")
        return list(await super().list())


class Setting:
    """Two processes over the same keys, on one clock."""

    def __init__(self) -> None:
        self.time = 100.0
        self.keys = CountingKeys()
        self.here, self.there = (Keyring(self.keys, monotonic=lambda: self.time) for _ in range(2))


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_a_key_is_recognisable_and_each_is_another() -> None:
    ids = {new_key_id() for _ in range(100)}
    tokens = {new_key_token(key_id) for key_id in ids for _ in range(2)}

    assert len(ids) == 100
    assert len(tokens) == 200
    assert all(TOKEN.fullmatch(token) and token.startswith("img_") for token in tokens)


async def test_a_verified_key_costs_one_look_in_three_seconds(setting: Setting) -> None:
    made = await setting.here.create("some")
    for _ in range(1000):
        assert await setting.here.verify(made.token) == made.key
    assert setting.keys.gets == 1

    setting.time += FRESH_S
    assert await setting.here.verify(made.token) == made.key
    assert setting.keys.gets == 2


async def test_a_revocation_works_at_once_here_and_elsewhere_when_the_memory_is_old(setting: Setting) -> None:
    made = await setting.here.create("some")
    assert await setting.there.verify(made.token)
    assert await setting.here.verify(made.token)
    await setting.here.revoke(made.key.id)

    assert await setting.here.verify(made.token) is None
    assert await setting.there.verify(made.token)
    setting.time += FRESH_S
    assert await setting.there.verify(made.token) is None
    assert not setting.there.knows(made.token)
    assert FRESH_S < 5


async def test_a_use_is_written_down_at_most_once_a_minute_and_keeps_nobody_out(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await setting.here.create("boss")
    assert made.key.last_used_at is None
    touches: list[datetime] = []

    async def refuse(key_id: str, *, at: datetime) -> None:
        assert key_id == made.key.id
        touches.append(at)
        raise Unavailable("The store is away.")

    monkeypatch.setattr(setting.keys, "touch", refuse)
    for _ in range(3):
        assert await setting.here.verify(made.token) == made.key
        setting.time += TOUCH_S / 2
    assert await setting.here.verify(new_key_token(made.key.id)) is None
    assert len(touches) == 2


async def test_unknown_keys_are_not_remembered_and_malformed_ones_not_looked_up(setting: Setting) -> None:
    await setting.here.create("some")
    for _ in range(10):
        assert await setting.here.verify(new_key_token(new_key_id())) is None
    assert setting.keys.gets == 10
    assert not setting.here._seen

    for wrong in ("", "img_", "sk-proj-something", "img_" + "0" * 77, "\udcff", "x" * 100_000):
        assert await setting.here.verify(wrong) is None
    assert setting.keys.gets == 10


async def test_the_right_id_with_a_wrong_secret_is_no_key(setting: Setting) -> None:
    made = await setting.here.create("some")

    assert await setting.here.verify(new_key_token(made.key.id)) is None
    assert not setting.here.knows(new_key_token(made.key.id))
    assert setting.here.knows(made.token)


async def test_the_door_shuts_elsewhere_within_the_same_time_and_stays_shut(setting: Setting) -> None:
    assert not await setting.there.locked()
    made = await setting.here.create("first")
    assert await setting.here.locked()
    assert not await setting.there.locked()
    setting.time += FRESH_S
    assert await setting.there.locked()

    await setting.here.revoke(made.key.id)
    setting.time += FRESH_S
    looks = setting.keys.lists
    assert await setting.there.locked()
    assert setting.keys.lists == looks


async def test_a_store_that_is_away_lets_nobody_in(setting: Setting) -> None:
    made = await setting.here.create("some")
    setting.keys.away = True
    for asked in (setting.there.locked(), setting.there.verify(made.token)):
        with pytest.raises(Unavailable):
            await asked


async def test_a_given_keys_id_is_stable_and_tells_nothing_of_it() -> None:
    given = "a-given-key-of-enough-length"
    one, other = (Keyring(MemoryKeyRepository(), given=[given]) for _ in range(2))
    key = await one.verify(given)

    assert key is not None
    assert await other.verify(given) == key
    assert key.id.removeprefix("set-") not in digest_of(given).hex()
    assert await one.limits_of(key.id) == KeyLimits()


async def test_no_secret_is_in_a_repr(setting: Setting) -> None:
    made = await setting.here.create("some")
    told = KeyInfo(
        id="i", name="n", scopes=(), created_at="", revoked_at=None, max_queued=None, requests_per_minute=None,
        credits_per_day=None, key=made.token,
    )  # fmt: skip
    secret = made.token.split("_")[2]
    for shown in (made, made.key, told, Credentials(token=made.token), setting.here.__dict__):
        assert secret not in repr(shown)
        assert repr(made.key.digest) not in repr(shown)


async def test_records_of_a_newer_version_lose_only_what_is_not_known() -> None:
    from imaging_core.keys import key_from_record, key_to_record

    made = await Keyring(MemoryKeyRepository()).create("some")
    record = key_to_record(made.key)
    record["scopes"].append("fly")
    record["limits"]["pictures_per_day"] = 3

    assert key_from_record(record, None) == made.key
    gone = key_from_record(record, datetime(2026, 1, 1, tzinfo=UTC))
    assert not gone.opens(made.token)
    assert Scope.ADMIN in gone.scopes

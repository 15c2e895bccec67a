"""The contract of `JobRepository`: one class that an adapter's tests subclass, and one for those that can be cut off.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

from collections.abc import Awaitable, Callable

import pytest

from contracts.job_batches import BatchPromises
from contracts.job_claiming import CertaintyPromises, ClaimingPromises, LeasePromises, WaitingPromises
from contracts.job_moving import MovingPromises
from contracts.job_pausing import PausePromises
from contracts.job_paying import PayingPromises
from contracts.job_preferences import PreferencePromises
from contracts.job_reading import ExpiryPromises, ListingPromises, OverduePromises
from contracts.job_searching import MarkPromises
from contracts.job_turns import TurnPromises
from contracts.job_writing import AddingPromises, SavingPromises
from contracts.samples import NOON, a_job
from imaging_core.errors import Unavailable
from imaging_core.ports import Idempotency, JobQuery, JobRepository


class JobRepositoryContract(
    AddingPromises,
    BatchPromises,
    SavingPromises,
    ClaimingPromises,
    CertaintyPromises,
    TurnPromises,
    PreferencePromises,
    LeasePromises,
    WaitingPromises,
    ListingPromises,
    OverduePromises,
    ExpiryPromises,
    MarkPromises,
    PausePromises,
    MovingPromises,
    PayingPromises,
):
    """Every numbered promise of `JobRepository`. Supply what `RepositorySetting` asks for."""


class CutOffRepositoryContract:
    """For repositories behind a network: with nobody at the other end, every method raises `Unavailable`."""

    @pytest.fixture
    def cut_off(self) -> JobRepository:
        """A repository whose other end does not answer."""
        raise NotImplementedError("supply a repository that is cut off")

    @pytest.mark.parametrize(
        "use",
        [
            pytest.param(lambda r: r.add(a_job()), id="add"),
            pytest.param(lambda r: r.add_all([a_job()]), id="add_all"),
            pytest.param(lambda r: r.known(Idempotency(key="k", fingerprint="f")), id="known"),
            pytest.param(lambda r: r.get(a_job().id), id="get"),
            pytest.param(lambda r: r.save(a_job(NOON, version=1)), id="save"),
            pytest.param(lambda r: r.move(a_job(NOON, version=1)), id="move"),
            pytest.param(lambda r: r.movable("alpha"), id="movable"),
            pytest.param(lambda r: r.claim_next("alpha", worker="w", token="t", lease_s=1.0), id="claim_next"),
            pytest.param(lambda r: r.beat(a_job().id, token="t", lease_s=1.0), id="beat"),
            pytest.param(lambda r: r.list(JobQuery()), id="list"),
            pytest.param(lambda r: r.list(JobQuery(text="x")), id="search"),
            pytest.param(lambda r: r.mark(a_job().id, favourite=True), id="mark"),
            pytest.param(lambda r: r.overdue(), id="overdue"),
            pytest.param(lambda r: r.expired(), id="expired"),
            pytest.param(lambda r: r.delete(a_job(NOON, version=1).cancelled(now=NOON)), id="delete"),
            pytest.param(lambda r: r.state("alpha"), id="state"),
            pytest.param(lambda r: r.pause("alpha"), id="pause"),
            pytest.param(lambda r: r.resume("alpha"), id="resume"),
            pytest.param(lambda r: r.position(a_job()), id="position"),
            pytest.param(lambda r: r.now(), id="now"),
        ],
    )
    async def test_a_repository_that_is_cut_off_says_so(
        self, cut_off: JobRepository, use: Callable[[JobRepository], Awaitable[object]]
    ) -> None:
        with pytest.raises(Unavailable) as refused:
            await use(cut_off)

        assert refused.value.retry_after_s >= 1

"""The plans are worth something: each of these faults, put into the code on purpose, makes them fail."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from adapters.directory import DirectoryImageStore
from adapters.directory.calls import store_call
from adapters.directory.draft import NamelessDraft
from adapters.directory.folder import Folder
from crash_plans import every_cancel, every_crash, every_move, every_zombie
from crash_worker import ACTING, MemoryStage
from imaging_core.attempt import Attempt
from imaging_core.caller import Caller, StopReason
from imaging_core.errors import FailureCode
from imaging_core.events import JobEvent
from imaging_core.images import Generated, PlannedCall, StoredCall
from imaging_core.jobs import CallState, Job
from imaging_core.key_ports import CreditClaim
from imaging_core.memory import MemoryImageStore, MemoryJobRepository
from imaging_core.ports import Preference, QueueLimits
from imaging_core.records import stored_call_to_record
from imaging_core.runner import JobRunner


def caught(*words: str) -> "pytest.RaisesExc[AssertionError]":
    """The plans fail and say so in one of these words."""
    return pytest.raises(AssertionError, match="|".join(words))


# --- the fence -------------------------------------------------------------------------------------------


class Unfenced(MemoryJobRepository):
    """Whoever writes last wins."""

    async def save(self, job: Job, *, token: str | None = None, events: Sequence[JobEvent] = ()) -> Job:
        entry = self._entry(job.id)
        return self._write(entry, entry.job, job, self._now(), events)


async def test_a_repository_without_a_fence_is_caught() -> None:
    with caught("had ended was changed", "status fell"):
        await every_zombie(MemoryStage(Unfenced), pictures=1, paid=True)


class Forgetful(MemoryJobRepository):
    """Takes whoever claims for the first."""

    async def claim_next(
        self, backend: str, *, worker: str, token: str, lease_s: float, preference: Preference | None = None
    ) -> Job | None:
        job = await super().claim_next(backend, worker=worker, token=token, lease_s=lease_s, preference=preference)
        if job is None:
            return None
        entry = self._entry(job.id)
        entry.job = attrs.evolve(entry.job, crashes=0)
        return entry.job


async def test_a_repository_that_does_not_count_crashes_is_caught() -> None:
    with caught("crashes were counted as 0"):
        await every_crash(MemoryStage(Forgetful), pictures=1, paid=False, depth=1)


class Hasty(MemoryJobRepository):
    """Moves a job over whatever has become of it since it was read."""

    async def move(
        self,
        job: Job,
        *,
        events: Sequence[JobEvent] = (),
        limits: QueueLimits | None = None,
        claim: CreditClaim | None = None,
    ) -> Job:
        stored = await self.get(job.id)
        return await super().move(attrs.evolve(job, version=stored.version), events=events, limits=limits, claim=claim)


async def test_a_repository_that_moves_what_has_changed_is_caught() -> None:
    with caught("had ended was changed", "status fell", "a call had been sent"):
        await every_move(MemoryStage(Hasty), pictures=1, paid=True)


async def test_a_move_of_what_may_have_been_charged_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Job, "cost_nothing", True)

    with caught("a call had been sent", "at a backend that the job had left"):
        await every_zombie(MemoryStage(), pictures=1, paid=True, moved=True)


async def test_a_move_from_under_a_worker_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Job, "movable", property(lambda job: job.asked is not None and not job.status.terminal))

    with caught("at a backend that the job had left", "a call had been sent", "status fell", "attempts"):
        await every_move(MemoryStage(), pictures=1, paid=True)


# --- the order of work -----------------------------------------------------------------------------------


async def test_a_poison_check_before_adoption_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Attempt._work

    async def work(self: Attempt) -> None:
        if self._held.job.crashes >= self._parts.limits.max_crashes:
            await self._held.fail(FailureCode.WORKER_CRASH, "poison")
        else:
            await real(self)

    monkeypatch.setattr(Attempt, "_work", work)

    with caught("stored pictures were thrown away"):
        await every_crash(MemoryStage(), pictures=1, paid=False, depth=3, thin=True)


async def test_a_take_over_without_adoption_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Job.missing_calls
    monkeypatch.setattr(Job, "missing_calls", lambda job, _: real(job, ()))

    with caught("made again although it is stored"):
        await every_crash(MemoryStage(), pictures=1, paid=True, depth=1)


async def test_an_intent_that_is_written_after_its_call_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    async def make_one(self: Attempt, planned: PlannedCall) -> StoredCall | None:
        generated = await self._call(planned, "unwritten")
        await self._held.write(lambda job: job.intending(planned.index, "unwritten"))
        self._held.note_call("unwritten", CallState.ANSWERED)
        return await self._store(planned, generated)

    monkeypatch.setattr(Attempt, "_make_one", make_one)

    with caught("before its intent was written"):
        await every_crash(MemoryStage(), pictures=1, paid=True, depth=2)


async def test_paid_calls_that_are_not_counted_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Job, "paid_tries", lambda *_: 0)

    with caught("more paid calls than allowed"):
        await every_crash(MemoryStage(), pictures=1, paid=True, depth=2)


# --- cancel ----------------------------------------------------------------------------------------------


async def test_a_worker_that_is_deaf_to_cancels_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Caller.stop
    monkeypatch.setattr(
        Caller, "stop", lambda self, reason: None if reason is StopReason.CANCEL else real(self, reason)
    )

    with caught("sent after the cancel"):
        await every_cancel(MemoryStage(), pictures=2, paid=True)


async def test_a_take_over_that_is_deaf_to_cancels_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    real = JobRunner.__init__

    def init(self: JobRunner, parts: Any) -> None:
        jobs = parts.jobs

        async def claim(*args: Any, **kwargs: Any) -> Job | None:
            job = await jobs.claim_next(*args, **kwargs)
            return attrs.evolve(job, cancel_requested=False) if job else None

        real(self, attrs.evolve(parts, jobs=_With(jobs, claim)))

    monkeypatch.setattr(JobRunner, "__init__", init)

    with caught("sent after the cancel"):
        await every_cancel(MemoryStage(), pictures=1, paid=True)


class _With:
    """The port with another way to claim."""

    def __init__(self, port: Any, claim_next: Any) -> None:
        self._port = port
        self.claim_next = claim_next

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


# --- the store -------------------------------------------------------------------------------------------


class Overwriting(MemoryImageStore):
    """The last writer wins."""

    async def put(self, job_id: str, call: int, generated: Generated, *, first_image: int) -> StoredCall:
        self._calls.get(job_id, {}).pop(call, None)
        return await super().put(job_id, call, generated, first_image=first_image)


async def test_a_store_that_overwrites_is_caught() -> None:
    with caught("not what its record says"):
        await every_zombie(MemoryStage(store=Overwriting()), pictures=1, paid=True, late=True)


async def test_a_directory_that_overwrites_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def publish(self: NamelessDraft, name: str) -> bool:
        self.replace(name)
        return True

    monkeypatch.setattr(NamelessDraft, "publish", publish)
    store = DirectoryImageStore(tmp_path, reserve_bytes=0)
    monkeypatch.setattr(DirectoryImageStore, "_put", _without_a_look)

    with caught("not what its record says"):
        await every_zombie(MemoryStage(store=store), pictures=1, paid=True, late=True)


def _without_a_look(
    self: DirectoryImageStore, job_id: str, call: int, generated: Generated, first_image: int
) -> StoredCall:
    with self._made_folder(job_id) as (folder, *_):
        return store_call(folder, job_id, call, generated, first_image)


async def test_a_record_that_is_written_before_its_pictures_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def record_first(
        folder: Folder, job_id: str, call: int, generated: Generated, first_image: int, **_: object
    ) -> StoredCall:
        # What the record will say is learnt on the side; then it is published while its pictures are still to come.
        folder.make("aside")
        with folder.enter("aside") as aside:
            stored = store_call(aside, job_id, call, generated, first_image)
        folder.draft(json.dumps(stored_call_to_record(stored)).encode()).publish(f"{call}.json")
        worker = ACTING.get()
        assert worker is not None
        worker.point_in_thread("before the pictures")
        for image, ref in zip(generated.images, stored.images, strict=True):
            folder.draft(image.data).replace(ref.key.partition("/")[2])
        return stored

    monkeypatch.setattr("adapters.directory.store.store_call", record_first)

    with caught("not what its record says"):
        await every_crash(
            MemoryStage(store=DirectoryImageStore(tmp_path, reserve_bytes=0)), pictures=1, paid=True, depth=1
        )

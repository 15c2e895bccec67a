"""Drives a repository and the one in memory with the same random operations, and compares all they answer.

May import Hypothesis, the core and the neighbouring modules; knows no adapter. A subclass supplies `open`, `close` and
`wait`, and runs as `run_state_machine_as_test(Subclass, settings=SETTINGS)`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import attrs
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from contracts.listening import told
from contracts.repository_comparison import Read, RepositoryComparison
from contracts.samples import NOON, a_failure, a_job, a_ref, an_event
from contracts.strategies import backends, new_jobs, owners, preferences
from imaging_core.errors import JobConflict
from imaging_core.events import EventKind, JobEvent
from imaging_core.jobs import OVERDUE_GRACE, Job, JobStatus, LeaseReason
from imaging_core.moves import Move
from imaging_core.ports import (
    Idempotency,
    JobEvents,
    JobQuery,
    JobRepository,
    Pause,
    Preference,
    QueueLimits,
    QueueState,
)

#: Enough to meet every operation in many orders, within seconds. Shrinking a failure takes minutes: allow `Phase.shrink`
#: by hand when one is to be understood.
SETTINGS = settings(
    max_examples=15,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)

BACKENDS = ("alpha", "beta")
#: Half a tick off each other, so that nothing happens at the very moment a lease ends unless clocks are exact.
waits = st.sampled_from([0.5, 1.0, 1.5, 2.5])
#: Which of the jobs read to use: of those still open when last seen, mostly, and mostly as last seen.
picks = st.tuples(st.sampled_from([True, True, True, False]), st.integers(0, 9))
tokens = st.sampled_from(["own", "own", "own", "forged", ""])

keys = st.none() | st.tuples(st.sampled_from("kq"), st.sampled_from("ffg"))
limits = st.none() | st.sampled_from([QueueLimits(max_queued=3), QueueLimits(max_queued_per_owner=1)])

#: What may be done to a job, given the time and a later moment.
STEPS: dict[str, Callable[[Job, datetime, datetime], Job]] = {
    "retry": lambda job, now, then: job.parked_until(then, LeaseReason.RETRY, now=now, failure=a_failure(now)),
    "drain": lambda job, now, _: job.parked_until(now, LeaseReason.DRAIN, now=now),
    "strand": lambda job, now, then: job.parked_until(then, LeaseReason.STRANDED, now=now),
    "throttle": lambda job, now, then: job.parked_until(then, LeaseReason.THROTTLED, now=now),
    "succeed": lambda job, now, _: job.succeeded([a_ref()], now=now),
    "fail": lambda job, now, _: job.failed(a_failure(now), now=now),
    "cancel": lambda job, now, _: job.cancel(now=now),
    "cancelled": lambda job, now, _: job.cancelled(now=now),
    "intend": lambda job, _, __: job.intending(len(job.calls), f"task-{len(job.calls)}"),
    "urgent": lambda job, _, __: attrs.evolve(job, priority=job.priority + 1),
}


class RepositoryModel(RepositoryComparison):
    """The operations, and what holds after each."""

    # --- operations --------------------------------------------------------------------------------------

    @rule(job=new_jobs, key=keys, limits=limits)
    def add(self, job: dict[str, Any], key: tuple[str, str] | None, limits: QueueLimits | None) -> None:
        self.store([job], key, limits)

    @rule(backend=backends, priority=st.integers(-1, 1), ticks=st.sampled_from([0.75, 2.0]))
    def add_and_claim(self, backend: str, priority: int, ticks: float) -> None:
        self.store([{"backend": backend, "priority": priority}], None, None)
        self.claim(backend, ticks)

    @rule(facts=st.lists(new_jobs, min_size=1, max_size=4), key=keys, limits=limits)
    def add_many(self, facts: list[dict[str, Any]], key: tuple[str, str] | None, limits: QueueLimits | None) -> None:
        self.store(facts, key, limits)

    def store(self, facts: list[dict[str, Any]], key: tuple[str, str] | None, limits: QueueLimits | None) -> None:
        self.runner.run(self.settle())
        jobs = [self.made(each) for each in facts]
        promise = None
        if key is not None:
            promise = Idempotency(key=key[0], fingerprint=key[1], ttl_s=2.25 * self.tick_s)
            self.key_ends.append(self.time + timedelta(seconds=promise.ttl_s))
        events = [an_event(job) for job in jobs]
        both = self.compare(
            lambda repository, _: repository.add_all(jobs, events=events, idempotency=promise, limits=limits),
            by=lambda stored: [*map(self.blurred, stored)],
        )
        self.reads += map(Read, *(both or ((), ())))
        if promise is not None:
            self.compare(lambda jobs, _: jobs.known(promise), by=lambda known: [*map(self.blurred, known)])

    def made(self, facts: dict[str, Any]) -> Job:
        self.count += 1
        wait_s = facts.get("max_wait_s") and facts["max_wait_s"] * self.tick_s
        run_timeout_s = 2.25 * self.tick_s - OVERDUE_GRACE.total_seconds()
        facts = {**facts, "id": f"{self.count:032x}", "max_wait_s": wait_s, "run_timeout_s": run_timeout_s}
        return a_job(self.time, **facts)

    @rule(backend=backends, ticks=st.sampled_from([0.75, 2.0, 20.0]), preference=st.none() | preferences)
    def claim(self, backend: str, ticks: float, preference: Preference | None = None) -> None:
        self.count += 1
        token, lease_s = f"token-{self.count}", ticks * self.tick_s
        self.compare_jobs(
            lambda jobs, _: jobs.claim_next(backend, worker="w", token=token, lease_s=lease_s, preference=preference)
        )

    @rule(number=picks, token=tokens, ticks=st.sampled_from([0.75, 2.0]))
    def beat(self, number: tuple[bool, int], token: str, ticks: float) -> None:
        read = self.pick(number)
        shown = self.token(read, token) or ""
        self.compare(lambda jobs, job: jobs.beat(job.id, token=shown, lease_s=ticks * self.tick_s), read)

    @rule(number=picks, step=st.sampled_from(sorted(STEPS)), ticks=waits, token=tokens)
    def save(self, number: tuple[bool, int], step: str, ticks: float, token: str) -> None:
        read = self.pick(number)
        self.runner.run(self.settle())
        self.count += 1
        try:
            after = Read(*(self.stepped(job, step, ticks) for job in (read.model, read.real)))
        except JobConflict:
            # What both gave is equal, so the step is as illegal for the one as for the other.
            return
        shown = self.token(read, token)
        self.compare_jobs(
            lambda jobs, job: jobs.save(job, token=shown, events=[an_event(job, EventKind.PARKED)]), after
        )

    @rule(number=st.integers(0, 9), step=st.sampled_from(["cancelled", "fail", "retry", "succeed"]), ticks=waits)
    def end(self, number: int, step: str, ticks: float) -> None:
        self.save((True, number), step, ticks, "own")

    def stepped(self, job: Job, step: str, ticks: float) -> Job:
        return self.named(STEPS[step](job, self.time, self.time + timedelta(seconds=ticks * self.tick_s)))

    def named(self, after: Job) -> Job:
        if after.lease is not None and after.parked:
            # A parked lease gets a random token; both must have the same.
            after = attrs.evolve(after, lease=attrs.evolve(after.lease, token=f"parked-{self.count}"))
        return after

    @rule(number=picks, to=backends, limits=limits)
    def move(self, number: tuple[bool, int], to: str, limits: QueueLimits | None) -> None:
        read = self.pick(number)
        self.runner.run(self.settle())
        self.count += 1
        try:
            after = Read(*(self.moved(job, to) for job in (read.model, read.real)))
        except JobConflict:
            return
        self.compare_jobs(
            lambda jobs, job: jobs.move(job, events=[an_event(job, EventKind.MOVED)], limits=limits), after
        )

    def moved(self, job: Job, to: str) -> Job:
        request = attrs.evolve(job.request, checkpoint="tinyB")
        return self.named(job.moved(Move(left=job.backend, backend=to, reason="Down.", at=self.time), request))

    @rule(number=picks, favourite=st.booleans())
    def mark(self, number: tuple[bool, int], favourite: bool) -> None:
        self.compare(lambda jobs, job: jobs.mark(job.id, favourite=favourite), self.pick(number), by=self.blurred)

    @rule(backend=backends, stopped=st.sampled_from([True, False, False]), reason=st.sampled_from(["", "drivers"]))
    def pause(self, backend: str, stopped: bool, reason: str) -> None:
        if stopped:
            self.compare(lambda jobs, _: jobs.pause(backend, reason=reason), by=self.stop)
        else:
            self.compare(lambda jobs, _: jobs.resume(backend))

    def stop(self, pause: Pause | None) -> Pause | None:
        return attrs.evolve(pause, since=NOON) if pause and self.margin_s else pause

    @rule(number=picks, ended=st.booleans())
    def delete(self, number: tuple[bool, int], ended: bool) -> None:
        done = [read for read in self.reads if read.model.status.terminal]
        read = done[-1 - number[1] % len(done)] if ended and done else self.pick(number)
        answer = self.compare(lambda jobs, job: jobs.delete(job, events=[an_event(job)]), read)
        self.deleted |= answer is not None

    @rule(number=picks)
    def look_at_one(self, number: tuple[bool, int]) -> None:
        read = self.pick(number)
        self.compare(lambda jobs, job: jobs.position(job), read)
        self.compare_jobs(lambda jobs, job: jobs.get(job.id), read)

    @rule(
        query=st.builds(
            JobQuery,
            backend=st.none() | backends,
            owner=owners,
            statuses=st.none() | st.frozensets(st.sampled_from(JobStatus), max_size=2),
            favourite=st.sampled_from([None, None, True, False]),
            with_images=st.booleans(),
            checkpoint=st.sampled_from([None, None, "tiny", "other"]),
            text=st.sampled_from([None, None, "red", "FOX", "4k w", "猫", "e"]),
            limit=st.integers(1, 3),
        )
    )
    def look_at_pages(self, query: JobQuery) -> None:
        async def pages(jobs: JobRepository, _: Job) -> list[list[str]]:
            page = await jobs.list(query)
            found = [page]
            while page.cursor is not None:
                page = await jobs.list(attrs.evolve(query, cursor=page.cursor))
                found.append(page)
            return [[job.id for job in page.jobs] for page in found]

        self.compare(pages)

    @rule(ticks=waits)
    def let_time_pass(self, ticks: float) -> None:
        self.runner.run(self.wait(ticks * self.tick_s))

    @rule()
    def listen(self) -> None:
        self.count += 1
        mark = a_job(self.time, id=f"{self.count:032x}", backend="mark")
        self.compare_jobs(lambda jobs, _: jobs.add(mark, events=[an_event(mark)]))
        if self.given_up:
            return

        async def heard(events: JobEvents, place: str) -> list[JobEvent]:
            found: list[JobEvent] = []
            while not found or found[-1].job_id != mark.id:
                found += await told(events, after=found[-1].cursor if found else place, count=1)
            return found

        model = self.runner.run(heard(self.model_events, self.places[0]))
        real = self.runner.run(heard(self.real_events, self.places[1]))
        self.places = model[-1].cursor, real[-1].cursor
        assert [self.facts(event) for event in model] == [self.facts(event) for event in real]

    def facts(self, event: JobEvent) -> JobEvent:
        return attrs.evolve(event, cursor="", at=NOON if self.margin_s else event.at)

    # --- what holds after each ---------------------------------------------------------------------------

    @invariant()
    def the_same_jobs_are_there(self) -> None:
        self.compare(lambda jobs, _: jobs.list(JobQuery(limit=1000)), by=lambda page: [*map(self.blurred, page.jobs)])

    @invariant()
    def the_same_jobs_are_overdue(self) -> None:
        # Which of two jobs with one deadline comes first is nobody's promise.
        self.compare(lambda jobs, _: jobs.overdue(), by=lambda overdue: sorted(job.id for job in overdue))

    @invariant()
    def catching_up_changes_nothing(self) -> None:
        self.runner.run(self.real.catch_up())

    @invariant()
    def the_backends_are_as_busy(self) -> None:
        for backend in BACKENDS:
            self.compare(lambda jobs, _, name=backend: jobs.state(name), by=self.busy)  # type: ignore[misc]

    @invariant()
    def the_same_jobs_may_be_moved(self) -> None:
        for backend in BACKENDS:
            self.compare(
                lambda jobs, _, name=backend: jobs.movable(name, skip=1, limit=3),  # type: ignore[misc]
                by=lambda movable: [*map(self.blurred, movable)],
            )

    def busy(self, state: QueueState) -> tuple[int | float | Pause | None, ...]:
        counts = (state.claimable, state.started, self.stop(state.paused))
        if self.margin_s:
            return counts
        # Whether a deleted job still tells how long jobs take is nobody's promise.
        return (*counts, state.oldest_claimable_s, None if self.deleted else state.mean_run_s)

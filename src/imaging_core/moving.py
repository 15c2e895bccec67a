"""Lets jobs that were left to the service's choice go on elsewhere when their backend cannot; imports stdlib and this package.

It runs where submits are answered, since what a job may cost is known there. Each step looks at a bounded number of jobs,
and every move is one atomic write that only one can win, so any number of processes may do it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import attrs

from imaging_core.choosing import Chooser, lack_of, trouble_of
from imaging_core.errors import (
    ImagingError,
    InvalidRequest,
    JobConflict,
    JobDeleted,
    JobNotFound,
    QueueFull,
    StaleJob,
    Unavailable,
)
from imaging_core.events import EventKind, event_of
from imaging_core.faults import log_fault
from imaging_core.jobs import Job
from imaging_core.routing import NoRoute, Option, Route
from imaging_core.service import ImagingService
from imaging_core.spending import CreditLimitReached
from imaging_core.views import BackendView

log = logging.getLogger("imaging.moving")

#: Jobs of a backend that are looked at in one step.
STEP = 50
#: Least time between two looks at the backends, in s: each of them is asked.
LOOK_S = 5.0
#: A backend whose gate was closed is well again when it showed nothing wrong for so long, in s: it is tried in between. With
#: any other trouble one look that finds nothing wrong is enough.
CALM_S = 30.0
#: Time between two looks for jobs of backends that are not set up here, in s: there are hardly ever any.
ABSENT_S = 30.0


@attrs.frozen(kw_only=True)
class _Illness:
    """What is wrong with a backend, and for how long, on the loop's clock."""

    #: Half a sentence.
    why: str
    since: float
    seen: float
    #: Whether its gate was closed.
    closed: bool
    #: How long its jobs take, which changes with each that is finished.
    mean_run_s: float | None


@attrs.frozen(kw_only=True)
class _Silence:
    """How long an instance of a backend has been down, on the loop's clock."""

    since: float
    seen: float


@attrs.frozen(kw_only=True)
class _Ails:
    """Why nothing will come of jobs of one backend for longer than they should wait."""

    #: Of any of them: half a sentence.
    whole: str | None = None
    #: Its instances that have been down for so long: nothing comes of jobs whose checkpoint only they have.
    down: frozenset[str] = frozenset()
    view: BackendView | None = None

    @property
    def any(self) -> bool:
        """Whether there may be such jobs."""
        return self.whole is not None or bool(self.down)

    def why(self, job: Job) -> str | None:
        """Why nothing will come of a job: half a sentence; None while it may wait."""
        lack = self.lack(job) if self.whole is None else None
        return lack[0] if lack is not None and self.down.issuperset(lack[1]) else self.whole

    def lack(self, job: Job) -> tuple[str, tuple[str, ...]] | None:
        """What a job lacks there just now, as half a sentence, and the instances that alone may have it."""
        return None if self.view is None else lack_of(self.view, job.request.checkpoint)


class Mover:
    """Looks for jobs that cannot go on where they are, and moves them."""

    def __init__(self, service: ImagingService) -> None:
        self._service = service
        self._illness: dict[str, _Illness] = {}
        #: By backend and instance.
        self._silences: dict[tuple[str, str], _Silence] = {}
        self._views: Sequence[BackendView] = ()
        self._served: frozenset[str] | None = None
        self._looked_at = self._absent_at = float("-inf")
        #: What was sent to each backend since it was looked at.
        self._sent: Counter[str] = Counter()
        #: Jobs of each backend that were looked at before, and could not be moved.
        self._passed: Counter[str] = Counter()
        #: When the backends were looked at as nothing came of a step with one.
        self._in_vain: dict[str, float] = {}
        #: Jobs that would fail, and had nowhere to go since the backends were looked at.
        self._stuck: set[str] = set()

    async def run(self, *, every_s: float) -> None:
        """Move what is to be moved until cancelled; a step that goes wrong is told in the log and followed by the next."""
        while True:
            try:
                await self.step()
            except ImagingError as error:
                log.warning("A look for jobs to be moved was cut short: %s", error)
            except Exception as error:  # noqa: BLE001  # nobody awaits this task
                log_fault(log, "A look for jobs to be moved failed.", error, {})
            await asyncio.sleep(every_s)

    async def step(self) -> None:
        """Look at some jobs of every backend. Raises Unavailable."""
        for backend in self._service.backend_names:
            front = await self._service.jobs.movable(backend, limit=STEP)
            if not front:
                self._passed.pop(backend, None)
                continue
            ails = await self._ails(backend)
            await self._go_through(backend, front, ails)
            if backend not in self._illness:
                for job in front:
                    if ails.lack(job) is None:
                        await self._let_wait(job)
        for backend in self._absent():
            front = await self._service.jobs.movable(backend, limit=STEP)
            if front:
                await self._go_through(backend, front, await self._abandoned(backend))

    async def _go_through(self, backend: str, front: Sequence[Job], ails: _Ails) -> None:
        """Move those that cannot be made where they are, and, if there is a reason, some of those that wait."""
        passed, page = self._passed[backend], front
        in_vain = self._in_vain.get(backend) == self._looked_at
        if passed or in_vain:
            # A job that would fail is at the front, and waits for no turn.
            await self._go_all(front, _Ails())
            if in_vain:
                # Nothing is known that was not known then.
                return
            page = await self._service.jobs.movable(backend, skip=passed, limit=STEP)
        stay, gone = await self._go_all(page, ails)
        # Those that cannot be moved must not stand before the others for ever; at the end it begins anew.
        more = len(page) == STEP and (ails.any or page[-1].stranded)
        self._passed[backend] = passed + len(page) - gone if more else 0
        if ails.any and not gone and (stay or not more):
            self._in_vain[backend] = self._looked_at

    async def _go_all(self, jobs: Sequence[Job], ails: _Ails) -> tuple[int, int]:
        """How many stay of those that were to go, and how many do not."""
        went = []
        for job in jobs:
            if job.stranded:
                code = job.failures[-1].code if job.failures else "stranded"
                # Asking for credits again and again has the whole book settled each time.
                stuck = job.id in self._stuck or not await self._go_on(job, f"cannot make it now ({code})", must=True)
                self._stuck |= {job.id} if stuck else set()
                went.append(not stuck)
            elif (why := ails.why(job)) is not None:
                went.append(await self._go_on(job, why, must=False))
        return went.count(False), went.count(True)

    # --- a backend ---------------------------------------------------------------------------------------

    async def _look(self) -> Sequence[BackendView]:
        now = asyncio.get_running_loop().time()
        if now - self._looked_at >= LOOK_S:
            self._views, self._served = await self._service.backends(), await self._service.served()
            self._sent.clear()
            self._stuck.clear()
            self._looked_at = asyncio.get_running_loop().time()
            for view in self._views:
                self._note(view)
                self._note_instances(view)
        return self._views

    def _note(self, view: BackendView) -> None:
        """Note what is wrong with a backend, or that nothing is."""
        seen, before = self._looked_at, self._illness.get(view.name)
        recent = before is not None and seen - before.seen <= CALM_S + LOOK_S
        # What was finished there meanwhile shows that it works, whatever a look says.
        goes_on = before is not None and recent and before.mean_run_s == view.queue.mean_run_s
        why = trouble_of(view) or _closed(view) or (None if self._has_worker(view.name) else "has no worker")
        if why is not None:
            self._illness[view.name] = _Illness(
                why=why,
                since=before.since if before is not None and goes_on else seen,
                seen=seen,
                closed=_closed(view) is not None,
                mean_run_s=view.queue.mean_run_s,
            )
        elif before is not None and not (goes_on and before.closed):
            del self._illness[view.name]

    def _note_instances(self, view: BackendView) -> None:
        """Note which instances are down; one answer begins anew, whatever the others finish meanwhile."""
        seen = self._looked_at
        for look in view.instances:
            before = self._silences.pop((view.name, look.name), None)
            if look.down:
                recent = before is not None and seen - before.seen <= CALM_S + LOOK_S
                since = before.since if before is not None and recent else seen
                self._silences[view.name, look.name] = _Silence(since=since, seen=seen)

    def _absent(self) -> Sequence[str]:
        """The backends of the order that are not set up here, now and then: jobs may be left of when they were."""
        now = asyncio.get_running_loop().time()
        if now - self._absent_at < ABSENT_S:
            return ()
        self._absent_at = now
        return [name for name in self._service.auto.order if name not in self._service.backend_names]

    async def _abandoned(self, backend: str) -> _Ails:
        """Why nothing will come of the jobs of one that is not set up here, while no worker elsewhere may make them."""
        await self._look()
        seen, before = self._looked_at, self._illness.pop(backend, None)
        if self._has_worker(backend):
            return _Ails()
        since = before.since if before is not None and seen - before.seen <= 2 * ABSENT_S else seen
        self._illness[backend] = _Illness(why="has no worker", since=since, seen=seen, closed=False, mean_run_s=None)
        return _Ails(whole="has no worker" if seen - since > self._service.auto.max_wait_s else None)

    def _has_worker(self, backend: str) -> bool:
        return self._served is None or backend in self._served

    async def _ails(self, backend: str) -> _Ails:
        view = next(view for view in await self._look() if view.name == backend)
        return _Ails(whole=await self._ails_whole(view), down=self._long_down(view), view=view)

    def _long_down(self, view: BackendView) -> frozenset[str]:
        silences = {look.name: self._silences.get((view.name, look.name)) for look in view.instances}
        limit = self._service.auto.max_wait_s
        return frozenset(name for name, silence in silences.items() if silence and silence.seen - silence.since > limit)

    async def _ails_whole(self, view: BackendView) -> str | None:
        illness = self._illness.get(view.name)
        if illness is None or illness.seen < self._looked_at:
            return None
        for_s = max(illness.seen - illness.since, view.gate.closed_for_s)
        if view.queue.paused is not None:
            for_s = max(for_s, (await self._service.jobs.now() - view.queue.paused.since).total_seconds())
        return illness.why if for_s > self._service.auto.max_wait_s else None

    # --- a job -------------------------------------------------------------------------------------------

    async def _go_on(self, job: Job, why: str, *, must: bool) -> bool:
        """Let a job go on elsewhere, or end it if it `must` and never can; whether it is not there any more."""
        try:
            nowhere = await self._moved(job, why, must=must)
            if nowhere is not None:
                await self._keep(job, nowhere, ends=must and not nowhere.passing)
        except Unavailable:
            raise
        except (StaleJob, JobConflict, JobNotFound, JobDeleted):
            # Somebody else changed it since it was read: claimed it, cancelled it, or moved it.
            return True
        except ImagingError as error:
            log.warning("A job could not be moved: %s", error, extra={"job_id": job.id, "backend": job.backend})
            return False
        return nowhere is None or (must and not nowhere.passing)

    async def _moved(self, job: Job, why: str, *, must: bool) -> NoRoute | None:
        """Move a job to the first backend that will have it; what speaks against each, None when it was moved."""
        views = await self._look()
        chooser = Chooser(self._service, owner=job.owner, views=views, sent=self._sent, served=self._served)
        refused: dict[str, Option] = {}
        while True:
            route = await chooser.choose_another(job, why, must=must, refused=refused)
            if isinstance(route, NoRoute):
                return route
            try:
                await self._service.move(job, route)
            except (CreditLimitReached, QueueFull, InvalidRequest) as refusal:
                refused[route.backend] = _refused(route.backend, refusal)
            else:
                self._sent[route.backend] += 1
                log.info("A job was moved to another backend.", extra=_facts(job, route))
                return None

    async def _keep(self, job: Job, nowhere: NoRoute, *, ends: bool) -> None:
        """Have a job say why it stays, unless it does already; or end it for the reason that its own backend gave."""
        stayed = f"It stayed with {job.backend!r}. {nowhere.reason}"
        if ends:
            await self._fail(attrs.evolve(job, stayed=stayed))
        elif stayed != job.stayed:
            await self._service.jobs.save(attrs.evolve(job, stayed=stayed))

    async def _let_wait(self, job: Job) -> None:
        """Have a job whose backend is well again say no more that it stayed."""
        if job.stayed is not None and not job.stranded:
            with suppress(StaleJob, JobNotFound, JobDeleted):
                await self._service.jobs.save(attrs.evolve(job, stayed=None))

    async def _fail(self, job: Job) -> None:
        now, last = await self._service.jobs.now(), job.failures[-1]
        failure = attrs.evolve(last, message=f"{last.message} {job.stayed}", at=now)
        ended = attrs.evolve(job, failures=job.failures[:-1]).failed(failure, now=now)
        event = event_of(ended, EventKind.FAILED, at=now, code=failure.code.value)
        await self._service.jobs.save(ended, events=[event])
        log.info("The job failed.", extra={"job_id": job.id, "backend": job.backend, "code": failure.code.value})


def _refused(backend: str, refusal: CreditLimitReached | QueueFull | InvalidRequest) -> Option:
    """Why a backend may not have a job, in words that stay the same while the reason does."""
    match refusal:
        case CreditLimitReached():
            return Option(backend=backend, objection=refusal.in_short, passing=not refusal.for_good)
        case QueueFull():
            # Without the seconds to wait: each time other ones would be another reason, and another write.
            whose = "for more jobs of the same key" if refusal.mine else "in its queue"
            return Option(backend=backend, objection=f"has no room {whose}", passing=True)
    return Option(backend=backend, objection=f"does not take it: {str(refusal).rstrip('.')}")


def _closed(view: BackendView) -> str | None:
    """What a closed gate says of a backend; a rate limit is none of its troubles."""
    match view.gate.reason:
        case "circuit":
            return "fails its calls"
        case "pause":
            return "turns calls away"
    return None


def _facts(job: Job, route: Route) -> dict[str, object]:
    return {"job_id": job.id, "left": job.backend, "backend": route.backend}

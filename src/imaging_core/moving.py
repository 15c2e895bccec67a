"""Lets jobs that were left to the service's choice go on elsewhere when their backend cannot; imports stdlib and this package.

It runs where submits are answered, since what a job may cost is known there. Each step looks at a bounded number of jobs,
and every move is one atomic write that only one can win, so any number of processes may do it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

import attrs

from imaging_core.choosing import Chooser, trouble_of
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
from imaging_core.routing import NoRoute, Route
from imaging_core.service import ImagingService
from imaging_core.spending import CreditLimitReached
from imaging_core.views import BackendView

log = logging.getLogger("imaging.moving")

#: Jobs of a backend that are looked at in one step.
STEP = 50
#: Least time between two looks at the backends, in s: each of them is asked.
LOOK_S = 5.0
#: A backend that showed nothing wrong for so long is well again, in s: one that fails its calls is tried in between.
CALM_S = 30.0


@attrs.frozen(kw_only=True)
class _Illness:
    """How long something was wrong with a backend, on the loop's clock."""

    since: float
    seen: float


class Mover:
    """Looks for jobs that cannot go on where they are, and moves them."""

    def __init__(self, service: ImagingService) -> None:
        self._service = service
        self._illness: dict[str, _Illness] = {}
        self._views: Sequence[BackendView] = ()
        self._looked_at = float("-inf")
        #: What was sent to each backend since it was looked at.
        self._sent: Counter[str] = Counter()
        #: Jobs of each backend that were looked at before, and could not be moved.
        self._passed: Counter[str] = Counter()
        #: When the backends were looked at as nothing came of a step with one.
        self._in_vain: dict[str, float] = {}

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
            for job in front:
                if job.stranded:
                    code = job.failures[-1].code if job.failures else "stranded"
                    await self._go_on(job, f"cannot make it now ({code})", must=True)
            why = await self._ails(backend)
            if why is not None:
                await self._move_those_who_wait(backend, front, why)

    async def _move_those_who_wait(self, backend: str, front: Sequence[Job], why: str) -> None:
        if self._in_vain.get(backend) == self._looked_at:
            # As nothing is known that was not known then.
            return
        passed = self._passed[backend]
        page = front if not passed else await self._service.jobs.movable(backend, skip=passed, limit=STEP)
        waiting = [job for job in page if not job.stranded]
        stayed = [job for job in waiting if not await self._go_on(job, why, must=False)]
        # Those that cannot be moved must not stand before the others for ever; at the end it begins anew.
        self._passed[backend] = passed + len(stayed) if len(page) == STEP else 0
        if len(stayed) == len(waiting):
            self._in_vain[backend] = self._looked_at

    # --- a backend ---------------------------------------------------------------------------------------

    async def _look(self) -> Sequence[BackendView]:
        now = asyncio.get_running_loop().time()
        if now - self._looked_at >= LOOK_S:
            self._views = await self._service.backends()
            self._sent.clear()
            self._looked_at = asyncio.get_running_loop().time()
        return self._views

    async def _ails(self, backend: str) -> str | None:
        """Why nothing will come of its jobs for longer than they should wait: half a sentence; None while they may wait."""
        view = next(view for view in await self._look() if view.name == backend)
        why = trouble_of(view) or _closed(view)
        if why is None:
            return None
        before, seen = self._illness.get(backend), self._looked_at
        since = seen if before is None or seen - before.seen > CALM_S + LOOK_S else before.since
        self._illness[backend] = _Illness(since=since, seen=seen)
        for_s = max(seen - since, view.gate.closed_for_s)
        if view.queue.paused is not None:
            for_s = max(for_s, (await self._service.jobs.now() - view.queue.paused.since).total_seconds())
        return why if for_s > self._service.auto.max_wait_s else None

    # --- a job -------------------------------------------------------------------------------------------

    async def _go_on(self, job: Job, why: str, *, must: bool) -> bool:
        """Let a job go on elsewhere, or end it if it `must`; whether it is not where it was any more."""
        try:
            refusal = await self._moved(job, why, must=must)
            if refusal is not None:
                await (self._fail(job, refusal) if must else self._stay(job, refusal))
        except Unavailable:
            raise
        except (StaleJob, JobConflict, JobNotFound, JobDeleted):
            # Somebody else changed it since it was read: claimed it, cancelled it, or moved it.
            return True
        except ImagingError as error:
            log.warning("A job could not be moved: %s", error, extra={"job_id": job.id, "backend": job.backend})
            return False
        return must or refusal is None

    async def _moved(self, job: Job, why: str, *, must: bool) -> str | None:
        """Move a job; what speaks against it, in sentences, None when it was moved."""
        chooser = Chooser(self._service, owner=job.owner, views=await self._look(), sent=self._sent)
        route = await chooser.choose_another(job, why, must=must)
        if isinstance(route, NoRoute):
            return route.reason
        try:
            await self._service.move(job, route)
        except QueueFull:
            # Without the seconds to wait: each time other ones would be another reason, and another write.
            return f"{job.backend!r} {why}. {route.backend!r} has no room in its queue."
        except (CreditLimitReached, InvalidRequest) as refusal:
            return f"{job.backend!r} {why}. {route.backend!r} may not have it: {refusal}"
        log.info("A job was moved to another backend.", extra=_facts(job, route))
        return None

    async def _stay(self, job: Job, why: str) -> None:
        """Have the job say why it stays, unless it does already."""
        stayed = f"It stayed with {job.backend!r}. {why}"
        if stayed != job.stayed:
            await self._service.jobs.save(attrs.evolve(job, stayed=stayed))

    async def _fail(self, job: Job, why: str) -> None:
        """End a job of which nothing will come anywhere, for the reason that its own backend gave."""
        now = await self._service.jobs.now()
        stayed = f"It stayed with {job.backend!r}. {why}"
        failure = attrs.evolve(job.failures[-1], message=f"{job.failures[-1].message} {stayed}", at=now)
        ended = attrs.evolve(job, stayed=stayed).failed(failure, now=now)
        event = event_of(ended, EventKind.FAILED, at=now, code=failure.code.value)
        await self._service.jobs.save(ended, events=[event])
        log.info("The job failed.", extra={"job_id": job.id, "backend": job.backend, "code": failure.code.value})


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

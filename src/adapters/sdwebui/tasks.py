"""Watches and stops tasks on one WebUI by their names, or by what little /progress tells where tasks have none.

May import the core, attrs and this folder. /progress and /interrupt are global: they speak of whatever runs now, for
whichever client. /internal/progress knows names, but calls a task that failed active until another one starts; only
/progress tells that nothing runs.
"""

import asyncio
import enum
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from adapters.sdwebui.answers import preview_in, preview_of
from adapters.sdwebui.settings import SdWebuiSettings
from adapters.sdwebui.wire import NoSuchRoute, Wire
from imaging_core.errors import CallRefused, FailureCode, GenerationError
from imaging_core.ports import CallProgress, Report

log = logging.getLogger("imaging.sdwebui")

#: How often a task that must stop is looked at, in s.
_WATCH_S = 0.1
#: How often it is told again, in s: a job that begins just then clears the flag.
_TELL_AGAIN_S = 1.0
#: How long a call that was just sent may take to become a task, in s.
_ARRIVAL_S = 0.5


class TaskState(enum.Enum):
    """Where a named task stands."""

    QUEUED = enum.auto()
    RUNNING = enum.auto()
    #: Ended, failed, or never heard of.
    GONE = enum.auto()


@attrs.frozen(kw_only=True)
class Running:
    """What runs now, for whomever."""

    busy: bool
    #: The second in which it began.
    timestamp: str
    interrupted: bool
    fraction: float
    step: int
    steps: int
    eta_s: float | None
    image: object = attrs.field(default=None, repr=False)


class Tasks:
    """Questions and orders about the tasks of one instance."""

    def __init__(self, wire: Wire, settings: SdWebuiSettings) -> None:
        self._wire = wire
        self._settings = settings

    async def running(self, *, with_image: bool = False) -> Running:
        """What runs now. Raises GenerationError."""
        skip = "false" if with_image else "true"
        try:
            answer = await self._wire.ask("GET", f"/sdapi/v1/progress?skip_current_image={skip}")
        except NoSuchRoute:
            answer = {}
        state = _mapping(_mapping(answer).get("state"))
        return Running(
            # job_count is -1 while a model loads, and 0 when nothing runs.
            busy=bool(state.get("job")) or bool(state.get("job_count")),
            timestamp=str(state.get("job_timestamp", "")),
            interrupted=state.get("interrupted") is True,
            fraction=_real(_mapping(answer).get("progress")) or 0.0,
            step=int(_real(state.get("sampling_step")) or 0),
            steps=int(_real(state.get("sampling_steps")) or 0),
            eta_s=_real(_mapping(answer).get("eta_relative")),
            image=_mapping(answer).get("current_image"),
        )

    async def state_of(self, task_id: str) -> TaskState:
        """Where a named task stands; only for servers that name tasks. Raises GenerationError."""
        answer = await self._named(task_id, preview=-1, with_preview=False)
        if answer.get("queued") is True:
            return TaskState.QUEUED
        if answer.get("active") is True and (await self.running()).busy:
            return TaskState.RUNNING
        return TaskState.GONE

    async def _named(self, task_id: str, *, preview: int, with_preview: bool) -> dict[str, Any]:
        question = {"id_task": task_id, "id_live_preview": preview, "live_preview": with_preview}
        try:
            return _mapping(await self._wire.ask("POST", "/internal/progress", question))
        except NoSuchRoute:
            return {}

    async def interrupt(self) -> None:
        """Stop whatever runs, after its present step. Raises GenerationError."""
        try:
            await self._wire.ask("POST", "/sdapi/v1/interrupt")
        except NoSuchRoute:
            log.warning("The WebUI at %s has no route to interrupt a job.", self._wire.where)

    async def follow(self, task_id: str, report: Report) -> None:
        """Report the progress of a named task until cancelled; what cannot be asked is not reported."""
        best, preview = 0.0, -1
        while True:
            await asyncio.sleep(self._settings.poll_s)
            try:
                answer = await self._named(task_id, preview=preview, with_preview=True)
            except GenerationError as error:
                log.debug("Progress is unknown: %s", error)
                continue
            fraction = _real(answer.get("progress"))
            if answer.get("active") is not True or fraction is None:
                continue
            best = max(best, min(fraction, 1.0))
            shown = preview_in(answer.get("live_preview"))
            if shown:
                preview = int(_real(answer.get("id_live_preview")) or -1)
            report(CallProgress(fraction=best, eta_s=_seconds(answer.get("eta")), preview=shown))

    async def follow_unnamed(self, mine: "Mine", report: Report) -> None:
        """Like `follow`, for servers that do not name tasks: the first job seen after the call was sent is taken for ours."""
        best = 0.0
        while True:
            await asyncio.sleep(self._settings.poll_s)
            try:
                running = await self.running(with_image=True)
            except GenerationError as error:
                log.debug("Progress is unknown: %s", error)
                continue
            if not mine.recognise(running):
                continue
            best = max(best, min(running.fraction, 1.0))
            steps = running.steps or None
            step = min(running.step, running.steps) if steps else None
            eta = _seconds(running.eta_s)
            report(CallProgress(fraction=best, step=step, steps=steps, eta_s=eta, preview=preview_of(running.image)))

    async def stop(self, task_id: str, *, timeout_s: float) -> bool:
        """Stop a named task and nothing else; whether it is certainly gone. Does not raise GenerationError.

        A waiting task cannot be taken out of the WebUI's queue: it is interrupted once its turn comes.
        """
        return await self._stop_when(timeout_s, lambda: self.state_of(task_id))

    async def stop_unnamed(self, mine: "Mine", *, timeout_s: float) -> bool:
        """Stop the job that is taken for ours, if one could be told from other people's."""

        async def state() -> TaskState:
            running = await self.running()
            return TaskState.RUNNING if mine.recognise(running) else TaskState.GONE

        return await self._stop_when(timeout_s, state)

    async def _stop_when(self, timeout_s: float, look: Callable[[], Awaitable[TaskState]]) -> bool:
        began, told, seen = time.monotonic(), -math.inf, False
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    state, now = await look(), time.monotonic()
                    seen = seen or state is not TaskState.GONE
                    if state is TaskState.GONE and (seen or now - began > _ARRIVAL_S):
                        return True
                    if state is TaskState.RUNNING and now - told > _TELL_AGAIN_S:
                        await self.interrupt()
                        told = now
                    await asyncio.sleep(_WATCH_S)
        except TimeoutError:
            return False
        except GenerationError as error:
            log.warning("A task could not be stopped: %s", error)
            return False

    async def take_over(self, task_ids: tuple[str, ...], *, names_tasks: bool) -> None:
        """End what earlier tries of the same job still run here, so that one instance never has the job twice.

        Raises CallRefused when it does not end in time, other GenerationError when it cannot be asked.
        """
        settings = self._settings
        if names_tasks:
            states = [await self.state_of(task_id) for task_id in task_ids]
            left = [task_id for task_id, state in zip(task_ids, states, strict=True) if state is not TaskState.GONE]
            gone = [await self.stop(task_id, timeout_s=settings.take_over_timeout_s) for task_id in left]
            if all(gone):
                return
        else:
            # Whose job runs cannot be known, so it is waited for and never interrupted.
            ends = time.monotonic() + settings.take_over_timeout_s
            while (await self.running()).busy:
                if time.monotonic() > ends:
                    break
                await asyncio.sleep(_WATCH_S)
            else:
                return
        message = f"An earlier try of this job still runs on the WebUI at {self._wire.where}."
        raise CallRefused(message, code=FailureCode.THROTTLED, retry_after_s=5.0)


class Mine:
    """Tells our job from a stranger's on a server that does not name tasks.

    Ours is the first job seen after the call was sent, provided that nothing ran just before; it stays ours as long as
    the second it began in stays the same.
    """

    def __init__(self, before: Running) -> None:
        self._certain = not before.busy
        self._timestamp: str | None = None

    def recognise(self, running: Running) -> bool:
        """Whether what runs now is our job."""
        if not self._certain or not running.busy:
            return False
        if self._timestamp is None:
            self._timestamp = running.timestamp
        return running.timestamp == self._timestamp


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _real(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _seconds(value: object) -> float | None:
    seconds = _real(value)
    return seconds if seconds is not None and 0 <= seconds < 86_400 else None

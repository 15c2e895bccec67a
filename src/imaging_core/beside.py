"""Work beside an attempt that begins only if the attempt lasts, or when it is hurried; imports stdlib and this package.

Most attempts at quick backends are over before: a timer then costs a tenth of a task that is made, cancelled and awaited.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from imaging_core.faults import log_fault

log = logging.getLogger("imaging.runner")

#: How long what runs beside an attempt gets to end, in s.
STOP_GRACE_S = 5.0


class Beside:
    """One thing that runs beside an attempt, from `after_s` on."""

    def __init__(self, name: str, work: Callable[[], Coroutine[Any, Any, None]], *, after_s: float) -> None:
        """`name` begins a sentence of the log."""
        self._name = name
        self._work = work
        self._after_s = after_s
        self._alarm: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._over = False

    def start(self) -> None:
        """Begin it after its while."""
        if self._task is None and self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(self._after_s, self.hurry)

    def hurry(self) -> None:
        """Begin it now, if it has not begun and is not over."""
        if self._task is None and not self._over:
            self._stop_alarm()
            self._task = asyncio.create_task(self._work(), name=self._name)

    def stop(self) -> "asyncio.Task[None] | None":
        """Begin it no more; the task to wait for, which was told to end, if it had begun."""
        self._over = True
        self._stop_alarm()
        if self._task is not None:
            self._task.cancel()
        return self._task

    def _stop_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


async def end(*beside: Beside, facts: Callable[[], Mapping[str, object]]) -> None:
    """Stop all of them and wait until they have ended, for a while; `facts` are for the log, should one have failed."""
    tasks = [task for task in [one.stop() for one in beside] if task is not None]
    if not tasks:
        return
    # Bounded: a library that loses a cancel (asyncio.wait_for before Python 3.12 can) must not cost a slot.
    ended, deaf = await asyncio.wait(tasks, timeout=STOP_GRACE_S)
    for task in ended:
        if not task.cancelled() and (error := task.exception()) is not None:
            log_fault(log, f"{task.get_name()} failed.", error, dict(facts()))
    for task in deaf:
        log.warning("%s did not end when told to.", task.get_name(), extra=dict(facts()))

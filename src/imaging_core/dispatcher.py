"""Keeps a process's slots busy: rings come in from any bell, work is done by the runner; imports stdlib and this package.

A slot that has work goes on by itself until there is none left, so a ring only matters to an idle one. Both the
in-process bell and Dramatiq's actor ring the same dispatcher.
"""

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Mapping

from imaging_core.errors import Unavailable
from imaging_core.events import EventKind, JobEvent
from imaging_core.faults import log_fault
from imaging_core.hearing import hear
from imaging_core.ports import JobEvents
from imaging_core.runner import Held, Idle, JobRunner
from imaging_core.sweep import Sweeper

log = logging.getLogger("imaging.dispatcher")

#: Pause of a slot after something went wrong that no job is to blame for, in s.
TROUBLE_S = 1.0
#: Alarms that are closer to each other are one, in s.
CLOSE_S = 0.01
#: Why a gate is shut for every slot alike.
FOR_EVERYBODY = frozenset({"rate", "pause"})


class Dispatcher:
    """The slots of one process, by backend."""

    def __init__(
        self, runner: JobRunner, sweeper: Sweeper, events: JobEvents, slots: Mapping[str, int], *, sweep_s: float = 2.0
    ) -> None:
        self._runner = runner
        self._sweeper = sweeper
        self._events = events
        self._sweep_s = sweep_s
        self._slots = dict(slots)
        self._busy: dict[str, set[asyncio.Task[None]]] = {backend: set() for backend in slots}
        self._rung_again: set[str] = set()
        #: Backends whose gate was shut for everybody, until a slot finds that there is no work left.
        self._turned_away: set[str] = set()
        #: When to ring, on the loop's clock, as heaps, and the alarm that is set for the first of each.
        self._due: dict[str, list[float]] = {backend: [] for backend in slots}
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._freed = asyncio.Event()
        self._draining = False

    @property
    def slots(self) -> Mapping[str, int]:
        """How many jobs it takes at a time, by backend."""
        return dict(self._slots)

    @property
    def free(self) -> Mapping[str, int]:
        """Slots that do nothing now, by backend."""
        return {backend: slots - len(self._busy[backend]) for backend, slots in self._slots.items()}

    def room(self, backend: str) -> int:
        """How many rings for a backend are worth bringing here now: none once no more work is taken."""
        return 0 if self._draining else self.free.get(backend, 0)

    # --- the bell ----------------------------------------------------------------------------------------

    def ring(self, backend: str) -> None:
        """There may be work: start a free slot on it. Returns at once; does nothing for a backend not served here."""
        if self._draining or backend not in self._slots:
            return
        if len(self._busy[backend]) >= self._slots[backend]:
            # A busy slot may be on its way out with an answer from before this ring: let it look once more.
            self._rung_again.add(backend)
            return
        task = asyncio.create_task(self._work(backend))
        self._busy[backend].add(task)
        task.add_done_callback(lambda done: self._free_slot(backend, done))

    async def take(self, backend: str) -> bool:
        """Take a ring from a bell that others hear too: waits while every slot here is busy.

        So a message stays with a process only while that can do the work. False when no more work is taken here, so that
        the ring is for others.
        """
        while not self._draining and self.free.get(backend, 1) < 1:
            self._freed.clear()
            await self._freed.wait()
        self.ring(backend)
        return not self._draining

    def _free_slot(self, backend: str, task: asyncio.Task[None]) -> None:
        self._busy[backend].discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log_fault(log, "A slot ended with an error.", error, {"backend": backend})
            self._ring_later(backend, TROUBLE_S)
        if backend in self._rung_again:
            self._rung_again.discard(backend)
            self.ring(backend)
        self._freed.set()

    def _ring_later(self, backend: str, delay_s: float, *, for_one: bool = False) -> None:
        """Ring after a while: `for_one` job that is claimable then, else unless another alarm comes before."""
        if self._draining:
            return
        when = asyncio.get_running_loop().time() + delay_s
        due = self._due[backend]
        if for_one or not due or when < due[0]:
            heapq.heappush(due, when)
            self._set_alarm(backend)

    def _set_alarm(self, backend: str) -> None:
        if backend in self._later:
            self._later.pop(backend).cancel()
        if self._due[backend]:
            when = self._due[backend][0]
            self._later[backend] = asyncio.get_running_loop().call_at(when, self._alarm, backend)

    def _alarm(self, backend: str) -> None:
        del self._later[backend]
        # Clocks of event loops are coarse, and alarms that come together are one.
        now, due = asyncio.get_running_loop().time() + CLOSE_S, self._due[backend]
        while due and due[0] <= now:
            heapq.heappop(due)
            self.ring(backend)
        self._set_alarm(backend)

    # --- a slot ------------------------------------------------------------------------------------------

    async def _work(self, backend: str) -> None:
        while not self._draining:
            self._rung_again.discard(backend)
            try:
                outcome = await self._runner.run_next(backend, claimed=lambda: self._go_on(backend))
            except Unavailable as error:
                log.warning("No work can be taken now: %s", error, extra={"backend": backend})
                self._ring_later(backend, TROUBLE_S)
                return
            if isinstance(outcome, Held):
                if outcome.reason in FOR_EVERYBODY:
                    self._turned_away.add(backend)
                self._ring_later(backend, outcome.delay_s)
                return
            if isinstance(outcome, Idle):
                self._turned_away.discard(backend)
                return
            if outcome.again_in_s is not None:
                self._ring_later(backend, outcome.again_in_s, for_one=True)

    def _go_on(self, backend: str) -> None:
        """A slot got through where all were turned away before: one alarm was set for them, so each lets the next try."""
        if backend in self._turned_away:
            self.ring(backend)

    # --- life --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Sweep, and listen for cancels, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweeper.run(every_s=self._sweep_s, free=lambda: self.free, ring=self.ring))
            # Heartbeats see a cancel too, only later.
            group.create_task(hear(self._events, self._told, log=log, trouble="Cancels are not heard at once for now."))

    def _told(self, event: JobEvent) -> None:
        if event.kind is EventKind.CANCEL_REQUESTED:
            self._runner.nudge(event.job_id)

    async def drain(self, grace_s: float) -> None:
        """Take no more work; let what runs end for `grace_s`, then hand over what costs nothing and await the rest."""
        self._draining = True
        for handle in self._later.values():
            handle.cancel()
        self._later.clear()
        self._runner.drain()
        self._freed.set()
        running = {task for tasks in self._busy.values() for task in tasks}
        if running:
            _, running = await asyncio.wait(running, timeout=grace_s)
        if running:
            self._runner.hand_over()
            await asyncio.wait(running)

    async def abandon(self) -> None:
        """Drop everything at once: leases run out and others take the jobs over."""
        self._draining = True
        running = {task for tasks in self._busy.values() for task in tasks}
        for task in running:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*running, return_exceptions=True)

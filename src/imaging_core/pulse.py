"""Says again and again that a worker is alive and how busy the backends are; imports stdlib and this package.

Nothing depends on it but what operators are shown, so trouble is told once and never stops anything.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from imaging_core.errors import ImagingError
from imaging_core.faults import log_fault
from imaging_core.observing import QueueHistory, WorkerBook, WorkerSign
from imaging_core.repository import JobRepository

log = logging.getLogger("imaging.pulse")

#: How often a worker says that it is alive, how long that holds, and how often it is noted how busy backends are, in s.
BEAT_S, ALIVE_S, NOTE_S = 5.0, 16.0, 10.0
#: Longest time that a stop spends on saying so, in s.
LEAVE_S = 1.0


class Pulse:
    """That of one process."""

    def __init__(self, jobs: JobRepository, workers: WorkerBook, history: QueueHistory) -> None:
        self._jobs = jobs
        self._workers = workers
        self._history = history

    async def watch(self, backends: Sequence[str]) -> None:
        """Note how busy these backends are, until cancelled."""

        async def note() -> None:
            for backend in backends:
                state = await self._jobs.state(backend)
                if state.claimable or state.started:
                    await self._history.note(
                        backend,
                        waiting=state.claimable,
                        started=state.started,
                        longest_wait_s=state.oldest_claimable_s,
                    )

        await _again(note, NOTE_S, "It cannot be noted how busy the backends are.")

    async def live(
        self, name: str, version: str, slots: Mapping[str, int], free: Callable[[], Mapping[str, int]]
    ) -> None:
        """Say that a worker is alive, until cancelled; then that it ends, unless nobody listens."""
        started_at = None

        async def beat() -> None:
            nonlocal started_at
            started_at = started_at or await self._jobs.now()
            left = free()
            busy = {backend: count - left.get(backend, 0) for backend, count in slots.items()}
            sign = WorkerSign(name=name, slots=dict(slots), busy=busy, version=version, started_at=started_at)
            await self._workers.beat(sign, ttl_s=ALIVE_S)

        try:
            await _again(beat, BEAT_S, "Nobody can be told that this worker is alive.")
        finally:
            try:
                # Not told, it is forgotten a little later: no stop waits for that.
                async with asyncio.timeout(LEAVE_S):
                    await self._workers.leave(name)
            except (ImagingError, TimeoutError) as error:
                log.debug("A worker's leaving could not be told: %s", error)


async def _again(act: Callable[[], Awaitable[None]], every_s: float, trouble: str) -> None:
    told = False
    while True:
        try:
            await act()
            told = False
        except ImagingError as error:
            if not told:
                log.warning("%s %s", trouble, error)
            told = True
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not end what it only tells of
            log_fault(log, trouble, error, {})
        await asyncio.sleep(every_s)

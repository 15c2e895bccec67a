"""Workers seen and how busy backends were, in memory; imports stdlib and this package's values.

For one process a book in memory is the whole truth about its workers: those of an earlier process died with it.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import attrs

from imaging_core.memory.job_repository import utcnow
from imaging_core.observing import KEPT_MINUTES, QueueMinute, WorkerSeen, WorkerSign


class MemoryWorkerBook:
    """The workers of one process."""

    def __init__(self, clock: Callable[[], datetime] = utcnow) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[WorkerSeen, datetime]] = {}

    async def beat(self, sign: WorkerSign, *, ttl_s: float) -> None:
        """Say that a worker is alive."""
        now = self._clock()
        self._seen[sign.name] = WorkerSeen(sign=sign, seen_at=now), now + timedelta(seconds=ttl_s)

    async def seen(self) -> Sequence[WorkerSeen]:
        """Every worker that is."""
        now = self._clock()
        self._seen = {name: kept for name, kept in self._seen.items() if kept[1] > now}
        return [self._seen[name][0] for name in sorted(self._seen)]

    async def leave(self, name: str) -> None:
        """Say that it ends."""
        self._seen.pop(name, None)


class MemoryQueueHistory:
    """How busy the backends of one process were; `minute_s` is how long a minute is."""

    def __init__(self, clock: Callable[[], datetime] = utcnow, *, minute_s: float = 60.0) -> None:
        self._clock = clock
        self._minute_s = minute_s
        self._minutes: dict[str, dict[int, QueueMinute]] = {}

    async def note(self, backend: str, *, waiting: int, started: int, longest_wait_s: float) -> None:
        """Say how busy a backend is now."""
        if not waiting and not started:
            return
        number, noted = self._number(), self._minutes.setdefault(backend, {})
        at = datetime.fromtimestamp(number * self._minute_s, UTC)
        before = noted.get(number, QueueMinute(at=at))
        noted[number] = attrs.evolve(
            before,
            waiting=max(before.waiting, waiting),
            started=max(before.started, started),
            longest_wait_s=max(before.longest_wait_s, longest_wait_s),
        )
        for old in [n for n in noted if n <= number - KEPT_MINUTES]:
            del noted[old]

    async def minutes(self, backend: str, *, last: int) -> Sequence[QueueMinute]:
        """How busy it was."""
        first, noted = self._number() - last, self._minutes.get(backend, {})
        return [noted[number] for number in sorted(noted) if number > first]

    def _number(self) -> int:
        return int(self._clock().timestamp() // self._minute_s)

"""Workers seen and how busy backends were, in Redis for all hosts; imports stdlib and the core."""

from collections.abc import Sequence
from datetime import datetime

from adapters.redis.clock import from_micros
from adapters.redis.layout import from_json, micros, to_json
from adapters.redis.link import RedisLink
from imaging_core.observing import KEPT_MINUTES, QueueMinute, WorkerSeen, WorkerSign


class RedisWorkerBook:
    """The workers of a whole installation, on Redis's clock."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def beat(self, sign: WorkerSign, *, ttl_s: float) -> None:
        """Say that a worker is alive."""
        told = {
            "name": sign.name,
            "slots": dict(sign.slots),
            "busy": dict(sign.busy),
            "version": sign.version,
            "started_at": sign.started_at.isoformat(),
        }
        await self._link.script("worker", "beat", sign.name, micros(ttl_s), to_json(told))

    async def seen(self) -> Sequence[WorkerSeen]:
        """Every worker that is."""
        _, *rows = await self._link.script("worker", "seen")
        return sorted(map(_seen, rows), key=lambda seen: seen.sign.name)

    async def leave(self, name: str) -> None:
        """Say that it ends."""
        await self._link.script("worker", "leave", name)


class RedisQueueHistory:
    """How busy the backends of a whole installation were; `minute_s` is how long a minute is, the same for all."""

    def __init__(self, link: RedisLink, *, minute_s: float = 60.0) -> None:
        self._link = link
        self._minute = micros(minute_s)

    async def note(self, backend: str, *, waiting: int, started: int, longest_wait_s: float) -> None:
        """Say how busy a backend is now."""
        if waiting or started:
            await self._ask("note", backend, waiting, started, micros(longest_wait_s))

    async def minutes(self, backend: str, *, last: int) -> Sequence[QueueMinute]:
        """How busy it was."""
        now, *flat = await self._ask("read", backend)
        first = int(now) // self._minute - min(last, KEPT_MINUTES)
        rows = sorted((int(number), row) for number, row in zip(flat[::2], flat[1::2], strict=True))
        return [self._minute_of(number, row) for number, row in rows if number > first]

    def _minute_of(self, number: int, row: bytes) -> QueueMinute:
        waiting, started, wait = map(int, row.split())
        at = from_micros(number * self._minute)
        return QueueMinute(at=at, waiting=waiting, started=started, longest_wait_s=wait / 1e6)

    async def _ask(self, operation: str, backend: str, *figures: int) -> list[bytes]:
        answer: list[bytes] = await self._link.script(
            "history", operation, backend, self._minute, KEPT_MINUTES, *figures
        )
        return answer


def _seen(row: bytes) -> WorkerSeen:
    heard, _, text = row.partition(b" ")
    told = from_json(text)
    # What a newer worker says besides is passed over.
    sign = WorkerSign(
        name=told["name"],
        slots=told["slots"],
        busy=told["busy"],
        version=told["version"],
        started_at=datetime.fromisoformat(told["started_at"]),
    )
    return WorkerSeen(sign=sign, seen_at=from_micros(int(heard)))

"""Tells from a Redis stream what happened, to any number of listeners over one connection; imports stdlib and the core."""

import re
from collections.abc import Sequence
from typing import Any, Final

from adapters.redis.layout import from_json, pairs, to_json
from adapters.redis.link import RedisLink
from adapters.redis.tail import START, Subscription, Tail
from imaging_core.errors import UnknownCursor
from imaging_core.events import JobProgress, Preview

#: What a place in a stream looks like: two unsigned 64-bit numbers.
_PLACE: Final = re.compile(r"[0-9]{1,20}-[0-9]{1,20}", re.ASCII)
_HIGHEST: Final = 2**64 - 1
#: How long the progress of a job outlives its last publication, in s.
_PROGRESS_S: Final = 3600


class RedisJobEvents:
    """The events that every repository on the same Redis stored. `aclose` ends its connection and its subscriptions."""

    def __init__(self, link: RedisLink, *, rest_s: float = 0.0) -> None:
        """`rest_s` is how long nothing is read after news, in s: events come together, and up to that much later."""
        self._link = link
        self._tail = Tail(link, rest_s=rest_s)

    def subscribe(self, *, job_id: str | None = None, after: str | None = None) -> Subscription:
        """Events of one job or of all, from the first reading or from after a cursor.

        A subscriber that reads slowly is given the rest from the log, as long as the log holds it; then UnknownCursor.
        """
        if after is not None and not _is_place(after):
            raise UnknownCursor("That is no place of the event log. Read the job and subscribe anew.")
        return Subscription(self._tail, job_id=job_id, after=after)

    async def cursor(self) -> str:
        """Where the log ends now."""
        return await self._tail.end()

    async def publish(self, progress: JobProgress) -> None:
        """Keep how far a job has come, for an hour."""
        key = self._link.key("progress", progress.job_id)
        told = [progress.fraction, progress.images_done, progress.step, progress.steps, progress.eta_s]
        fields: list[str | bytes] = ["told", to_json(told)]
        if progress.preview is not None:
            fields += ["type", progress.preview.media_type, "preview", progress.preview.data]
        await self._link.transaction(("DEL", key), ("HSET", key, *fields), ("EXPIRE", key, _PROGRESS_S))

    async def progress(self, job_id: str) -> JobProgress | None:
        """How far a job had come when last told; None before its first and after its end."""
        flat = await self._link.command("HGETALL", self._link.key("progress", job_id))
        if not flat:
            return None
        fields = pairs(flat)
        told: Sequence[Any] = from_json(fields[b"told"])
        fraction, images_done, step, steps, eta_s = told
        preview = None
        if b"preview" in fields:
            preview = Preview(data=fields[b"preview"], media_type=fields[b"type"].decode())
        return JobProgress(
            job_id=job_id,
            fraction=fraction,
            images_done=images_done,
            step=step,
            steps=steps,
            eta_s=eta_s,
            preview=preview,
        )

    async def aclose(self) -> None:
        """End the subscriptions and the connection that they share."""
        await self._tail.aclose()


def _is_place(cursor: str) -> bool:
    return cursor == START or (
        _PLACE.fullmatch(cursor) is not None and all(int(part) <= _HIGHEST for part in cursor.split("-"))
    )

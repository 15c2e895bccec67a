"""Refuses new jobs once the pictures take as much room as they may; imports stdlib and this package.

Jobs that were accepted before still get their pictures: what is refused is work that nobody has been promised.
"""

import asyncio
import logging
from typing import Protocol

from imaging_core.errors import ImagingError, StorageFull
from imaging_core.faults import log_fault

log = logging.getLogger("imaging.quota")

#: Least time between two measurements, in s; and how many times its own duration one may be apart from the next, so that
#: a large tree on a slow disk is not read all the time.
MEASURE_EVERY_S = 60.0
_REST_PER_S = 50.0
#: Room comes back by a person's doing or by expiry, neither of which takes seconds.
_RETRY_AFTER_S = 60


class MeasuredStore(Protocol):
    """An image store that knows how much room its pictures take."""

    async def measure(self) -> int:
        """Count anew, in bytes: others may write to the same place."""
        ...

    async def used(self) -> int:
        """What was counted last, in bytes, and what was stored and deleted here since; quick."""
        ...


class StorageQuota:
    """How much room pictures may take together; without a limit nothing is measured and nothing refused."""

    def __init__(self, store: MeasuredStore, max_bytes: int | None) -> None:
        self._store = store
        self._max_bytes = max_bytes

    async def check(self) -> None:
        """Raises StorageFull, with a sentence that says what to do, once the limit is reached."""
        if self._max_bytes is None:
            return
        used = await self._store.used()
        if used >= self._max_bytes:
            raise StorageFull(
                f"Stored pictures take {size_text(used)} of the {size_text(self._max_bytes)} that IMAGING_MAX_STORAGE "
                "allows, so no new job is taken. Delete old jobs, set IMAGING_KEEP_DAYS, or raise IMAGING_MAX_STORAGE.",
                retry_after_s=_RETRY_AFTER_S,
            )

    async def run(self, *, every_s: float = MEASURE_EVERY_S) -> None:
        """Count anew now and then, until cancelled: other processes store and delete too."""
        loop = asyncio.get_running_loop()
        while self._max_bytes is not None:
            began = loop.time()
            try:
                await self._store.measure()
            except ImagingError as error:
                log.warning("The room that pictures take could not be measured: %s", error)
            except Exception as error:  # noqa: BLE001  # nobody awaits this task, and others store and delete without it
                log_fault(log, "Measuring the room that pictures take failed.", error, {})
            await asyncio.sleep(max(every_s, _REST_PER_S * (loop.time() - began)))


def size_text(count: int) -> str:
    """A number of bytes as people read it."""
    if count < 1024:
        return f"{count} bytes"
    power = min((count.bit_length() - 1) // 10, 4)
    return f"{count / 1024**power:.1f} {'KMGT'[power - 1]}iB"

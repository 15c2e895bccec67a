"""Hears every event for as long as a process lives, whatever befalls the log meanwhile; imports stdlib and this package."""

import asyncio
import logging
import math
from collections.abc import Callable

from imaging_core.errors import ImagingError
from imaging_core.events import JobEvent
from imaging_core.faults import log_fault
from imaging_core.ports import JobEvents
from imaging_core.watching import subscribed

#: Wait before the log is read again after it did not answer, in s.
AGAIN_S = 1.0
#: Trouble of one kind that lasts is logged again after so long, in s.
TOLD_AGAIN_S = 60.0


async def hear(events: JobEvents, told: Callable[[JobEvent], None], *, log: logging.Logger, trouble: str) -> None:
    """Tell `told` of what happens from now on, until cancelled; while the log does not answer it is told nothing.

    So whoever is told must find what it missed by looking. `trouble` is the sentence for `log` then, once a minute.
    """
    clock, logged = asyncio.get_running_loop().time, dict[type[Exception], float]()

    def is_news(error: Exception) -> bool:
        kind, now = type(error), clock()
        news = now >= logged.get(kind, -math.inf) + TOLD_AGAIN_S
        if news:
            logged[kind] = now
        return news

    while True:
        try:
            async with subscribed(events) as stream:
                async for event in stream:
                    told(event)
        except ImagingError as error:
            if is_news(error):
                log.warning("%s %s", trouble, error)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not take along what runs beside it
            if is_news(error):
                log_fault(log, trouble, error, {})
        await asyncio.sleep(AGAIN_S)

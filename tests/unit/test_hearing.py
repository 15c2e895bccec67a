"""Whoever hears events goes on when the log comes back, and a log that stays away is not told of all the time."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from contracts.samples import NOON, a_job
from imaging_core.errors import Unavailable
from imaging_core.events import EventKind, JobEvent, JobProgress, event_of
from imaging_core.hearing import AGAIN_S, TOLD_AGAIN_S, hear
from imaging_core.memory import MemoryJobEvents
from virtual_time import in_virtual_time

LOG = logging.getLogger("imaging.test")


class AwayAtFirst:
    """A log that fails one way until a moment, another way until the next, and then is there."""

    def __init__(self, *, away_s: float, odd_s: float) -> None:
        self.events, self.asked = MemoryJobEvents(), 0
        self.cursor, self.publish = self.events.cursor, self.events.publish
        self._away_s, self._odd_s = away_s, odd_s

    async def subscribe(self, *, job_id: str | None = None, after: str | None = None) -> AsyncIterator[JobEvent]:
        self.asked += 1
        now = asyncio.get_running_loop().time()
        if now < self._away_s:
            raise Unavailable("Redis does not answer.")
        if now < self._away_s + self._odd_s:
            raise ValueError("odd")
        async for event in self.events.subscribe(job_id=job_id, after=after):
            yield event

    async def progress(self, job_id: str) -> JobProgress | None:
        raise NotImplementedError


@in_virtual_time
async def test_trouble_that_lasts_is_logged_once_a_minute_and_ended_trouble_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away_s = 5 * TOLD_AGAIN_S - AGAIN_S / 2
    log, told = AwayAtFirst(away_s=away_s, odd_s=10 * AGAIN_S), list[JobEvent]()
    hearing = asyncio.create_task(hear(log, told.append, log=LOG, trouble="Ends are heard a little later."))

    await asyncio.sleep(away_s + 20 * AGAIN_S)
    job = a_job(NOON)
    log.events.append([event_of(job, EventKind.QUEUED, at=NOON)])
    await asyncio.sleep(AGAIN_S)
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)

    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["Ends are heard a little later. Redis does not answer."] * 5 + [
        "Ends are heard a little later."
    ]
    assert log.asked > 5 * TOLD_AGAIN_S / AGAIN_S
    assert [event.job_id for event in told] == [job.id]

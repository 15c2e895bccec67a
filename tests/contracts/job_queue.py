"""The promises of `JobQueue`: the doorbell wakes somebody, and nothing but speed depends on it.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from imaging_core.errors import Unavailable
from imaging_core.ids import new_job_id
from imaging_core.ports import JobQueue

#: Longest wait for a ring that must be heard, in s.
PATIENCE_S = 10.0


class JobQueueContract:
    """Every numbered promise of `JobQueue`. A subclass supplies `queue` and `listener`."""

    @pytest.fixture
    def queue(self) -> JobQueue:
        """A doorbell nobody has rung."""
        raise NotImplementedError("supply the queue to try")

    def listener(
        self, queue: JobQueue, backend: str, heard: "asyncio.Queue[str]", *, busy: asyncio.Event | None = None
    ) -> AbstractAsyncContextManager[None]:
        """Somebody who listens for that backend and puts its name into `heard` at each ring.

        With `busy`, each ring keeps the listener working until that is set.
        """
        raise NotImplementedError("supply a listener")

    async def test_1_a_ring_reaches_a_listener_of_that_backend(self, queue: JobQueue) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        async with self.listener(queue, "alpha", heard):
            await queue.ring("alpha", new_job_id())

            assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"

    async def test_1_each_ring_is_heard_while_somebody_listens(self, queue: JobQueue) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        async with self.listener(queue, "alpha", heard):
            for _ in range(5):
                await queue.ring("alpha", new_job_id())
                assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"

    async def test_1_a_ring_reaches_one_of_several_listeners(self, queue: JobQueue) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        async with self.listener(queue, "alpha", heard), self.listener(queue, "alpha", heard):
            await queue.ring("alpha", new_job_id())

            assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"

    async def test_1_a_ring_is_for_its_backend(self, queue: JobQueue) -> None:
        alpha: asyncio.Queue[str] = asyncio.Queue()
        beta: asyncio.Queue[str] = asyncio.Queue()
        async with self.listener(queue, "alpha", alpha), self.listener(queue, "beta", beta):
            await queue.ring("beta", new_job_id())
            assert await asyncio.wait_for(beta.get(), PATIENCE_S) == "beta"
            await queue.ring("alpha", new_job_id())
            assert await asyncio.wait_for(alpha.get(), PATIENCE_S) == "alpha"

        assert (alpha.qsize(), beta.qsize()) == (0, 0)

    async def test_2_a_ring_that_nobody_hears_does_no_harm(self, queue: JobQueue) -> None:
        await queue.ring("alpha", new_job_id())
        await queue.ring("nobody", new_job_id())
        heard: asyncio.Queue[str] = asyncio.Queue()

        async with self.listener(queue, "alpha", heard):
            await queue.ring("alpha", new_job_id())

            assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"

    async def test_2_a_doubled_ring_does_no_harm(self, queue: JobQueue) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        job_id = new_job_id()
        async with self.listener(queue, "alpha", heard):
            await asyncio.gather(*(queue.ring("alpha", job_id) for _ in range(10)))

            assert await asyncio.wait_for(heard.get(), PATIENCE_S) == "alpha"

    async def test_3_ringing_does_not_wait_for_the_work(self, queue: JobQueue) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        released = asyncio.Event()
        async with self.listener(queue, "alpha", heard, busy=released):
            async with asyncio.timeout(PATIENCE_S):
                for _ in range(3):
                    await queue.ring("alpha", new_job_id())
                assert await heard.get() == "alpha"
                assert not released.is_set()
            released.set()


class CutOffQueueContract:
    """For doorbells behind a network: with nobody at the other end, ringing raises `Unavailable`."""

    @pytest.fixture
    def cut_off(self) -> JobQueue:
        """A doorbell whose other end does not answer."""
        raise NotImplementedError("supply a queue that is cut off")

    async def test_3_a_bell_that_cannot_be_rung_says_so(self, cut_off: JobQueue) -> None:
        with pytest.raises(Unavailable):
            await cut_off.ring("alpha", new_job_id())

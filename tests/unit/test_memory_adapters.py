"""The memory adapters keep every promise of their ports."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from contracts.gate import BackendGateContract
from contracts.image_store import ImageStoreContract
from contracts.job_events import JobEventsContract
from contracts.job_queue import JobQueueContract
from contracts.job_repository import JobRepositoryContract
from contracts.job_setting import RepositorySetting
from imaging_core.key_ports import SpendBook
from imaging_core.memory import MemoryGate, MemoryImageStore, MemoryJobEvents, MemoryJobQueue, MemoryJobRepository
from imaging_core.policies import GateLimits
from imaging_core.ports import BackendGate, ImageStore, JobEvents, JobQueue, JobRepository


class InMemory(RepositorySetting):
    """A repository and its events on a clock that stands still until told."""

    @pytest.fixture
    def events(self) -> MemoryJobEvents:
        return MemoryJobEvents(length=200)

    @pytest.fixture
    def repository(self, events: JobEvents) -> JobRepository:
        assert isinstance(events, MemoryJobEvents)
        self.time = datetime(2026, 5, 1, tzinfo=UTC)
        return MemoryJobRepository(events, lambda: self.time)

    @pytest.fixture
    def book(self, repository: JobRepository) -> SpendBook:
        assert isinstance(repository, MemoryJobRepository)
        return repository.spending

    async def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class TestMemoryJobRepository(InMemory, JobRepositoryContract):
    """Every promise of JobRepository."""


class TestMemoryJobEvents(InMemory, JobEventsContract):
    """Every promise of JobEvents."""

    forgets_after: ClassVar[int] = 200


class TestMemoryGate(BackendGateContract):
    """Every promise of BackendGate."""

    def gates(self, limits: Mapping[str, GateLimits], *, count: int = 1) -> Sequence[BackendGate]:
        self.time = 1000.0
        return [MemoryGate(limits, clock=lambda: self.time)] * count

    async def advance(self, seconds: float) -> None:
        self.time += seconds


class TestMemoryImageStore(ImageStoreContract):
    """Every promise of ImageStore."""

    @pytest.fixture
    def store(self) -> ImageStore:
        return MemoryImageStore()

    @pytest.fixture
    def full_store(self) -> ImageStore:
        return MemoryImageStore(max_bytes=50_000)


class TestMemoryJobQueue(JobQueueContract):
    """Every promise of JobQueue."""

    @pytest.fixture
    def queue(self) -> JobQueue:
        return MemoryJobQueue()

    @asynccontextmanager
    async def listener(
        self, queue: JobQueue, backend: str, heard: "asyncio.Queue[str]", *, busy: asyncio.Event | None = None
    ) -> AsyncIterator[None]:
        assert isinstance(queue, MemoryJobQueue)
        working: set[asyncio.Task[bool]] = set()

        def listen(rung: str) -> None:
            if rung == backend:
                heard.put_nowait(rung)
                if busy is not None:
                    working.add(asyncio.ensure_future(busy.wait()))

        stop = queue.listen(listen)
        try:
            yield
        finally:
            stop()
            await asyncio.gather(*working)

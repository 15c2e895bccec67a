"""Room in a queue is as exact as a count of it, and is seldom counted."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from adapters.sqlite import job_rows
from adapters.sqlite.room import Room
from adapters.sqlite.schema import migrate
from contracts.samples import NOON, a_job
from imaging_core.errors import QueueFull
from imaging_core.jobs import Job
from imaging_core.ports import QueueLimits


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    file = tmp_path / "imaging.db"
    connection = sqlite3.connect(file, isolation_level=None)
    migrate(connection, file)
    yield connection
    connection.close()


class Queue:
    """Adds and claims as the repository does, and counts the counts."""

    def __init__(self, connection: sqlite3.Connection, limits: QueueLimits) -> None:
        self.connection = connection
        self.limits = limits
        self.room = Room()
        self.counts = 0
        connection.set_trace_callback(self._trace)

    def _trace(self, statement: str) -> None:
        self.counts += "count(*)" in statement and "'queued'" in statement

    def add(self, owner: str | None = None) -> Job:
        job = attrs.evolve(a_job(), owner=owner)
        self.room.take(self.connection, job, self.limits, NOON)
        job_rows.insert_all(self.connection, [job], NOON, [""])
        self.room.added(job)
        return job

    def claim(self, job: Job) -> None:
        job_rows.update(self.connection, job.claimed(worker="w", token="t", now=NOON, lease_s=60), NOON)


def test_many_jobs_are_taken_for_one_count(connection: sqlite3.Connection) -> None:
    queue = Queue(connection, QueueLimits(max_queued=100))
    for _ in range(100):
        queue.add()
    assert queue.counts == 1
    with pytest.raises(QueueFull) as refused:
        queue.add()
    assert not refused.value.mine


def test_what_was_claimed_makes_room_at_once(connection: sqlite3.Connection) -> None:
    queue = Queue(connection, QueueLimits(max_queued=3))
    jobs = [queue.add() for _ in range(3)]
    queue.claim(jobs[0])
    queue.add()
    with pytest.raises(QueueFull):
        queue.add()


def test_an_owners_share_is_counted_apart(connection: sqlite3.Connection) -> None:
    queue = Queue(connection, QueueLimits(max_queued=4, max_queued_per_owner=2))
    for owner in ("alice", "alice", "bob"):
        queue.add(owner)
    with pytest.raises(QueueFull) as refused:
        queue.add("alice")
    assert refused.value.mine
    queue.add("bob")
    with pytest.raises(QueueFull) as refused:
        queue.add("carol")
    assert not refused.value.mine


def test_what_was_there_before_counts(connection: sqlite3.Connection) -> None:
    before = Queue(connection, QueueLimits(max_queued=2))
    before.add()
    queue = Queue(connection, QueueLimits(max_queued=2))
    queue.add()
    with pytest.raises(QueueFull):
        queue.add()

"""The least that a durable job takes in one process with SQLite: four commits one after the other, shared by jobs that run at once."""

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor

from benchmarks.floors.bare_job import RECORD, Door, made


class Embedded:
    """A table, and one thread that writes."""

    async def open(self) -> None:
        """Make the table."""
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._writing: asyncio.Task[None] | None = None
        await self._loop.run_in_executor(self._thread, self._connect)

    def _connect(self) -> None:
        self._database = sqlite3.connect(os.environ["FLOOR_FOLDER"] + "/jobs.db", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("CREATE TABLE jobs (id TEXT PRIMARY KEY, record BLOB) WITHOUT ROWID")

    async def submit(self, job_id: str) -> "asyncio.Future[None]":
        """Keep a new job and begin with it."""
        await self._commit(job_id)
        if os.environ["FLOOR_WORKER"] == "no":
            return self._loop.create_future()
        task = self._loop.create_task(self._run(job_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, job_id: str) -> None:
        await self._commit(job_id)
        await made(job_id, self._commit)
        await self._commit(job_id)

    async def _commit(self, job_id: str) -> None:
        done = self._loop.create_future()
        self._waiting.append((job_id, done))
        if self._writing is None:
            self._writing = self._loop.create_task(self._write_groups())
        await done

    async def _write_groups(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            await self._loop.run_in_executor(self._thread, self._write, [job_id for job_id, _ in group])
            for _, done in group:
                done.set_result(None)
        self._writing = None

    def _write(self, group: list[str]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        for job_id in group:
            self._database.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?)", (job_id, RECORD))
        self._database.execute("COMMIT")


app = Door(Embedded())

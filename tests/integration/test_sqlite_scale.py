"""The SQLite repository answers from indexes, however many jobs have ended before.

SQLite counts the steps of its virtual machine, so these tests do not depend on how busy the machine is.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.sqlite import SqliteDatabase, SqliteJobRepository, job_rows, open_database
from adapters.sqlite.schema import migrate
from contracts.samples import NOON, a_job
from imaging_core.jobs import SCHEMA, JobStatus
from imaging_core.ports import Idempotency, JobQuery, QueueLimits

#: Ended jobs in the file; the promise speaks of 100,000, and a search through a tenth of them shows as well.
ENDED = 10_000
#: Far fewer steps than a look at each of them would take.
FEW = 2_500

FACTS = {"backend": "alpha", "now": 1, "schema": SCHEMA, "limit": 9, "id": "x", "token": "t", "until": 1, "priority": 0}
STATEMENTS: dict[str, Any] = {
    "BY_ID": ("x",),
    "HELD": ("x",),
    "FIRST_QUEUED": FACTS,
    "FIRST_RUN_OUT": FACTS,
    "BEAT": FACTS,
    "OVERDUE": FACTS,
    "EXPIRED": FACTS,
    "ENDED": {**FACTS, "before": 1},
    "MARK": {**FACTS, "favourite": 1, "record": ""},
    "DELETE": ("x",),
    "QUEUED": ("alpha",),
    "QUEUED_OF_OWNER": ("alpha", "alice"),
    "RUN_OUT": ("alpha", 1),
    "STARTED": ("alpha", 1),
    "RUN_TIME": ("alpha",),
    "AHEAD": {**FACTS, "turn": 1, "seq": 1},
    "RELEASE": FACTS,
}


def plan(connection: sqlite3.Connection, sql: str, facts: object) -> list[str]:
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", facts).fetchall()]  # type: ignore[arg-type]


@pytest.fixture
def empty() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, Path("unused"))
    return connection


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_is_answered_from_an_index(empty: sqlite3.Connection, name: str) -> None:
    steps = plan(empty, getattr(job_rows, name), STATEMENTS[name])
    empty.close()

    looks = [step for step in steps if "jobs" in step]
    assert looks
    assert [step for step in looks if not step.startswith("SEARCH jobs USING")] == []


def test_every_statement_is_looked_at() -> None:
    statements = {name for name, value in vars(job_rows).items() if name.isupper() and isinstance(value, str)}

    assert statements - {"SCHEMA", "INSERT", "UPDATE"} == set(STATEMENTS)


@pytest.mark.parametrize("owner", [None, "alice"])
@pytest.mark.parametrize("backend", [None, "alpha"])
@pytest.mark.parametrize("statuses", [None, {JobStatus.FAILED}, set(JobStatus)])
def test_a_filtered_page_is_answered_from_an_index(
    empty: sqlite3.Connection, statuses: set[JobStatus] | None, backend: str | None, owner: str | None
) -> None:
    sql, facts = job_rows.page_query(statuses=statuses, backend=backend, owner=owner, before=7, most=50)
    steps = plan(empty, sql, facts)
    empty.close()

    assert [step for step in steps if step.startswith("SCAN jobs")] == []


class TestWithManyEndedJobs:
    @pytest.fixture
    async def database(self, tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
        async with open_database(tmp_path) as database:
            done = a_job(owner="alice").claimed(worker="w", token="t", now=NOON, lease_s=1).succeeded([], now=NOON)
            row = job_rows._columns(done, NOON)
            names = ", ".join(name for name in row if name != "id")
            await database.write(
                lambda t: (
                    t.connection.execute(
                        f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ENDED}) "  # noqa: S608
                        f"INSERT INTO jobs (id, {names}) "
                        f"SELECT printf('%032x', i), {', '.join(f':{name}' for name in row if name != 'id')} FROM n",
                        row,
                    ).rowcount
                )
            )
            yield database

    async def test_no_question_looks_at_the_ended_ones(self, database: SqliteDatabase) -> None:
        jobs = SqliteJobRepository(database)
        steps = [0]

        def count() -> int:
            steps[0] += 1
            return 0

        def watch(connection: sqlite3.Connection) -> None:
            connection.set_progress_handler(count, 1)

        await database.write(lambda t: watch(t.connection))
        await database.read(watch)
        few = JobQuery(limit=5)
        queued = frozenset({JobStatus.QUEUED, JobStatus.FAILED})
        asked: dict[str, Callable[[], Any]] = {
            "add": lambda: jobs.add(
                a_job(owner="alice"),
                idempotency=Idempotency(key="k", fingerprint="f"),
                limits=QueueLimits(max_queued=100, max_queued_per_owner=50),
            ),
            "add another": lambda: jobs.add(a_job(max_wait_s=0.0)),
            "state": lambda: jobs.state("alpha"),
            "list": lambda: jobs.list(few),
            "list of an owner": lambda: jobs.list(JobQuery(owner="alice", limit=5)),
            "list of a rare status": lambda: jobs.list(JobQuery(statuses=queued, limit=5)),
            "list of a rare backend": lambda: jobs.list(JobQuery(backend="beta", limit=5)),
            "list from far back": lambda: jobs.list(JobQuery(owner="alice", cursor=str(ENDED // 2), limit=5)),
            "overdue": jobs.overdue,
            "claim": lambda: jobs.claim_next("alpha", worker="w", token="t", lease_s=60),
            "claim of nothing": lambda: jobs.claim_next("beta", worker="w", token="t", lease_s=60),
        }

        costs = {}
        for question, ask in asked.items():
            steps[0] = 0
            await ask()
            costs[question] = steps[0]

        assert {question: cost for question, cost in costs.items() if not 0 < cost < FEW} == {}

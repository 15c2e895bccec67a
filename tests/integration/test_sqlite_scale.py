"""The SQLite repository answers from indexes, however many jobs have ended before.

SQLite counts the steps of its virtual machine, so these tests do not depend on how busy the machine is.
"""

import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from adapters.sqlite import SqliteDatabase, SqliteJobRepository, claims, job_pages, job_rows, open_database, turns
from adapters.sqlite.schema import migrate
from contracts.samples import NOON, a_job, a_request
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
    "TAKEN": {"ids": "[]"},
    "NEXT": {**FACTS, "owner": None, "own": "-"},
    "FIRST_QUEUED": {**FACTS, "only": None, "never": "[]"},
    "FIRST_RUN_OUT": {**FACTS, "only": None, "never": "[]"},
    "LOADED_QUEUED": {**FACTS, "loaded": "tinyA"},
    "LOADED_RUN_OUT": {**FACTS, "loaded": "tinyA"},
    "PASS_OVER": ("x",),
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
    "TURN": (1, "x"),
    "MOVABLE": {**FACTS, "skip": 0},
    "RELEASE": FACTS,
}

SQL = {
    name: value
    for module in (job_rows, claims, turns)
    for name, value in vars(module).items()
    if name[0] != "_" and name.isupper() and isinstance(value, str)
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
    steps = plan(empty, SQL[name], STATEMENTS[name])
    empty.close()

    looks = [step for step in steps if "jobs" in step]
    assert looks
    assert [step for step in looks if not step.startswith(("SEARCH jobs USING", "SEARCH deleted_jobs USING"))] == []


def test_every_statement_is_looked_at() -> None:
    assert SQL.keys() - {"SCHEMA", "UPDATE"} == STATEMENTS.keys()


def test_a_row_has_its_values_in_the_order_of_its_columns() -> None:
    assert (*job_rows.columns(a_job(), NOON), "turn") == tuple(
        re.findall(r"\w+", job_rows.INSERT.statements[1].split("(")[1].split(")")[0])
    )


#: Places come from an index that has all that is asked of it, or from the newest rows of all, and rows by their place.
#: Of a virtual table SQLite always says SCAN; what it was given to search by follows: the terms, and both bounds.
LOOK = re.compile(
    r"SEARCH jobs USING COVERING INDEX jobs_(by_status|by_backend|by_owner|favourite|by_creation) \(.*\)"
    r"|SEARCH jobs USING INTEGER PRIMARY KEY \(rowid(=\?|>\? AND rowid<\?)\)"
    r"|SCAN job_search VIRTUAL TABLE INDEX \d+:M\d<>"
)


def every_filter() -> list[JobQuery]:
    """Every combination of what a listing can be narrowed by."""
    choices: dict[str, Sequence[Any]] = {
        "owner": [None, "alice"],
        "backend": [None, "alpha"],
        "statuses": [None, frozenset({JobStatus.FAILED}), frozenset(JobStatus)],
        "favourite": [None, True, False],
        "checkpoint": [None, "tinyA"],
        "text": [None, "lighthouse"],
        "created_from": [None, NOON],
        "created_before": [None, NOON],
    }
    return [JobQuery(**dict(zip(choices, each, strict=True))) for each in product(*choices.values())]


def test_a_page_takes_places_from_an_index_and_then_reads_only_these_rows(empty: sqlite3.Connection) -> None:
    asked: list[str] = []
    for query in every_filter():
        empty.set_trace_callback(asked.append)
        job_pages.page(empty, query, before=7, most=50)
        empty.set_trace_callback(None)

    # FTS5 reads its own settings, once after each change of the schema.
    statements = {sql for sql in asked if sql.lstrip().startswith("SELECT") and "job_search_config" not in sql}
    looks = {sql: [step for step in plan(empty, sql, ()) if "job" in step] for sql in statements}
    empty.close()
    assert len(looks) > 50
    assert {sql: steps for sql, steps in looks.items() if not steps or not all(map(LOOK.fullmatch, steps))} == {}


class TestWithManyEndedJobs:
    @pytest.fixture
    async def database(self, tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
        async with open_database(tmp_path) as database:
            done = a_job(owner="alice").claimed(worker="w", token="t", now=NOON, lease_s=1).succeeded([], now=NOON)
            row = job_rows.columns(done, NOON)
            names = ", ".join(name for name in row if name != "id")
            await database.write(
                lambda t: (
                    t.connection.execute(
                        f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ENDED}) "  # noqa: S608
                        f"INSERT INTO jobs (id, {names}) "
                        f"SELECT printf('%032x', i), {', '.join(f':{name}' for name in row if name != 'id')} FROM n",
                        row,
                    ).rowcount,
                    t.connection.execute(
                        "INSERT INTO job_search (rowid, terms) SELECT seq, search_terms(record) FROM jobs"
                    ).rowcount,
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
            "search for what nobody drew": lambda: jobs.list(JobQuery(text="giraffe", limit=5)),
            "search for what all drew": lambda: jobs.list(JobQuery(text="lighthouse", owner="alice", limit=5)),
            "search far back": lambda: jobs.list(JobQuery(text="lighthouse", cursor=str(ENDED // 2), limit=5)),
            "search for a rare status": lambda: jobs.list(JobQuery(text="lighthouse", statuses=queued, limit=5)),
            "list of a rare checkpoint": lambda: jobs.list(JobQuery(checkpoint="tinyB", limit=5)),
            "list of another day": lambda: jobs.list(JobQuery(created_before=NOON - timedelta(days=1), limit=5)),
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


def test_a_prompt_of_very_many_parts_is_entered_by_few_terms() -> None:
    short, long = (a_request(prompt="".join(map(chr, range(0x4E00, 0x4E00 + size)))) for size in (1_000, 9_999))

    assert len(job_pages.terms_of_job(a_job(request=short)).split()) > 2_000
    # It is the writer's thread that enters them, and all who write wait for it.
    assert len(job_pages.terms_of_job(a_job(request=long)).split()) < 10

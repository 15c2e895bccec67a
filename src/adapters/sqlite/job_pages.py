"""Pages of jobs, filtered and searched, each from an index; imports stdlib, attrs and imaging_core. Everything here blocks.

A question is put in two steps. The first takes places from one index, newest first, and needs no row of `jobs`: the one
of favourites, those by status, or `job_search`. The second reads these rows and leaves out what the index did not know.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from typing import Any, Final

import attrs

from adapters.sqlite.clock import to_micros
from imaging_core.jobs import SCHEMA, Job, JobStatus
from imaging_core.ports import JobQuery
from imaging_core.searching import OUT_OF_ORDER, grams, grams_of_text, statuses_of

#: Most places that one read looks at, however few of them fit: some tens of milliseconds.
MOST_LOOKED_AT: Final = 20_000
#: More parts of words than these narrow a search no further.
_MOST_GRAMS: Final = 32
#: A prompt with more parts of words is looked at in every search instead: entering 20,000 would hold up all who write for
#: 25 ms. Ten thousand characters of English have some 4,000.
_MOST_PARTS: Final = 6_000
#: By what such a prompt is found.
_LONG: Final = "long"
#: With so few jobs of the statuses asked for, their prompts are read rather than searched for.
_FEW: Final = 500

Facts = dict[str, Any]

FIRST_CREATED_AFTER = (
    "SELECT seq FROM jobs INDEXED BY jobs_by_creation WHERE created_at > ? ORDER BY created_at LIMIT 1"
)
LAST_CREATED_BEFORE = (
    "SELECT seq FROM jobs INDEXED BY jobs_by_creation WHERE created_at < ? ORDER BY created_at DESC LIMIT 1"
)
INDEX = "INSERT INTO job_search (rowid, terms) VALUES (?, ?)"
UNINDEX = "INSERT INTO job_search (job_search, rowid, terms) VALUES ('delete', ?, ?)"


@attrs.frozen
class Page:
    """Rows of jobs (place, record, claimable_at), newest first, and before which place more may follow."""

    rows: Sequence[tuple[int, str, int | None]]
    before: int | None


def search_terms(record: str) -> str:
    """What the job with that record is found by in `job_search`: words of ASCII letters and digits.

    It changes only when the job goes to another backend.
    """
    fields = json.loads(record)
    request = fields["request"]
    return _terms(fields.get("owner"), fields["backend"], request.get("checkpoint"), request["prompt"])


def terms_of_job(job: Job) -> str:
    """The same, of a job that is not stored yet."""
    return _terms(job.owner, job.backend, job.request.checkpoint, job.request.prompt)


def _terms(owner: str | None, backend: str, checkpoint: str | None, prompt: str) -> str:
    facts = {"o": owner, "b": backend, "c": checkpoint}
    words = [_term(kind, value) for kind, value in facts.items() if value is not None]
    parts = grams(prompt)
    return " ".join([*words, _LONG] if len(parts) > _MOST_PARTS else words + [_gram(gram) for gram in parts])


def page(connection: sqlite3.Connection, query: JobQuery, *, before: int | None, most: int) -> Page:
    """Up to `most` jobs older than `before`, newest first, that fit all of the query but its text and checkpoint."""
    facts = _bounds(connection, query, before)
    told = ["schema <= :schema", *_told(query, facts)]
    source = _source(connection, query, facts)
    sql = read_query(told)
    rows: list[tuple[int, str, int | None]] = []
    scan = looked_at = most
    while True:
        places = [seq for (seq,) in connection.execute(source, {**facts, "most": scan})]
        wanted = {**facts, "schema": SCHEMA, "places": json.dumps(places), "most": most - len(rows)}
        rows += connection.execute(sql, wanted).fetchall()
        if len(rows) == most:
            return Page(rows, rows[-1][0])
        if len(places) < scan:
            return Page(rows, None)
        facts["before"] = places[-1]
        if looked_at >= MOST_LOOKED_AT:
            return Page(rows, places[-1])
        # Few of the first fit, so look at more at a time.
        scan = min(4 * scan, MOST_LOOKED_AT)
        looked_at += scan


def read_query(told: Iterable[str]) -> str:
    """The statement that reads the rows at `:places` of which all that is true."""
    where = " AND ".join(told)
    return (
        "SELECT seq, record, claimable_at FROM jobs NOT INDEXED WHERE seq IN (SELECT value FROM json_each(:places)) "  # noqa: S608  # names only, no input
        f"AND {where} ORDER BY seq DESC LIMIT :most"
    )


def _bounds(connection: sqlite3.Connection, query: JobQuery, before: int | None) -> Facts:
    """Between which places the jobs must be, both left out: jobs come nearly in the order in which they were created."""
    facts: Facts = {"before": 2**62 if before is None else before, "after": 0}
    if query.created_before is not None:
        row = connection.execute(FIRST_CREATED_AFTER, (to_micros(query.created_before + OUT_OF_ORDER),)).fetchone()
        facts["before"] = min(facts["before"], row[0]) if row else facts["before"]
    if query.created_from is not None:
        row = connection.execute(LAST_CREATED_BEFORE, (to_micros(query.created_from - OUT_OF_ORDER),)).fetchone()
        facts["after"] = row[0] if row else 0
    return facts


def _told(query: JobQuery, facts: Facts) -> list[str]:
    """What must be true of a row, as SQL, with its values put among the facts."""
    told = []
    for name, value in (("owner", query.owner), ("backend", query.backend), ("favourite", query.favourite)):
        if value is not None:
            told.append(f"{name} = :{name}")
            facts[name] = value
    if (statuses := statuses_of(query)) is not None:
        told.append(f"status IN ({_listed(statuses)})")
    if query.created_from is not None:
        told.append("created_at >= :created_from")
        facts["created_from"] = to_micros(query.created_from)
    if query.created_before is not None:
        told.append("created_at < :created_before")
        facts["created_before"] = to_micros(query.created_before)
    return told


def _source(connection: sqlite3.Connection, query: JobQuery, facts: Facts) -> str:
    """The statement that gives places, with its values put among the facts: of the index that leaves the fewest."""
    statuses = statuses_of(query)
    terms = asked_terms(query)
    narrow = places_query(statuses=statuses, backend=query.backend, owner=query.owner, favourite=bool(query.favourite))
    if not terms:
        return narrow
    if query.favourite or statuses is not None:
        # What may change is not in `job_search`. Few of a rare status would be looked for among all that have the words.
        few = connection.execute(narrow, {**facts, "most": _FEW}).fetchall()
        if len(few) < _FEW:
            return narrow
    facts["terms"] = terms
    return SEARCH


SEARCH = """
SELECT rowid FROM job_search WHERE job_search MATCH :terms AND rowid < :before AND rowid > :after
ORDER BY rowid DESC LIMIT :most
"""


def asked_terms(query: JobQuery) -> str:
    """What `job_search` must have of a job; nothing when it would not narrow what the other indexes give."""
    parts = [_term("g", gram) for gram in sorted(grams_of_text(query.text or ""))[:_MOST_GRAMS]]
    words = [f"(({' AND '.join(parts)}) OR {_LONG})"] if parts else []
    if query.checkpoint is not None:
        words.append(_term("c", query.checkpoint))
    if words:
        words += [_term(kind, value) for kind, value in (("o", query.owner), ("b", query.backend)) if value is not None]
    return " AND ".join(words)


def places_query(
    *, statuses: Iterable[JobStatus] | None, backend: str | None, owner: str | None, favourite: bool
) -> str:
    """The statement for the next places of these jobs.

    With any filter, each status is looked up by itself, in an index that holds its jobs by age, and the newest of all
    are taken: otherwise a rare status among many jobs would be searched for one by one.
    """
    told = [f"{name} = :{name}" for name, value in (("owner", owner), ("backend", backend)) if value is not None]
    if favourite:
        # They are few: an index of their own has them, whatever else is asked.
        if statuses is not None:
            told.append(f"status IN ({_listed(statuses)})")
        return _leg(["favourite = 1", *told], "jobs_favourite")
    if statuses is None and not told:
        return _leg([])
    index = "jobs_by_owner" if owner is not None else "jobs_by_backend" if backend is not None else "jobs_by_status"
    legs = [_leg([f"status = '{status}'", *told], index) for status in sorted(statuses or JobStatus)]
    return " UNION ALL ".join(f"SELECT * FROM ({leg})" for leg in legs) + " ORDER BY seq DESC LIMIT :most"  # noqa: S608


def _leg(told: list[str], index: str = "") -> str:
    hint = f"INDEXED BY {index} " if index else ""
    where = " AND ".join([*told, "seq < :before AND seq > :after"])
    return f"SELECT seq FROM jobs {hint}WHERE {where} ORDER BY seq DESC LIMIT :most"  # noqa: S608  # names only, no input


def _listed(statuses: Iterable[JobStatus]) -> str:
    return ", ".join(f"'{status}'" for status in sorted(statuses))


def _term(kind: str, value: str) -> str:
    # In hex, so that no character has a meaning to the tokenizer or in a query.
    return kind + value.encode("utf-8", "surrogatepass").hex()


#: The same few of each language come again and again.
_gram = lru_cache(maxsize=8192)(partial(_term, "g"))

"""How a job and an event lie in Redis: a JSON body beside the fields that scripts change; imports stdlib and the core.

Scripts never decode the body: Lua's JSON turns empty lists into objects and rounds numbers.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.redis.clock import MICROSECOND, from_micros, to_micros
from imaging_core.deliveries import end_of
from imaging_core.events import JobEvent
from imaging_core.jobs import OVERDUE_GRACE, Job, JobStatus
from imaging_core.ports import Pause, Preference
from imaging_core.records import event_from_record, event_to_record, job_from_record, job_to_stored, time_to_text

Fields = dict[str, str | bytes | int]
Row = Sequence[bytes | None]

#: What a job is read by, in the order that the scripts have too. Of a deleted job only `deleted` is there.
SHOWN: Final = (
    *("body", "deleted", "version", "status", "attempt", "crashes", "cancel"),
    *("started", "worker", "token", "since", "until", "reason", "favourite", "seq"),
)

#: Fields of a job that are not in its body, because a claim or a heartbeat changes them.
_OUTSIDE = ("version", "status", "attempt", "crashes", "lease", "started_at", "cancel_requested", "favourite")


def micros(span: float | timedelta) -> int:
    """A span of time in whole µs; a number is in s."""
    return (span if isinstance(span, timedelta) else timedelta(seconds=span)) // MICROSECOND


def job_fields(job: Job, version: int) -> Fields:
    """The hash of a job, as it is written by `add` and `save`; what is None is left out."""
    record = job_to_stored(job)
    body = {name: value for name, value in record.items() if name not in _OUTSIDE}
    fields: dict[str, str | bytes | int | None] = {
        "body": to_json(body),
        "version": version,
        "schema": job.schema,
        "status": job.status.value,
        "attempt": job.attempt,
        "crashes": job.crashes,
        "cancel": int(job.cancel_requested),
        "priority": job.priority,
        "backend": job.backend,
        "owner": job.owner,
        "checkpoint": job.request.checkpoint or "",
        "created": to_micros(job.created_at),
        "run_limit": micros(timedelta(seconds=job.run_timeout_s) + OVERDUE_GRACE),
        "deadline": _micros_or_none(job.deadline),
        "started": _micros_or_none(job.started_at),
        "ended": _micros_or_none(job.finished_at) if job.status.terminal else None,
        "expires": _micros_or_none(job.expires_at()),
        "hook": _hook(job),
        "movable": _movable(job),
    }
    if job.lease is not None:
        fields["worker"] = job.lease.worker
        fields["token"] = job.lease.token
        fields["since"] = to_micros(job.lease.since)
        fields["until"] = to_micros(job.lease.until)
        fields["reason"] = job.lease.reason.value
    return {name: value for name, value in fields.items() if value is not None}


def job_arguments(job: Job, version: int) -> list[str | bytes | int]:
    """The same as a script takes it: the number of fields, then names and values."""
    fields = job_fields(job, version)
    return [len(fields), *(part for row in fields.items() for part in row)]


def _movable(job: Job) -> str | None:
    """Which line of jobs that may be moved it is in; None for one that never will be."""
    if job.asked is None:
        return None
    return "stranded" if job.stranded else "movable" if job.movable else "no"


def _hook(job: Job) -> str | None:
    """Whom the job's end is to be told, for an end that its webhook wants."""
    event = end_of(job)
    if job.webhook is None or event not in job.webhook.events:
        return None
    return f"{event}@{job.webhook.host}"


def job_from_row(row: Row) -> Job:
    """The job that the fields of `SHOWN` stand for. Raises UnreadableJob for one with a newer schema."""
    body, *rest = row
    told = (None if value is None else value.decode() for value in rest)
    _, version, status, attempt, crashes, cancel, started, worker, token, since, until, reason, favourite, _ = told
    record = from_json(body or b"")
    record["version"], record["attempt"], record["crashes"] = int(version or 0), int(attempt or 0), int(crashes or 0)
    record["status"] = status
    record["favourite"] = favourite == "1"
    record["cancel_requested"] = cancel == "1"
    record["started_at"] = _text_or_none(started)
    record["lease"] = None
    if token is not None:
        times = {"since": _text_or_none(since), "until": _text_or_none(until)}
        record["lease"] = {"worker": worker, "token": token, "reason": reason, **times}
    return job_from_record(record)


def placed_from_row(row: Row) -> tuple[int, Job]:
    """The same with the number of its submit."""
    return int(row[-1] or 0), job_from_row(row)


def overdue_at(job: Job) -> str | int:
    """When the sweep must end the job, in µs; empty for never."""
    due = _micros_or_none(job.overdue_at)
    return "" if due is None else due


def run_time(job: Job) -> str | int:
    """How long a finished job ran, in µs; empty for any other."""
    if job.status is not JobStatus.FINISHED or job.started_at is None or job.finished_at is None:
        return ""
    return micros(job.finished_at - job.started_at)


def event_arguments(events: Sequence[JobEvent]) -> Iterator[str | bytes | int]:
    """The events as a script takes them: for each the number of its fields, then names and values."""
    for event in events:
        record = event_to_record(event)
        record["at"] = to_micros(event.at)
        record["data"] = to_json(record["data"])
        present = {name: value for name, value in record.items() if value is not None}
        yield len(present)
        for name, value in present.items():
            yield name
            yield value


def claim_arguments(preference: Preference) -> tuple[str | int, ...]:
    """What a claim prefers, as the script takes it."""
    only: tuple[str | int, ...] = ("",)
    if preference.only is not None:
        only = (len(preference.only), *preference.only)
    return preference.loaded or "", preference.passes, *only, len(preference.never), *preference.never


def event_from_fields(fields: Mapping[bytes, bytes], place: str) -> JobEvent:
    """The event that an entry of the stream stands for. Raises ValueError for a kind that a newer version wrote."""
    record: dict[str, Any] = {name.decode(): value.decode() for name, value in fields.items() if name != b"data"}
    record["at"] = _text_or_none(record["at"])
    record["attempt"] = int(record["attempt"])
    record["data"] = from_json(fields[b"data"])
    return event_from_record(record, cursor=place)


def pause_from_text(text: bytes) -> Pause:
    """The pause that a value of the hash `pauses` stands for."""
    since, _, told = text.partition(b" ")
    return Pause(since=from_micros(int(since)), **from_json(told))


def pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    """Names and values that Redis gives in one row."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def to_json(value: object) -> bytes:
    """Compact JSON; lone surrogates pass, since a record must never fail to be written."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def from_json(data: bytes) -> Any:
    """What JSON says."""
    return json.loads(data.decode("utf-8", "surrogatepass"))


def _micros_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def _text_or_none(number: str | None) -> str | None:
    return None if number is None else time_to_text(from_micros(int(number)))

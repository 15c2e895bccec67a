"""Jobs and events as plain JSON-ready records and back, one way for every repository; imports stdlib and this package.

Unknown fields of a job survive (an older version may pass a newer one's job on); a newer schema is refused.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from imaging_core.errors import Charged, FailureCode, UnreadableJob
from imaging_core.events import EventKind, JobEvent
from imaging_core.images import ImageRef, ImageRequest, InputImage, Operation, StoredCall
from imaging_core.jobs import SCHEMA, Call, CallState, Job, JobFailure, JobStatus, Lease, LeaseReason
from imaging_core.moves import Move
from imaging_core.webhooks import webhook_from_record

Record = dict[str, Any]

_REQUEST_FIELDS = frozenset(a.name for a in attrs.fields(ImageRequest))
#: Fields of a request that the first version did not know, and what they are when nothing is made of them.
_LATER = {"operation": Operation.GENERATE, "init_image": None, "mask": None, "strength": None}
_JOB_FIELDS = frozenset(a.name for a in attrs.fields(Job)) - {"unknown"}


def _empty_by_default(cls: type) -> frozenset[str]:
    """The fields that are None or hold nothing unless they are given."""
    defaults = {a.name: a.default for a in attrs.fields(cls)}
    return frozenset(n for n, d in defaults.items() if d is None or d == () or isinstance(d, attrs.Factory))  # type: ignore[arg-type]


_EMPTY_IN_JOB, _EMPTY_IN_REQUEST = _empty_by_default(Job), _empty_by_default(ImageRequest)


def time_to_text(time: datetime | None) -> str | None:
    """ISO 8601 in UTC with microseconds, so that texts sort as times do."""
    if time is None:
        return None
    return (time if time.tzinfo is UTC else time.astimezone(UTC)).isoformat(timespec="microseconds")


def time_from_text(text: str | None) -> datetime | None:
    """The aware time a text stands for."""
    return None if text is None else datetime.fromisoformat(text)


#: Values that are JSON-ready as they are; enums are texts.
_PLAIN = frozenset({str, int, float, bool, type(None)})


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    """The fields of an attrs class; of any other there are none."""
    return tuple(attribute.name for attribute in attrs.fields(kind)) if attrs.has(kind) else ()


@functools.cache
def _reader(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    """Reads all fields of an attrs class, of which every one has several, at once."""
    return operator.attrgetter(*_names(kind))


def _read(value: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The names of a value's fields, and what they are."""
    return _names(value.__class__), _reader(value.__class__)(value)


def _ready(value: Any) -> Any:
    kind = value.__class__
    if kind in _PLAIN or issubclass(kind, str):
        return value
    if isinstance(value, datetime):
        return time_to_text(value)
    if kind is tuple or kind is list:
        return [_ready(item) for item in value]
    if kind is dict or issubclass(kind, Mapping):
        return _all_ready(value.items())
    # attrs.asdict does the same, for any value there can be, in three times the time.
    return _record(value) if _names(kind) else value


def _record(value: Any) -> Record:
    """A value's fields as JSON-ready data: texts for times, lists for tuples, plain text for enums."""
    return _all_ready(zip(*_read(value), strict=True))


def _all_ready(fields: Iterable[tuple[str, Any]]) -> Record:
    return {name: value if type(value) in _PLAIN else _ready(value) for name, value in fields}


def job_to_record(job: Job) -> Record:
    """Everything about a job, JSON-ready."""
    record = _record(job)
    del record["unknown"]
    for name in _requests_in(record):
        record[name] = _without_later_defaults(record[name])
    return {**job.unknown, **record}


def job_to_stored(job: Job) -> Record:
    """The same as short as every version can read it: without what is None or empty unless it says otherwise."""
    record = _filled(job, _EMPTY_IN_JOB)
    record.pop("unknown", None)
    for name in _requests_in(record):
        request = _filled(record[name], _EMPTY_IN_REQUEST)
        record[name] = _without_later_defaults(request)
    return {**job.unknown, **_all_ready(record.items())}


def _requests_in(record: Record) -> tuple[str, ...]:
    return ("request",) if record.get("asked") is None else ("request", "asked")


def _filled(value: Any, empty: frozenset[str]) -> Record:
    """A value's fields as they are, without those of `empty` that are None or hold nothing."""
    fields = zip(*_read(value), strict=True)
    return {name: v for name, v in fields if v or name not in empty or (v is not None and v in (0, ""))}


def job_from_record(record: Mapping[str, Any]) -> Job:
    """The job a record stands for.

    Raises UnreadableJob for a record with a newer schema.
    """
    schema = record.get("schema", SCHEMA)
    if schema > SCHEMA:
        raise UnreadableJob(
            f"Job {record.get('id')} was written with schema {schema}; this version reads up to {SCHEMA}. Upgrade it."
        )
    known = {k: v for k, v in record.items() if k in _JOB_FIELDS}
    for name in ("created_at", "started_at", "finished_at"):
        known[name] = time_from_text(known.get(name))
    known["request"] = request_from_record(record["request"])
    known["asked"] = request_from_record(record["asked"]) if record.get("asked") else None
    known["moves"] = tuple(Move(**{**m, "at": datetime.fromisoformat(m["at"])}) for m in record.get("moves", ()))
    known["status"] = JobStatus(record["status"])
    known["lease"] = _lease(record["lease"]) if record.get("lease") else None
    known["calls"] = tuple(Call(**{**c, "state": CallState(c["state"])}) for c in record.get("calls", ()))
    known["failures"] = tuple(map(_failure, record.get("failures", ())))
    known["images"] = tuple(ImageRef(**image) for image in record.get("images", ()))
    known["webhook"] = webhook_from_record(record["webhook"]) if record.get("webhook") else None
    return Job(**known, unknown={k: v for k, v in record.items() if k not in _JOB_FIELDS})


def request_to_record(request: ImageRequest) -> Record:
    """Everything about a request, JSON-ready."""
    return _without_later_defaults(_record(request))


def _without_later_defaults(record: Record) -> Record:
    """A request without the fields it makes no use of that the first version did not know, so that it can read it."""
    return {k: v for k, v in record.items() if k not in _LATER or v != _LATER[k]}


def request_from_record(record: Mapping[str, Any]) -> ImageRequest:
    """The request a record stands for. Raises UnreadableJob for one that asks for something of a newer version."""
    unknown = record.keys() - _REQUEST_FIELDS
    if unknown:
        raise UnreadableJob(f"The job asks for something this version does not know ({', '.join(sorted(unknown))}).")
    fields = dict(record)
    fields["options"] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.get("options", {}).items()}
    fields["operation"] = Operation(record.get("operation", Operation.GENERATE))
    for name in ("init_image", "mask"):
        fields[name] = InputImage(**record[name]) if record.get(name) else None
    return ImageRequest(**fields)


def _lease(record: Mapping[str, Any]) -> Lease:
    times = {name: datetime.fromisoformat(record[name]) for name in ("since", "until")}
    return Lease(worker=record["worker"], token=record["token"], reason=LeaseReason(record["reason"]), **times)


def _failure(record: Mapping[str, Any]) -> JobFailure:
    return JobFailure(
        code=FailureCode(record["code"]),
        message=record["message"],
        retryable=record["retryable"],
        attempt=record["attempt"],
        at=datetime.fromisoformat(record["at"]),
        charged=Charged(record["charged"]),
    )


def event_to_record(event: JobEvent) -> Record:
    """Everything about an event but its cursor, JSON-ready."""
    return {
        "job_id": event.job_id,
        "kind": event.kind,
        "status": event.status,
        "attempt": event.attempt,
        "at": time_to_text(event.at),
        "backend": event.backend,
        "owner": event.owner,
        "data": dict(event.data),
    }


def event_from_record(record: Mapping[str, Any], *, cursor: str) -> JobEvent:
    """The event a record stands for, at that place of the log."""
    return JobEvent(
        job_id=record["job_id"],
        kind=EventKind(record["kind"]),
        status=JobStatus(record["status"]),
        attempt=record["attempt"],
        at=datetime.fromisoformat(record["at"]),
        backend=record["backend"],
        owner=record.get("owner"),
        data=record.get("data", {}),
        cursor=cursor,
    )


def stored_call_to_record(stored: StoredCall) -> Record:
    """Everything about a stored call, JSON-ready."""
    return _record(stored)


def stored_call_from_record(record: Mapping[str, Any]) -> StoredCall:
    """The stored call a record stands for."""
    return StoredCall(**{**record, "images": tuple(ImageRef(**image) for image in record["images"])})

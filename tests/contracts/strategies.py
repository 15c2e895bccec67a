"""Random values of the domain for Hypothesis, as wild as a store may meet them.

May import Hypothesis, attrs, the core and the neighbouring samples.
"""

from datetime import UTC, datetime, timedelta

import attrs
from hypothesis import strategies as st

from contracts.samples import a_job, a_request
from imaging_core.errors import Charged, FailureCode
from imaging_core.events import EventKind, JobEvent
from imaging_core.images import MAX_SEED, ImageRef, ImageRequest, StoredCall
from imaging_core.jobs import Call, CallState, Job, JobFailure, JobStatus, Lease, LeaseReason
from imaging_core.moves import Move
from imaging_core.ports import Preference

#: Text as people and programs send it, without the characters that no store of UTF-8 can hold.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
ids = st.text("0123456789abcdef", min_size=32, max_size=32)
tokens = st.text("0123456789abcdef", min_size=16, max_size=16)
seconds = st.floats(0, 1e6, allow_nan=False)
times = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # bounds are naive
spans = st.timedeltas(timedelta(0), timedelta(days=2))

numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
options = st.dictionaries(names, st.booleans() | numbers | texts | st.tuples(texts, texts), max_size=3)
requests = st.builds(
    ImageRequest,
    prompt=texts,
    negative_prompt=texts,
    checkpoint=st.none() | texts,
    sampler=st.none() | texts,
    scheduler=st.none() | texts,
    steps=st.none() | st.integers(1, 150),
    cfg_scale=st.none() | st.floats(0, 30),
    width=st.none() | st.integers(64, 2048),
    height=st.none() | st.integers(64, 2048),
    seed=st.none() | st.integers(0, MAX_SEED),
    count=st.integers(1, 9),
    batch_size=st.integers(1, 4),
    options=options,
)
refs = st.builds(
    ImageRef,
    index=st.integers(0, 9),
    key=texts,
    media_type=st.sampled_from(["image/png", "image/jpeg", "image/webp"]),
    size=st.integers(0, 10**9),
    sha256=ids,
    width=st.integers(1, 4096),
    height=st.integers(1, 4096),
    seed=st.integers(0, MAX_SEED),
)
stored_calls = st.builds(
    StoredCall,
    call=st.integers(0, 9),
    images=st.lists(refs, max_size=2).map(tuple),
    filtered=st.integers(0, 4),
    credits=seconds,
)
failures = st.builds(
    JobFailure,
    code=st.sampled_from(FailureCode),
    message=texts,
    retryable=st.booleans(),
    attempt=st.integers(0, 5),
    at=times,
    charged=st.sampled_from(Charged),
)
calls = st.builds(
    Call,
    index=st.integers(0, 3),
    state=st.sampled_from(CallState),
    attempt=st.integers(1, 5),
    task_id=tokens,
    credits=st.none() | seconds,
)
leases = st.builds(
    Lease,
    worker=st.none() | texts,
    token=tokens,
    since=times,
    until=times,
    reason=st.sampled_from(LeaseReason),
)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda children: st.lists(children, max_size=2) | st.dictionaries(names, children, max_size=2),
    max_leaves=5,
)
#: Names that no version of `Job` has given to a field.
unknowns = st.dictionaries(names.map("x_".__add__), json_values, max_size=2)

#: Jobs in any state a record may hold, likely or not.
wild_jobs = st.builds(
    Job,
    id=ids,
    backend=names,
    request=requests,
    created_at=times,
    version=st.integers(0, 1000),
    owner=st.none() | texts,
    status=st.sampled_from(JobStatus),
    priority=st.integers(-10, 10),
    started_at=st.none() | times,
    finished_at=st.none() | times,
    attempt=st.integers(0, 5),
    crashes=st.integers(0, 5),
    lease=st.none() | leases,
    calls=st.lists(calls, max_size=3).map(tuple),
    failures=st.lists(failures, max_size=2).map(tuple),
    images=st.lists(refs, max_size=2).map(tuple),
    cancel_requested=st.booleans(),
    run_timeout_s=seconds,
    max_wait_s=st.none() | seconds,
    retry_of=st.none() | ids,
    keep_days=st.none() | st.floats(0, 36_500),
    asked=st.none() | requests,
    moves=st.lists(st.builds(Move, left=names, backend=names, reason=texts, at=times, credits=seconds), max_size=2).map(
        tuple
    ),
    stayed=st.none() | texts,
    unknown=unknowns,
)
events = st.builds(
    JobEvent,
    job_id=ids,
    kind=st.sampled_from(EventKind),
    status=st.sampled_from(JobStatus),
    attempt=st.integers(0, 5),
    at=times,
    backend=names,
    owner=st.none() | texts,
    data=st.dictionaries(names, texts, max_size=3),
    cursor=names,
)


@st.composite
def lived_jobs(draw: st.DrawFn, *, status: JobStatus | None = None) -> tuple[Job, datetime]:
    """A job that came to its state by legal steps only, and the moment of the last one."""
    now = draw(times)
    job = a_job(now, id=draw(ids), owner=draw(st.none() | names))
    job = attrs.evolve(job, max_wait_s=draw(st.none() | st.floats(0, 1e5)), run_timeout_s=draw(st.floats(0, 1e4)))
    target = draw(st.sampled_from(JobStatus)) if status is None else status
    for _ in range(0 if target is JobStatus.QUEUED else draw(st.integers(1, 4))):
        now = max(now + draw(spans), job.lease.until if job.lease else now)
        job = job.claimed(worker="w", token=draw(tokens), now=now, lease_s=draw(st.floats(0.001, 1e4)))
        if draw(st.booleans()):
            reason = draw(st.sampled_from([LeaseReason.RETRY, LeaseReason.DRAIN, LeaseReason.THROTTLED]))
            job = job.parked_until(now + draw(spans), reason, now=now, failure=draw(st.none() | failures))
    match target:
        case JobStatus.FINISHED:
            job = job.succeeded(draw(st.lists(refs, max_size=2)), now=now)
        case JobStatus.FAILED:
            job = job.failed(draw(failures), now=now)
        case JobStatus.CANCELLED:
            job = job.cancelled(now=now)
        case _:
            pass
    return job, now


# --- what a repository is asked, few of a kind so that they meet ---------------------------------------------------

#: Mostly one.
backends = st.sampled_from(["alpha", "alpha", "alpha", "beta"])
owners = st.sampled_from([None, "alice", "bob"])
new_jobs = st.fixed_dictionaries(
    {
        "backend": backends,
        "owner": owners,
        "priority": st.integers(-1, 1),
        "max_wait_s": st.sampled_from([None, None, None, 1.25, 3.25]),
        "asked": st.sampled_from([None, a_request(checkpoint=None)]),
        "request": st.builds(
            a_request,
            prompt=st.sampled_from(["red fox", "Redwood 4k", "猫"]),
            checkpoint=st.sampled_from([None, "tiny", "tinyB"]),
        ),
    }
)
preferences = st.builds(
    Preference,
    only=st.sampled_from([None, None, frozenset({"tiny"}), frozenset({"tiny", "tinyB"})]),
    never=st.sampled_from([frozenset(), frozenset(), frozenset({"tinyB"})]),
    loaded=st.sampled_from([None, "tiny", "tinyB"]),
    passes=st.integers(0, 2),
)

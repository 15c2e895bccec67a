"""What a submit of many jobs needs besides the service: every item fitted, with what is wrong named by item; imports this package."""

import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import attrs

from imaging_core.capabilities import Capabilities
from imaging_core.errors import FieldProblem, ImagingError, InvalidRequest, UnknownBackend
from imaging_core.ids import new_job_id
from imaging_core.images import ImageRequest
from imaging_core.jobs import Job
from imaging_core.policies import RunLimits
from imaging_core.ports import Idempotency, JobRepository, QueueLimits
from imaging_core.routing import Route
from imaging_core.submitting import fingerprint, with_seed
from imaging_core.webhooks import Webhook

#: One thing to make: the request and the backend it is for.
Item = tuple[ImageRequest, str]


@attrs.frozen(kw_only=True)
class Terms:
    """What all jobs of one submit have in common."""

    owner: str | None = None
    priority: int = 0
    idempotency_key: str | None = None
    #: None for the service's own.
    max_wait_s: float | None = None
    keep_days: float | None = None
    retry_of: str | None = None
    webhook: Webhook | None = None

    def job(
        self,
        request: ImageRequest,
        backend: str,
        *,
        now: datetime,
        limits: RunLimits,
        route: Route | None = None,
        asked: ImageRequest | None = None,
    ) -> Job:
        """A new job on these terms; with a `route`, `asked` is what the request was before it was fitted to the backend."""
        return Job(
            id=new_job_id(),
            backend=backend,
            request=request,
            owner=self.owner,
            priority=self.priority,
            created_at=now,
            run_timeout_s=limits.run_timeout_s,
            max_wait_s=self.max_wait_s if self.max_wait_s is not None else limits.max_wait_s,
            retry_of=self.retry_of,
            keep_days=self.keep_days,
            route=route.reason if route else None,
            asked=asked if route else None,
            webhook=self.webhook,
        )

    def fingerprint(self, request: ImageRequest, backend: str) -> str:
        """A digest that tells one submit from another under the same idempotency key."""
        digest = fingerprint(request, backend, self.max_wait_s, self.keep_days, self.webhook)
        if self.priority:
            digest = f"{digest}-priority{self.priority}"
        return digest if self.retry_of is None else f"{digest}-{self.retry_of}"

    def promise(self, digest: Callable[[], str]) -> Idempotency | None:
        """What the caller promises by the idempotency key; one owner's keys mean nothing to another.

        `digest` gives the fingerprint of what is submitted, if there is a key.
        """
        if self.idempotency_key is None:
            return None
        return Idempotency(key=f"{self.owner or ''}:{self.idempotency_key}", fingerprint=digest())

    def share(self, limits: QueueLimits | None) -> QueueLimits | None:
        """The limits that hold for this caller: without keys there are no callers to share between."""
        if limits is None or self.owner is not None:
            return limits
        return attrs.evolve(limits, max_queued_per_owner=None)


async def fit_all(items: Sequence[Item], capabilities: Callable[[str], Awaitable[Capabilities]]) -> list[ImageRequest]:
    """Each request as its backend will make it, with a seed.

    Raises InvalidRequest that names every wrong field of every item (`items[3].steps`), and what asking a backend raises.
    """
    if not items:
        raise InvalidRequest([FieldProblem(field="items", message="must have at least one entry.")])
    able: dict[str, Capabilities | InvalidRequest] = {}
    fitted: list[ImageRequest] = []
    problems: list[FieldProblem] = []
    for index, (request, backend) in enumerate(items):
        try:
            if backend not in able:
                able[backend] = await _asked(backend, capabilities)
            fitted.append(_fitted(request, able[backend]))
        except InvalidRequest as error:
            problems += (
                FieldProblem(field=f"items[{index}].{p.field}".rstrip("."), message=p.message) for p in error.problems
            )
    if problems:
        raise InvalidRequest(problems)
    return fitted


async def _asked(backend: str, capabilities: Callable[[str], Awaitable[Capabilities]]) -> Capabilities | InvalidRequest:
    try:
        return await capabilities(backend)
    except UnknownBackend as error:
        return InvalidRequest([FieldProblem(field="backend", message=str(error))])


def _fitted(request: ImageRequest, able: Capabilities | InvalidRequest) -> ImageRequest:
    if isinstance(able, InvalidRequest):
        raise able
    for name in ("init_image", "mask"):
        if request.value(name) is not None:
            message = "cannot be part of a batch. Submit a job that begins with a picture by itself."
            raise InvalidRequest([FieldProblem(field=name, message=message)])
    return with_seed(able.fit(request))


def check_share(items: Sequence[Item], limits: QueueLimits | None) -> None:
    """Raises InvalidRequest for a batch that could never be accepted, however empty the queue.

    The caller's own share comes before everybody's, as when a job is added.
    """
    limits = limits or QueueLimits()
    counts = Counter(backend for _, backend in items)
    for most, whose in ((limits.max_queued_per_owner, "of yours "), (limits.max_queued, "")):
        for backend, count in counts.items():
            if most is not None and count > most:
                which = f"has {count} entries for backend {backend!r}, of which at most {most} {whose}may wait."
                raise InvalidRequest([FieldProblem(field="items", message=f"{which} Send fewer at a time.")])


def fingerprint_all(items: Sequence[Item], terms: "Terms") -> str:
    """A digest that tells one batch from another under the same idempotency key, and from a single submit."""
    each = [terms.fingerprint(request, backend) for request, backend in items]
    return hashlib.sha256(json.dumps(["batch", *each]).encode()).hexdigest()


async def accepted_before(
    jobs: JobRepository, idempotency: Idempotency | None, refusal: ImagingError
) -> tuple[Job, ...]:
    """The jobs that the key stands for: they were accepted, whatever speaks against a new one now.

    Raises the refusal for a key that stands for nothing.
    """
    known = await jobs.known(idempotency) if idempotency is not None else ()
    if not known:
        raise refusal
    return known

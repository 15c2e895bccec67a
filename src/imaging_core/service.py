"""What every door calls: submit, look, watch, fetch, cancel, retry, delete; imports stdlib, attrs and this package."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import attrs

from imaging_core.batches import Terms, accepted_before, check_share, fingerprint_all, fit_all
from imaging_core.capabilities import Capabilities
from imaging_core.errors import (
    BackendNotConfigured,
    GenerationError,
    ImageNotAvailable,
    ImageNotReady,
    ImagingError,
    JobConflict,
    JobDeleted,
    JobNotFound,
    StaleJob,
    Unavailable,
    UnknownBackend,
)
from imaging_core.events import EventKind, JobProgress, event_of
from imaging_core.images import ImageRef, ImageRequest
from imaging_core.inputs import add_with, refusal, with_inputs
from imaging_core.jobs import JOB_ID, Job, JobStatus
from imaging_core.owners import job_of
from imaging_core.policies import RunLimits
from imaging_core.ports import (
    BackendGate,
    GateState,
    Generators,
    ImageStore,
    JobEvents,
    JobPage,
    JobQuery,
    JobQueue,
    JobRepository,
    QueueLimits,
    QueueState,
)
from imaging_core.spending import JobAdder
from imaging_core.submitting import Rings, check_webhook, with_seed
from imaging_core.webhook_desk import WebhookDesk
from imaging_core.webhooks import Webhook

#: How often a watched job's progress is looked at, in s.
WATCH_EVERY_S = 0.25


@attrs.frozen(kw_only=True)
class JobView:
    """A job as a person sees it."""

    job: Job
    #: 1 for the job that is next; None unless it is queued.
    position: int | None = None
    #: Of a started job; None while nothing is known.
    progress: JobProgress | None = None
    #: Seconds to the end, where one can tell.
    eta_s: float | None = None


@attrs.frozen(kw_only=True)
class BackendView:
    """A backend as a person sees it."""

    name: str
    #: None when it must be asked and does not answer.
    capabilities: Capabilities | None
    #: Whether it answers now.
    answers: bool
    #: What it says of itself, or why it does not answer.
    message: str
    gate: GateState
    queue: QueueState


class ImagingService:
    """The use cases. Holds no state of its own but the rings under way; `close` waits for those."""

    def __init__(
        self,
        *,
        jobs: JobRepository,
        queue: JobQueue,
        events: JobEvents,
        store: ImageStore,
        gate: BackendGate,
        generators: Generators,
        limits: RunLimits | None = None,
        queue_limits: QueueLimits | None = None,
        unconfigured: Mapping[str, str] | None = None,
        admit: Callable[[], Awaitable[None]] | None = None,
        webhooks: WebhookDesk | None = None,
        adding: JobAdder | None = None,
    ) -> None:
        """`unconfigured` names backends that could be there, each with a sentence that says which setting is missing.

        `admit` is asked before each new job and raises what speaks against taking one. Without `webhooks` no job may have one.
        `adding` stores new jobs in `jobs` and may refuse some.
        """
        self.jobs = jobs
        self.events = events
        self.store = store
        self.gate = gate
        self._generators = generators
        self._limits = limits or RunLimits()
        self.queue_limits = queue_limits
        self._admit = admit
        self._adding = adding or jobs
        self.webhooks = webhooks
        self.unconfigured: Mapping[str, str] = dict(unconfigured or {})
        self._rings = Rings(queue)

    async def close(self) -> None:
        """Wait for the rings under way."""
        await self._rings.close()

    async def check_room(self) -> None:
        """Whether there is room for a new job's pictures now. Raises StorageFull, Unavailable."""
        await self.store.check()
        if self._admit is not None:
            await self._admit()

    # --- submitting --------------------------------------------------------------------------------------

    async def submit(
        self,
        request: ImageRequest,
        *,
        backend: str,
        owner: str | None = None,
        priority: int = 0,
        idempotency_key: str | None = None,
        max_wait_s: float | None = None,
        retry_of: str | None = None,
        keep_days: float | None = None,
        webhook: Webhook | None = None,
        init_image: bytes | None = None,
        mask: bytes | None = None,
        limits: QueueLimits | None = None,
    ) -> Job:
        """Check a request and queue a job for it; durable when this returns.

        Under a known idempotency key it gives the job that the key stands for, whatever speaks against a new one now.
        `limits` are those of this caller; None for the service's own. `keep_days` after its end the job is
        deleted with its pictures; None leaves that to the service's setting. `init_image` and `mask` are PNG, JPEG or
        WebP files that the caller vouches for; a request may name those of an earlier job instead. `webhook` is told of
        the job's end.
        Raises UnknownBackend, BackendNotConfigured, InvalidRequest, QueueFull, StorageFull, IdempotencyMismatch,
        ImageNotAvailable for an earlier job's picture that is gone, Unavailable.
        """
        terms = Terms(
            owner=owner,
            priority=priority,
            idempotency_key=idempotency_key,
            max_wait_s=max_wait_s,
            keep_days=keep_days,
            retry_of=retry_of,
            webhook=webhook,
        )
        request, inputs = await with_inputs(self.store, request, {"init_image": init_image, "mask": mask})
        promise = terms.promise(terms.fingerprint(request, backend))
        try:
            fitted = await self._fitted(request, backend)
            await self._check_admission(terms)
        except ImagingError as error:
            return (await accepted_before(self.jobs, promise, error))[0]
        job = terms.job(fitted, backend, now=await self.jobs.now(), limits=self._limits)
        event = event_of(job, EventKind.QUEUED, at=job.created_at)
        share = terms.share(limits or self.queue_limits)

        async def add(job: Job) -> Job:
            return await self._adding.add(job, events=[event], idempotency=promise, limits=share)

        stored = await add_with(self.store, job, inputs, add)
        self._ring_for([job], [stored])
        return stored

    async def submit_all(
        self,
        items: Sequence[tuple[ImageRequest, str]],
        *,
        owner: str | None = None,
        priority: int = 0,
        idempotency_key: str | None = None,
        max_wait_s: float | None = None,
        keep_days: float | None = None,
        webhook: Webhook | None = None,
        limits: QueueLimits | None = None,
    ) -> tuple[Job, ...]:
        """Check requests, each for the backend named with it, and queue a job for each: all of them or none.

        Under a known idempotency key it gives the jobs that the key stands for, in their order. The options are those
        of `submit`. What is wrong with an item is named by its place (`items[3].steps`).
        Raises what `submit` raises; JobDeleted when a job that the key stands for is gone.
        """
        terms = Terms(
            owner=owner,
            priority=priority,
            idempotency_key=idempotency_key,
            max_wait_s=max_wait_s,
            keep_days=keep_days,
            webhook=webhook,
        )
        promise, share = terms.promise(fingerprint_all(items, terms)), terms.share(limits or self.queue_limits)
        try:
            requests = await fit_all(items, self.capabilities)
            check_share(items, share)
            await self._check_admission(terms)
        except ImagingError as error:
            return await accepted_before(self.jobs, promise, error)
        now = await self.jobs.now()
        pairs = zip(requests, items, strict=True)
        jobs = [terms.job(request, backend, now=now, limits=self._limits) for request, (_, backend) in pairs]
        events = [event_of(job, EventKind.QUEUED, at=now) for job in jobs]
        stored = await self._adding.add_all(jobs, events=events, idempotency=promise, limits=share)
        self._ring_for(jobs, stored)
        return stored

    async def _fitted(self, request: ImageRequest, backend: str) -> ImageRequest:
        capabilities = await self.capabilities(backend)
        if request.operation not in capabilities.operations:
            raise await refusal(backend, request.operation, self._generators)
        return with_seed(capabilities.fit(request))

    async def _check_admission(self, terms: Terms) -> None:
        await check_webhook(self.webhooks, terms.webhook)
        if self._admit is not None:
            await self._admit()

    def _ring_for(self, jobs: Sequence[Job], stored: Sequence[Job]) -> None:
        # Jobs that a known key gave were rung for when they were new.
        for job, kept in zip(jobs, stored, strict=False):
            if job.id == kept.id:
                self._rings.ring(kept)

    # --- looking -----------------------------------------------------------------------------------------

    async def get(self, job_id: str, *, owner: str | None = None) -> Job:
        """The job as it stands; with an owner, only if it is theirs. Raises JobNotFound, JobDeleted."""
        if not JOB_ID.fullmatch(job_id):
            raise JobNotFound
        return await job_of(self.jobs, job_id, owner)

    async def view(self, job_id: str, *, owner: str | None = None) -> JobView:
        """The job with its place in the queue, or its progress. Raises JobNotFound, JobDeleted."""
        return await self.view_of(await self.get(job_id, owner=owner))

    async def view_of(self, job: Job) -> JobView:
        """What a person sees of a job that was read before."""
        if job.status is JobStatus.QUEUED:
            ahead, state = await asyncio.gather(self.jobs.position(job), self.jobs.state(job.backend))
            slots = (await self.gate.state(job.backend)).slots
            mean_s = state.mean_run_s
            eta = None if mean_s is None or slots < 1 else mean_s * ((ahead + state.started) / slots + 1)
            return JobView(job=job, position=ahead + 1, eta_s=eta)
        if job.status is JobStatus.STARTED:
            progress = await self.events.progress(job.id)
            return JobView(job=job, progress=progress, eta_s=progress.eta_s if progress else None)
        return JobView(job=job)

    async def list(self, query: JobQuery) -> JobPage:
        """A page of jobs, newest first. Raises InvalidRequest for a cursor that no page ended with."""
        return await self.jobs.list(query)

    async def watch(self, job_id: str, *, owner: str | None = None) -> AsyncIterator[JobView]:
        """The job now and whenever something about it changes, until it has ended."""
        last: JobView | None = None
        while True:
            view = await self.view(job_id, owner=owner)
            if view != last:
                last = view
                yield view
            if view.job.status.terminal:
                return
            await asyncio.sleep(WATCH_EVERY_S)

    # --- pictures ----------------------------------------------------------------------------------------

    async def read_image(
        self, job_id: str, index: int = 0, *, owner: str | None = None
    ) -> tuple[ImageRef, bytes | AsyncIterator[bytes]]:
        """A finished job's picture: its record and its bytes, a large one as a stream.

        Raises JobNotFound, JobDeleted, ImageNotReady while the job is open, ImageNotAvailable with the reason.
        """
        ref = self.image_ref(await self.get(job_id, owner=owner), index)
        return ref, await self.store.open(ref)

    def image_ref(self, job: Job, index: int) -> ImageRef:
        """The record of a finished job's picture. Raises ImageNotReady, ImageNotAvailable."""
        if not job.status.terminal:
            raise ImageNotReady(job.status)
        if job.status is JobStatus.CANCELLED:
            raise ImageNotAvailable("The job was cancelled.")
        if job.failure is not None:
            raise ImageNotAvailable(f"The job failed: {job.failure.message}")
        if not 0 <= index < len(job.images):
            there = "picture, index 0" if len(job.images) == 1 else f"pictures, index 0 to {len(job.images) - 1}"
            raise ImageNotAvailable(f"The job has {len(job.images)} {there}.")
        return job.images[index]

    # --- changing ----------------------------------------------------------------------------------------

    async def cancel(self, job_id: str, *, owner: str | None = None) -> Job:
        """Cancel a job: at once while nobody works on it, else its worker stops it within moments.

        Raises JobNotFound, JobDeleted, JobConflict when it has already finished or failed.
        """
        while True:
            job = await self.get(job_id, owner=owner)
            now = await self.jobs.now()
            changed = job.cancel(now=now)
            if changed == job:
                return job
            kind = EventKind.CANCELLED if changed.status.terminal else EventKind.CANCEL_REQUESTED
            try:
                return await self.jobs.save(changed, events=[event_of(changed, kind, at=now)])
            except StaleJob:
                continue

    async def mark(self, job_id: str, *, favourite: bool, owner: str | None = None) -> Job:
        """Mark a job as a favourite, or take the mark away. Raises JobNotFound, JobDeleted."""
        await self.get(job_id, owner=owner)
        return await self.jobs.mark(job_id, favourite=favourite)

    async def retry(self, job_id: str, *, owner: str | None = None, idempotency_key: str | None = None) -> Job:
        """A new job for a failed or cancelled one's request, with the same seed, pointing to the old one.

        Raises JobNotFound, JobDeleted, JobConflict, and what `submit` raises.
        """
        job = await self.get(job_id, owner=owner)
        if job.status not in (JobStatus.FAILED, JobStatus.CANCELLED):
            raise JobConflict(f"Only a failed or cancelled job can be retried; this one is {job.status}.")
        return await self.submit(
            job.request,
            backend=job.backend,
            owner=job.owner,
            priority=job.priority,
            max_wait_s=job.max_wait_s,
            idempotency_key=idempotency_key,
            retry_of=job.id,
            keep_days=job.keep_days,
            webhook=job.webhook,
        )

    async def delete(self, job_id: str, *, owner: str | None = None) -> None:
        """Forget an ended job and remove its pictures. Raises JobNotFound, JobDeleted, JobConflict while it is open."""
        try:
            job = await self.get(job_id, owner=owner)
        except JobDeleted:
            # The time before may have ended between the record and the pictures.
            await self.store.delete(job_id)
            raise
        if not job.status.terminal:
            raise JobConflict(f"The job is {job.status}. Cancel it first, or wait for its end.")
        # The record goes first: a crash in between leaves pictures nobody can ask for, which a repair finds.
        await self.jobs.delete(job, events=[event_of(job, EventKind.DELETED, at=await self.jobs.now())])
        await self.store.delete(job.id)

    # --- backends ----------------------------------------------------------------------------------------

    @property
    def backend_names(self) -> tuple[str, ...]:
        """The backends there are."""
        return tuple(self._generators)

    async def capabilities(self, backend: str) -> Capabilities:
        """What a backend can do now. Raises UnknownBackend, BackendNotConfigured, Unavailable."""
        if backend in self.unconfigured:
            raise BackendNotConfigured(backend, self.unconfigured[backend])
        generator = self._generators.get(backend)
        if generator is None:
            raise UnknownBackend(backend, self.backend_names)
        return await generator.capabilities()

    async def backends(self) -> Sequence[BackendView]:
        """Every backend: what it can do, whether it answers now, how busy it is."""
        return await asyncio.gather(*map(self.backend, self._generators))

    async def backend(self, name: str) -> BackendView:
        """One backend there is, in the same way. Raises KeyError for another name."""
        generator = self._generators[name]
        capabilities, answers = None, True
        try:
            message = await generator.probe()
        except (GenerationError, Unavailable) as error:
            message, answers = str(error), False
        try:
            capabilities = await generator.capabilities()
        except ImagingError as error:
            message = message if not answers else str(error)
        gate, queue = await asyncio.gather(self.gate.state(name), self.jobs.state(name))
        return BackendView(
            name=name, capabilities=capabilities, answers=answers, message=message, gate=gate, queue=queue
        )

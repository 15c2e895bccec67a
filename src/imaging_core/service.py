"""What every door calls: submit, look, watch, fetch, cancel, retry, delete; imports stdlib and this package."""

from collections.abc import Sequence
from functools import partial

from imaging_core.batches import Terms, accepted_before, check_share, fingerprint_all, fit_all
from imaging_core.cancelling import Cancelled, cancel_many
from imaging_core.choosing import all_chosen, asked_anew, chosen
from imaging_core.errors import ImagingError, JobConflict, JobDeleted, StaleJob
from imaging_core.events import EventKind, event_of
from imaging_core.images import ImageRequest
from imaging_core.inputs import add_with, with_inputs
from imaging_core.jobs import Job, JobStatus
from imaging_core.looking import Looking
from imaging_core.moves import Move
from imaging_core.offering import Offering
from imaging_core.ports import JobQuery, QueueLimits
from imaging_core.routing import AUTO, Route
from imaging_core.submitting import check_webhook, with_seed
from imaging_core.views import BackendView, JobView
from imaging_core.webhooks import Webhook

__all__ = ["BackendView", "ImagingService", "JobView"]


class ImagingService(Looking, Offering):
    """The use cases. Holds no state of its own but the rings under way; `close` waits for those.

    Looking at jobs is in `looking`, backends are in `offering`; what makes and changes jobs is here.
    """

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
        """Check a request and queue a job for it; durable when this returns. For backend "auto" the service chooses.

        Under a known idempotency key it gives the job that the key stands for, whatever speaks against a new one now.
        `limits` are those of this caller; None for the service's own. `keep_days` after its end the job is deleted with its
        pictures; None leaves that to the service's setting. `init_image` and `mask` are PNG, JPEG or WebP files that the
        caller vouches for; a request may name those of an earlier job instead. `webhook` is told of the job's end.
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
        promise = terms.promise(lambda: terms.fingerprint(request, backend))
        try:
            route = await chosen(self, request, backend, owner=owner)
            backend = route.backend if route else backend
            fitted = with_seed(await self.fitted(request, backend))
            await self._check_admission(terms)
        except ImagingError as error:
            return (await accepted_before(self.jobs, promise, error))[0]
        job = terms.job(fitted, backend, now=await self.jobs.now(), limits=self._limits, route=route, asked=request)
        events = [event_of(job, EventKind.QUEUED, at=job.created_at)]
        share = terms.share(limits or self.queue_limits)
        add = partial(self._adding.add, events=events, idempotency=promise, limits=share)
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
        promise = terms.promise(lambda: fingerprint_all(items, terms))
        share = terms.share(limits or self.queue_limits)
        try:
            routes = await all_chosen(self, items, owner=owner)
            items = [
                (request, route.backend if route else backend)
                for (request, backend), route in zip(items, routes, strict=True)
            ]
            requests = await fit_all(items, self.capabilities)
            check_share(items, share if self.allowances is None else await self.allowances.share(owner, share))
            await self._check_admission(terms)
        except ImagingError as error:
            return await accepted_before(self.jobs, promise, error)
        now = await self.jobs.now()
        jobs = [
            terms.job(request, backend, now=now, limits=self._limits, route=route, asked=asked)
            for request, (asked, backend), route in zip(requests, items, routes, strict=True)
        ]
        events = [event_of(job, EventKind.QUEUED, at=now) for job in jobs]
        stored = await self._adding.add_all(jobs, events=events, idempotency=promise, limits=share)
        self._ring_for(jobs, stored)
        return stored

    async def _check_admission(self, terms: Terms) -> None:
        await check_webhook(self.webhooks, terms.webhook)
        if self._admit is not None:
            await self._admit()

    def _ring_for(self, jobs: Sequence[Job], stored: Sequence[Job]) -> None:
        # Jobs that a known key gave were rung for when they were new.
        for job, kept in zip(jobs, stored, strict=False):
            if job.id == kept.id:
                self._rings.ring(kept)

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

    async def move(self, job: Job, route: Route) -> Job:
        """Let a job go on at another backend, since it cannot where it is; within every limit of a submit.

        Raises JobConflict for one that may not be moved, InvalidRequest, QueueFull and CreditLimitReached for one that the
        other backend may not have, StaleJob, Unavailable.
        """
        request = with_seed(await self.fitted(asked_anew(job), route.backend))
        move = Move(
            left=job.backend,
            backend=route.backend,
            reason=f"Moved from {job.backend!r} to {route.backend!r}. {route.because}",
            at=await self.jobs.now(),
            credits=route.credits,
        )
        moved = job.moved(move, request)
        event = event_of(moved, EventKind.MOVED, at=move.at, left=move.left)
        share = Terms(owner=job.owner).share(self.queue_limits)
        stored = await self._adding.move(moved, events=[event], limits=share)
        self._rings.ring(stored)
        return stored

    async def cancel_all(self, query: JobQuery) -> Cancelled:
        """Cancel every open job of a query, each as `cancel` does; up to a thousand, then `more` says so."""
        return await cancel_many(self.list, partial(self.cancel, owner=query.owner), query)

    async def mark(self, job_id: str, *, favourite: bool, owner: str | None = None) -> Job:
        """Mark a job as a favourite, or take the mark away. Raises JobNotFound, JobDeleted."""
        await self.get(job_id, owner=owner)
        return await self.jobs.mark(job_id, favourite=favourite)

    async def retry(self, job_id: str, *, owner: str | None = None, idempotency_key: str | None = None) -> Job:
        """A new job for a failed or cancelled one's request, with the same seed, pointing to the old one.

        Where that was left to the service's choice, it is chosen anew.

        Raises JobNotFound, JobDeleted, JobConflict, and what `submit` raises.
        """
        job = await self.get(job_id, owner=owner)
        if job.status not in (JobStatus.FAILED, JobStatus.CANCELLED):
            raise JobConflict(f"Only a failed or cancelled job can be retried; this one is {job.status}.")
        return await self.submit(
            asked_anew(job),
            backend=job.backend if job.asked is None else AUTO,
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

"""What a submit needs besides the repository: a seed, a digest, a ring; imports stdlib, attrs and this package."""

import asyncio
import hashlib
import json
import logging
import secrets

import attrs

from imaging_core.errors import FieldProblem, InvalidRequest, Unavailable
from imaging_core.faults import log_fault
from imaging_core.images import MAX_SEED, ImageRequest
from imaging_core.jobs import Job
from imaging_core.ports import JobQueue
from imaging_core.records import request_to_record
from imaging_core.webhook_desk import WebhookDesk
from imaging_core.webhooks import Webhook

log = logging.getLogger("imaging.service")


class Rings:
    """The rings under way: the answer to a submit depends on the repository alone, so nobody waits for its ring."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._under_way: set[asyncio.Task[None]] = set()

    def ring(self, job: Job) -> None:
        """Ring for a stored job. A lost ring costs the sweep's delay, never the job."""
        self.wake(job.backend, job.id)

    def wake(self, backend: str, job_id: str = "") -> None:
        """Ring for a backend whose work may be done again."""
        task = asyncio.create_task(self._ring(backend, job_id))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Wait for the rings under way."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _ring(self, backend: str, job_id: str) -> None:
        try:
            await self._queue.ring(backend, job_id)
        except Unavailable as error:
            facts = {"job_id": job_id, "backend": backend}
            log.warning("A ring was lost; the sweep will find the job: %s", error, extra=facts)
        except Exception as error:  # noqa: BLE001  # nobody awaits a ring, and nothing but speed depends on it
            log_fault(log, "A bell failed.", error, {"job_id": job_id, "backend": backend})


def with_seed(request: ImageRequest) -> ImageRequest:
    """The request with a seed drawn if it has none, so that a second call asks for the same picture."""
    highest = MAX_SEED - request.count + 1
    if request.seed is None:
        # 0 means "random" to Stability, so it is never drawn.
        return attrs.evolve(request, seed=1 + secrets.randbelow(highest))
    if request.seed > highest:
        message = f"must be at most {highest} for {request.count} pictures, since each takes the next seed."
        raise InvalidRequest([FieldProblem(field="seed", message=message)])
    return request


async def check_webhook(desk: WebhookDesk | None, webhook: Webhook | None) -> None:
    """Raises InvalidRequest when messages may not go there, or nowhere at all."""
    if webhook is None:
        return
    if desk is None:
        raise InvalidRequest([FieldProblem(field="webhook", message="This service tells no webhooks.")])
    await desk.check(webhook)


def fingerprint(
    request: ImageRequest,
    backend: str,
    max_wait_s: float | None,
    keep_days: float | None,
    webhook: Webhook | None = None,
) -> str:
    """A digest that tells one submit from another under the same idempotency key."""
    record: dict[str, object] = {"backend": backend, "max_wait_s": max_wait_s, **request_to_record(request)}
    if keep_days is not None:
        record["keep_days"] = keep_days
    if webhook is not None:
        record["webhook"] = attrs.asdict(webhook)
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()

"""Jobs as the dictionaries that answers hold; imports attrs, the words for priorities and the core's values.

Built by hand rather than through models: a status is asked for thousands of times a second. A test compares them with the
models in job_shapes.py, which are what OpenAPI shows.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from entrypoints.api.moments import time_text
from entrypoints.api.priorities import word_of
from imaging_core.errors import ADVICE
from imaging_core.images import ImageRef, ImageRequest, InputImage
from imaging_core.jobs import Call, Job, JobFailure, JobStatus, LeaseReason
from imaging_core.moves import Move
from imaging_core.ports import Pause
from imaging_core.service import JobView
from imaging_core.webhooks import Webhook

Answer = dict[str, Any]

_PARKED: Mapping[LeaseReason, str] = {
    LeaseReason.RETRY: "An attempt failed; another one begins by itself after this time.",
    LeaseReason.THROTTLED: "The backend turns calls away for now; the job goes on by itself after this time.",
    LeaseReason.STRANDED: "Its backend cannot make it, and nothing was charged; another one is looked for.",
    LeaseReason.MOVED: "Its backend could not make it; the one it was moved to begins as soon as it is free.",
    LeaseReason.DRAIN: "Its worker was stopped; the next free one goes on with it.",
}


def accepted(job: Job) -> Answer:
    """What a submit answers."""
    return {"image_id": job.id, "status": job.status.value, "backend": job.backend}


def status(view: JobView) -> Answer:
    """What /status answers."""
    job, progress = view.job, view.progress
    running = job.status is JobStatus.STARTED
    preview = running and progress is not None and progress.preview is not None
    return {
        "image_id": job.id,
        "status": job.status.value,
        "backend": job.backend,
        "attempt": job.attempt,
        "queue_position": view.position,
        "progress": _fraction(view),
        "step": progress.step if progress else None,
        "steps": progress.steps if progress else None,
        "images_done": len(job.images) if job.status.terminal else progress.images_done if progress else 0,
        "eta_s": None if view.eta_s is None else round(view.eta_s, 1),
        "preview_url": f"/image/{job.id}/preview" if preview else None,
        "paused": _paused(view.paused),
        **_outcome(job),
    }


def entry(job: Job, *, place: int | None = None) -> Answer:
    """What /jobs shows of each job; `place` is its place in the queue, if that was asked for."""
    return {
        "queue_position": place,
        "owner": job.owner,
        "image_id": job.id,
        "status": job.status.value,
        "backend": job.backend,
        "attempt": job.attempt,
        **_outcome(job),
        "request": request(job.request),
    }


def detail(view: JobView) -> Answer:
    """What /jobs/{id} answers: everything but the lease's token and its worker's name."""
    job = view.job
    return {
        **status(view),
        "owner": job.owner,
        "request": request(job.request),
        "calls": [_call(call) for call in job.calls],
        "crashes": job.crashes,
        "priority": word_of(job.priority),
        "run_timeout_s": job.run_timeout_s,
        "max_wait_s": job.max_wait_s,
        "webhook": _webhook(job.webhook),
    }


def _webhook(webhook: Webhook | None) -> Answer | None:
    """Whom it tells; the rest of the URL may be a secret, and is not shown."""
    return None if webhook is None else {"origin": webhook.origin, "events": [event.value for event in webhook.events]}


def _fraction(view: JobView) -> float | None:
    match view.job.status:
        case JobStatus.FINISHED:
            return 1.0
        case JobStatus.FAILED | JobStatus.CANCELLED:
            return None
        case _:
            return round(view.progress.fraction, 4) if view.progress else 0.0


def _outcome(job: Job) -> Answer:
    """What is known of a job from its record alone."""
    failed = job.failure
    before = job.failures[:-1] if failed else job.failures
    return {
        "created_at": time_text(job.created_at),
        "started_at": time_text(job.started_at),
        "finished_at": time_text(job.finished_at),
        "seed": job.request.seed,
        "cost_credits": job.credits,
        "count": job.request.count,
        "image_count": len(job.images),
        "images": [_image(job.id, ref) for ref in job.images],
        "cancel_requested": job.cancel_requested,
        "retry_of": job.retry_of,
        "route": job.why_there,
        "moves": [_move(move) for move in job.moves],
        "keep_days": job.keep_days,
        "favourite": job.favourite,
        "parked": _parked(job),
        "failure": failure(failed) if failed else None,
        "previous_failures": [failure(f) for f in before],
    }


def failure(failure: JobFailure) -> Answer:
    """Why a job failed, and what a person can do about it."""
    return {
        "code": failure.code.value,
        "reason": failure.message,
        "advice": ADVICE[failure.code],
        "charged": failure.charged.value,
        "retryable": failure.retryable,
        "attempt": failure.attempt,
        "at": time_text(failure.at),
    }


def _image(job_id: str, ref: ImageRef) -> Answer:
    return {
        "index": ref.index,
        "url": f"/image/{job_id}?index={ref.index}",
        "media_type": ref.media_type,
        "size": ref.size,
        "width": ref.width,
        "height": ref.height,
        "seed": ref.seed,
        "sha256": ref.sha256,
    }


def _parked(job: Job) -> Answer | None:
    lease = job.lease
    if lease is None or not job.parked or job.status.terminal:
        return None
    return {"reason": lease.reason.value, "until": time_text(lease.until), "message": _PARKED[lease.reason]}


def _paused(pause: Pause | None) -> Answer | None:
    if pause is None:
        return None
    told = f" {pause.reason}" if pause.reason else ""
    message = f"An operator has paused this backend; the job goes on once it is resumed.{told}"
    return {"since": time_text(pause.since), "reason": pause.reason, "message": message}


def _call(call: Call) -> Answer:
    return {
        "index": call.index,
        "state": call.state.value,
        "attempt": call.attempt,
        "task_id": call.task_id,
        "cost_credits": call.credits,
    }


def _move(move: Move) -> Answer:
    return {"left": move.left, "backend": move.backend, "reason": move.reason, "at": time_text(move.at)}


def _input(picture: InputImage | None) -> Answer | None:
    # Everything but the key, which is the store's own.
    return None if picture is None else attrs.asdict(picture, filter=attrs.filters.exclude("key"))


def request(request: ImageRequest) -> Answer:
    """What was asked for, in canonical names."""
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "checkpoint": request.checkpoint,
        "sampler": request.sampler,
        "scheduler": request.scheduler,
        "steps": request.steps,
        "cfg_scale": request.cfg_scale,
        "width": request.width,
        "height": request.height,
        "seed": request.seed,
        "count": request.count,
        "batch_size": request.batch_size,
        "operation": request.operation.value,
        "init_image": _input(request.init_image),
        "mask": _input(request.mask),
        "strength": request.strength,
        "options": dict(request.options),
    }

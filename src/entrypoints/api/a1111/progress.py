"""How far the caller's job has come, and stopping it: progress, interrupt, skip and /internal/progress.

Imports Starlette, the core's values and this package.
"""

import zlib
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.a1111.answers import base64_of
from entrypoints.api.a1111.calls import Calls
from entrypoints.api.a1111.fields import TaskProgress, read_fields
from entrypoints.api.bodies import parsed, read_body
from entrypoints.api.config import ApiConfig
from entrypoints.api.encoding import json_answer
from imaging_core.errors import FieldProblem, InvalidRequest, JobConflict, JobDeleted, JobNotFound
from imaging_core.events import Preview
from imaging_core.images import Operation, plan_calls
from imaging_core.jobs import JobStatus
from imaging_core.service import ImagingService, JobView

#: A running job is never at 0, which means idle, nor at 1.
_LEAST, _MOST = 0.01, 0.99
_YES, _NO = frozenset({"1", "true", "t", "yes", "y", "on"}), frozenset({"", "0", "false", "f", "no", "n", "off"})
_JOBS = {
    Operation.GENERATE: "scripts_txt2img",
    Operation.EDIT: "scripts_img2img",
    Operation.UPSCALE: "extras",
}


class Progress:
    """The caller's own job, not everybody's as in the WebUI."""

    def __init__(self, service: ImagingService, calls: Calls, config: ApiConfig) -> None:
        self._service = service
        self._calls = calls
        self._config = config

    async def progress(self, request: Request) -> Response:
        """The job that runs, or else the next one; of the task that `force_task_id` names, if it names one."""
        skip = _flag(request.query_params.get("skip_current_image", ""))
        task = request.query_params.get("force_task_id")
        view = await (self._calls.task(request, task) if task else self._calls.current(request))
        if view is None or view.job.status.terminal:
            return json_answer(_answer(0.0, 0.0, _state()))
        preview = None if skip or view.progress is None else view.progress.preview
        return json_answer(
            {
                **_answer(_fraction(view), view.eta_s or 0.0, _running(view)),
                "current_image": base64_of(preview.data) if preview is not None else None,
                "textinfo": _where(view),
            }
        )

    async def interrupt(self, request: Request) -> Response:
        """Stop the caller's job that runs; those that wait then run."""
        await self._stop(request)
        return json_answer({})

    async def skip(self, request: Request) -> Response:
        """The same: no job is half kept here."""
        await self._stop(request)
        return json_answer(None)

    async def task_progress(self, request: Request) -> Response:
        """The caller's task of that name, whether it waits, runs or has ended."""
        body = await read_body(request, limit=self._config.max_json_bytes, deadline_s=self._config.body_deadline_s)
        asked = read_fields(parsed(body), TaskProgress)
        if asked.id_task is None:
            raise InvalidRequest([FieldProblem(field="id_task", message="is required.")])
        view = await self._calls.task(request, asked.id_task)
        if view is None:
            return json_answer(_task(asked, textinfo="Waiting..."))
        status = view.job.status
        if status is JobStatus.STARTED:
            preview = view.progress.preview if view.progress is not None and asked.live_preview else None
            eta_s = view.eta_s
            return json_answer(_task(asked, active=True, progress=_fraction(view), eta=eta_s, preview=preview))
        if status is JobStatus.QUEUED:
            return json_answer(_task(asked, queued=True, textinfo=_where(view)))
        return json_answer(_task(asked, completed=True))

    async def pending_tasks(self, request: Request) -> Response:
        """How many calls of the caller wait; their names are their own."""
        return json_answer({"size": self._calls.waiting(request), "tasks": []})

    async def _stop(self, request: Request) -> None:
        view = await self._calls.to_interrupt(request)
        if view is None:
            return
        try:
            await self._service.cancel(view.job.id, owner=view.job.owner)
        except (JobConflict, JobNotFound, JobDeleted):
            # It has ended meanwhile, which is what was wanted.
            return


def _answer(progress: float, eta_s: float, state: dict[str, object]) -> dict[str, object]:
    return {
        "progress": progress,
        "eta_relative": round(eta_s, 3),
        "state": state,
        "current_image": None,
        "textinfo": None,
    }


def _state(**known: object) -> dict[str, object]:
    idle = {
        "skipped": False,
        "interrupted": False,
        "stopping_generation": False,
        "job": "",
        "job_count": 0,
        "job_timestamp": "0",
        "job_no": 0,
        "sampling_step": 0,
        "sampling_steps": 0,
    }
    return {**idle, **known}


def _running(view: JobView) -> dict[str, object]:
    job, progress = view.job, view.progress
    calls = plan_calls(job.request)
    done = progress.images_done if progress is not None else 0
    number = sum(call.first_image + call.images <= done for call in calls)
    return _state(
        interrupted=job.cancel_requested,
        job=_JOBS[job.request.operation],
        job_count=len(calls),
        job_timestamp=(job.started_at or job.created_at).strftime("%Y%m%d%H%M%S"),
        job_no=min(number, len(calls) - 1),
        sampling_step=(progress.step if progress is not None else None) or 0,
        sampling_steps=(progress.steps if progress is not None else None) or job.request.steps or 0,
    )


def _fraction(view: JobView) -> float:
    if view.job.status is not JobStatus.STARTED:
        return 0.0
    fraction = view.progress.fraction if view.progress is not None else 0.0
    return round(min(max(_LEAST, fraction), _MOST), 4)


def _where(view: JobView) -> str | None:
    return None if view.position is None else f"In queue: {view.position}"


def _task(asked: TaskProgress, *, preview: Preview | None = None, **known: object) -> dict[str, Any]:
    told: dict[str, Any] = {
        "active": False,
        "queued": False,
        "completed": False,
        "progress": None,
        "eta": None,
        "live_preview": None,
        "id_live_preview": asked.id_live_preview,
        "textinfo": None,
        **known,
    }
    if preview is not None:
        # The same number for the same picture, so that a client is sent each one once.
        number = zlib.crc32(preview.data)
        if number != asked.id_live_preview:
            told["live_preview"] = f"data:{preview.media_type};base64,{base64_of(preview.data)}"
            told["id_live_preview"] = number
    return told


def _flag(text: str) -> bool:
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise InvalidRequest([FieldProblem(field="skip_current_image", message="must be true or false.")])

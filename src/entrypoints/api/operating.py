"""What operators see of the queue and do to it; imports FastAPI, the service and this package."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.backend_answers import minute, standing, worker
from entrypoints.api.backend_shapes import BackendStanding, History, PauseRequest, Workers
from entrypoints.api.bodies import read_json, read_json_or_none
from entrypoints.api.callers import Scope, caller_of
from entrypoints.api.config import ApiConfig
from entrypoints.api.encoding import json_answer
from entrypoints.api.job_shapes import CancelledJobs, CancelRequest
from entrypoints.api.modelled import model_of
from entrypoints.api.openapi import BODY_PROBLEMS, Spec, body, problems, query
from entrypoints.api.problems import Problem
from entrypoints.api.query_numbers import whole_number
from imaging_core.jobs import JobStatus
from imaging_core.observing import KEPT_MINUTES
from imaging_core.ports import JobQuery
from imaging_core.service import ImagingService

_NOWHERE: dict[int | str, Spec] = {404: {**problems(404)[404], "description": "There is no such backend."}}


class OperatingDoor:
    """Workers, history, pauses, and cancelling many jobs. The gatekeeper lets only admins at workers, pauses and resumes."""

    def __init__(self, service: ImagingService, config: ApiConfig) -> None:
        self._service = service
        self._config = config

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints."""
        self._add_changes(app)
        self._add_looks(app)

    def _add_changes(self, app: FastAPI) -> None:
        app.router.add_api_route(
            "/backends/{name}/pause",
            self.pause,
            methods=["POST"],
            summary="Begin none of a backend's jobs until it is resumed",
            responses={200: {"model": BackendStanding}, **problems(*BODY_PROBLEMS, 503), **_NOWHERE},
            openapi_extra=body(PauseRequest, required=False),
            tags=["backends"],
        )
        app.router.add_api_route(
            "/backends/{name}/resume",
            self.resume,
            methods=["POST"],
            summary="Begin its jobs again",
            responses={200: {"model": BackendStanding}, **_NOWHERE, **problems(503)},
            tags=["backends"],
        )
        app.router.add_api_route(
            "/jobs/cancel",
            self.cancel_all,
            methods=["POST"],
            summary="Cancel all of one's open jobs",
            responses={200: {"model": CancelledJobs}, **problems(*BODY_PROBLEMS, 403, 503)},
            openapi_extra=body(CancelRequest),
            tags=["jobs"],
        )

    def _add_looks(self, app: FastAPI) -> None:
        minutes = {"type": "integer", "minimum": 1, "maximum": KEPT_MINUTES, "default": 60}
        app.router.add_api_route(
            "/backends/{name}/history",
            self.history,
            summary="How busy a backend was, minute by minute",
            responses={200: {"model": History}, **_NOWHERE, **problems(422, 503)},
            openapi_extra=query("minutes", "How many, that of now included.", **minutes),
            tags=["backends"],
        )
        app.router.add_api_route(
            "/workers",
            self.workers,
            summary="Every worker that is alive",
            responses={200: {"model": Workers}, **problems(503)},
            tags=["backends"],
        )

    async def history(self, request: Request, name: str) -> Response:
        """The most that waited and was under way, and the longest wait, of each minute; noughts where there was nothing."""
        asked = whole_number(request.query_params, "minutes", 60, low=1, high=KEPT_MINUTES)
        self._must_be_there(name)
        minutes = await self._service.history(name, minutes=asked)
        return json_answer({"name": name, "minutes": [minute(one) for one in minutes]})

    async def workers(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """What each says of itself every 5 s; one that falls silent is listed for 16 s. Needs an admin."""
        return json_answer({"workers": [worker(one) for one in await self._service.workers()]})

    async def pause(self, request: Request, name: str) -> Response:
        """Jobs under way go on, new ones are taken and wait. Holds for all workers and through restarts; needs an admin."""
        asked = model_of(PauseRequest, await read_json_or_none(request, self._config))
        by = caller_of(request).key_id
        self._must_be_there(name)
        queue = await self._service.pause(name, reason=asked.reason.strip(), by=by)
        await self._config.access.note("backend.paused", name, by=by)
        return json_answer(standing(name, queue))

    async def resume(self, request: Request, name: str) -> Response:
        """What waits is begun within seconds. One that is not paused stays as it is; needs an admin."""
        by = caller_of(request).key_id
        self._must_be_there(name)
        queue = await self._service.resume(name)
        await self._config.access.note("backend.resumed", name, by=by)
        return json_answer(standing(name, queue))

    async def cancel_all(self, request: Request) -> Response:
        """How many are cancelled, and how many their workers were asked to stop; up to 1000, then `more` is true."""
        asked = model_of(CancelRequest, await read_json(request, self._config))
        caller = caller_of(request)
        if asked.everybody and not caller.may(Scope.ADMIN):
            detail = "everybody: only a key with the scope 'admin' may cancel other people's jobs."
            raise Problem("forbidden", 403, detail, extra={"scope": Scope.ADMIN.value})
        query = JobQuery(
            backend=asked.backend,
            owner=None if asked.everybody else caller.owner,
            statuses=None if asked.status is None else frozenset({JobStatus(asked.status)}),
        )
        done = await self._service.cancel_all(query)
        whose = "everybody" if query.owner is None else query.owner
        await self._config.access.note("jobs.cancelled", f"{done.cancelled + done.asked} of {whose}", by=caller.key_id)
        return json_answer({"cancelled": done.cancelled, "asked": done.asked, "more": done.more})

    def _must_be_there(self, name: str) -> None:
        names = self._service.backend_names
        if name not in names:
            detail = f"There is no backend of that name here. There are: {', '.join(names) or 'none'}."
            raise Problem("unknown-backend", 404, detail)

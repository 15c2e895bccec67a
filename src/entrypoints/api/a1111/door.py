"""/sdapi/v1 and /internal: which call of A1111's goes where; imports FastAPI, the service and this package."""

from collections.abc import Awaitable, Callable
from functools import partial

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.a1111.calls import Calls
from entrypoints.api.a1111.choices import Choices
from entrypoints.api.a1111.generation import Generations
from entrypoints.api.a1111.lists import FIXED, Lists
from entrypoints.api.a1111.models import Models
from entrypoints.api.a1111.options import Options
from entrypoints.api.a1111.progress import Progress
from entrypoints.api.a1111.reading import Reading
from entrypoints.api.a1111.refusals import told
from entrypoints.api.blocking import Blocking
from entrypoints.api.config import ApiConfig
from entrypoints.api.edge import HEAD
from entrypoints.api.encoding import json_answer
from entrypoints.api.uploads import Uploads
from imaging_core.service import ImagingService

_API, _INTERNAL = "/sdapi/v1/", "/internal/"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

#: Answers one request.
Endpoint = Callable[[Request], Awaitable[Response]]

#: Calls that have nothing to do here: lists are always fresh, and models are the backends' own affair.
_IDLE: dict[str, object] = {
    **dict.fromkeys(("refresh-checkpoints", "refresh-vae", "refresh-loras", "refresh-embeddings")),
    "unload-checkpoint": {},
    "reload-checkpoint": {},
}


class A1111Door:
    """Takes the calls of A1111's clients, and answers them as WebUI 1.10.1 does."""

    def __init__(self, service: ImagingService, config: ApiConfig, *, blocking: Blocking, uploads: Uploads) -> None:
        models = Models(service, local=config.local_backend, default=config.images_backend)
        choices, calls = Choices(), Calls(service)
        lists, options = Lists(models), Options(models, choices, config)
        progress, reading = Progress(service, calls, config), Reading(uploads)
        made = Generations(
            service,
            models=models,
            choices=choices,
            calls=calls,
            blocking=blocking,
            uploads=uploads,
            version=f"imaging {config.version}",
        )
        #: Path -> method -> endpoint.
        self._endpoints: dict[str, dict[str, Endpoint]] = {}
        api = partial(self._take, _API)
        for name, answer in FIXED.items():
            api(name, get=_always(answer))
        for name, answer in _IDLE.items():
            api(name, post=_always(answer))
        api("options", get=options.get, post=options.post)
        api("sd-models", get=lists.sd_models)
        api("samplers", get=lists.samplers)
        api("schedulers", get=lists.schedulers)
        api("upscalers", get=lists.upscalers)
        api("latent-upscale-modes", get=lists.latent_upscale_modes)
        api("sd-vae", get=lists.sd_vae)
        api("prompt-styles", get=lists.prompt_styles)
        api("txt2img", post=made.txt2img)
        api("img2img", post=made.img2img)
        api("extra-single-image", post=made.extra_single_image)
        api("png-info", post=reading.png_info)
        api("progress", get=progress.progress)
        api("interrupt", post=progress.interrupt)
        api("skip", post=progress.skip)
        self._take(_INTERNAL, "progress", post=progress.task_progress)
        self._take(_INTERNAL, "pending-tasks", get=progress.pending_tasks)
        self._take(_INTERNAL, "ping", get=_always({}))

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints. OpenAPI has none of them: what their clients know is the WebUI's own description."""
        for path, endpoint in ((f"{_API}{{name:path}}", self.sdapi), (f"{_INTERNAL}{{name:path}}", self.internal)):
            app.router.add_api_route(path, endpoint, methods=_METHODS, include_in_schema=False)

    async def sdapi(self, request: Request, name: str) -> Response:
        """Whatever is asked for below /sdapi/v1."""
        return await self._answer(request, _API + name)

    async def internal(self, request: Request, name: str) -> Response:
        """Whatever is asked for below /internal, where the WebUI's own page asks."""
        return await self._answer(request, _INTERNAL + name)

    def _take(self, below: str, name: str, *, get: Endpoint | None = None, post: Endpoint | None = None) -> None:
        methods = {"GET": get, "POST": post}
        self._endpoints[below + name] = {method: endpoint for method, endpoint in methods.items() if endpoint}

    async def _answer(self, request: Request, path: str) -> Response:
        methods = self._endpoints.get(path)
        if methods is None:
            return json_answer({"detail": "Not Found"}, 404)
        allowed = {"allow": ", ".join(sorted({*methods, "HEAD", "OPTIONS"}))}
        if request.method == "OPTIONS" or (HEAD in request.scope and "GET" not in methods):
            return Response(status_code=200, headers=allowed)
        endpoint = methods.get(request.method)
        if endpoint is None:
            return json_answer({"detail": "Method Not Allowed"}, 405, allowed)
        return await told(partial(endpoint, request))


def _always(answer: object) -> Endpoint:
    async def endpoint(request: Request) -> Response:  # noqa: ARG001  # every endpoint takes it
        return json_answer(answer)

    return endpoint

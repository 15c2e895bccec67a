"""What can be asked of whom: the backends and the WebUI's lists; imports FastAPI, the service and this package."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api import backend_answers
from entrypoints.api.backend_shapes import Backends, Models, Samplers, Schedulers
from entrypoints.api.config import ApiConfig
from entrypoints.api.encoding import json_answer
from entrypoints.api.openapi import problems
from imaging_core.errors import BackendNotConfigured, UnknownBackend
from imaging_core.service import ImagingService


class BackendsDoor:
    """Tells what the backends can do."""

    def __init__(self, service: ImagingService, config: ApiConfig) -> None:
        self._service = service
        self._config = config

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints."""
        for path, endpoint, model, summary in (
            ("/local/models", self.models, Models, "Checkpoints of the WebUI"),
            ("/local/sampler_names", self.samplers, Samplers, "Samplers of the WebUI"),
            ("/local/schedulers", self.schedulers, Schedulers, "Schedulers of the WebUI"),
        ):
            app.router.add_api_route(
                path,
                endpoint,
                summary=summary,
                tags=["backends"],
                responses={200: {"model": model}, **problems(503)},
            )
        app.router.add_api_route(
            "/backends",
            self.backends,
            summary="Every backend: settings, limits, health, load",
            tags=["backends"],
            responses={200: {"model": Backends}, **problems(503)},
        )

    async def models(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """Values for model of POST /local/images; 503 while the WebUI cannot be asked."""
        return json_answer({"models": await self._choices("checkpoint")})

    async def samplers(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """Values for sampler_name of POST /local/images; 503 while the WebUI cannot be asked."""
        return json_answer({"samplers": await self._choices("sampler")})

    async def schedulers(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """Values for scheduler of POST /local/images; 503 while the WebUI cannot be asked."""
        return json_answer({"schedulers": await self._choices("scheduler")})

    async def _choices(self, name: str) -> list[str]:
        local = self._config.local_backend
        try:
            capabilities = await self._service.capabilities(local)
        except UnknownBackend as error:
            raise BackendNotConfigured(
                local, f"This service has no backend {local!r}. It has: {', '.join(error.known)}."
            ) from None
        return [
            choice for parameter in capabilities.parameters if parameter.name == name for choice in parameter.choices
        ]

    async def backends(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """Those that are set up with their settings, enough to draw a form; the others with the setting they miss."""
        views = await self._service.backends()
        there = [backend_answers.backend(view) for view in views]
        missing = [backend_answers.unconfigured(name, text) for name, text in self._service.unconfigured.items()]
        return json_answer({"default": self._config.images_backend, "backends": [*there, *missing]})

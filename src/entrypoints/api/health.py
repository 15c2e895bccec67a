"""Whether the process answers, and whether everything it stands on does; imports FastAPI and this package."""

import asyncio
import logging

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.backend_shapes import Alive, Readiness
from entrypoints.api.callers import caller_of
from entrypoints.api.config import ApiConfig, Check
from entrypoints.api.encoding import json_answer
from entrypoints.api.openapi import problems
from entrypoints.api.problems import Problem
from imaging_core.errors import ImagingError

log = logging.getLogger("imaging.api")


class HealthDoor:
    """Tells the truth about this process."""

    def __init__(self, config: ApiConfig) -> None:
        self._config = config

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints."""
        app.router.add_api_route(
            "/livez", self.livez, summary="The process answers", responses={200: {"model": Alive}}, tags=["health"]
        )
        app.router.add_api_route(
            "/readyz",
            self.readyz,
            summary="Every part it stands on answers",
            responses={200: {"model": Readiness}, **problems(503)},
            tags=["health"],
        )

    async def livez(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """Asks nobody: restart the process when this does not answer."""
        return json_answer({"status": "alive"})

    async def readyz(self, request: Request) -> Response:
        """Asks every part; 503 with the same checks while one of them does not answer."""
        names = list(self._config.readiness)
        found = await asyncio.gather(*(self._ask(name, self._config.readiness[name]) for name in names))
        if not caller_of(request).scopes:
            # A stranger learns what does not answer, not where it is and why.
            found = [None if why is None else "It does not answer. `imaging doctor` says more." for why in found]
        checks = {name: {"ok": why is None, "message": why} for name, why in zip(names, found, strict=True)}
        failed = [name for name, why in zip(names, found, strict=True) if why is not None]
        if not failed:
            return json_answer({"ready": True, "checks": checks})
        detail = f"These parts do not answer: {', '.join(failed)}."
        headers = {"retry-after": str(self._config.retry_after_s)}
        raise Problem("not-ready", 503, detail, headers=headers, extra={"ready": False, "checks": checks})

    async def _ask(self, name: str, check: Check) -> str | None:
        """None, or a sentence that says what is wrong."""
        try:
            async with asyncio.timeout(self._config.readiness_timeout_s):
                await check()
        except ImagingError as error:
            return str(error)
        except TimeoutError:
            return f"No answer within {self._config.readiness_timeout_s:g} s."
        except Exception:
            # Only the core's errors are known to hold no secret.
            log.exception("A readiness check failed in an unforeseen way.", extra={"check": name})
            return "The check failed. The service's log says more."
        return None

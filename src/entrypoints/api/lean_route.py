"""The app's route class: calls an endpoint with its path parameters and nothing else; imports FastAPI.

FastAPI's own call path costs about 70 us for a route with one path parameter (two exit stacks, a dependency solver), which is
more than everything else a status answer does. It also answers a body that holds NaN or a lone surrogate with a 500, since
its own error quotes them: endpoints read bodies themselves, strictly.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class LeanRoute(APIRoute):
    """For endpoints that take the request and, by name, path parameters as text; the rest they read themselves."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What is called for each request. Raises TypeError for an endpoint that wants more."""
        endpoint: Callable[..., Awaitable[Response]] = self.endpoint
        first, *others = inspect.signature(endpoint).parameters
        if first != "request" or set(others) != set(self.param_convertors):
            raise TypeError(f"{self.path}: a lean endpoint takes the request and the path's parameters, nothing else")

        async def handle(request: Request) -> Response:
            return await endpoint(request, **request.path_params)

        return handle

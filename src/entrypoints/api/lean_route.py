"""The app's route class: calls an endpoint with its path parameters and nothing else; imports FastAPI.

FastAPI's own call path costs about 70 us for a route with one path parameter (two exit stacks, a dependency solver), which is
more than everything else a status answer does. It also answers a body that holds NaN or a lone surrogate with a 500, since
its own error quotes them: endpoints read bodies themselves, strictly.

It also makes a validator of every model that an endpoint may answer with, at each start, though answers are not made of them.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.openapi import Spec, reference
from entrypoints.unseen import unseen


class LeanRoute(APIRoute):
    """For endpoints that take the request and, by name, path parameters as text; the rest they read themselves."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        responses: Mapping[int | str, Spec] | None = None,
        **others: Any,
    ) -> None:
        """As FastAPI's; the models in `responses` are only named, since `openapi.describe` has the shapes of all."""
        named = {status: _named(answer) for status, answer in (responses or {}).items()}
        # FastAPI asks whether a parameter's type is one of pydantic 1, and loads that for it.
        with unseen("pydantic.v1"):
            super().__init__(path, endpoint, responses=named, **others)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What is called for each request. Raises TypeError for an endpoint that wants more."""
        endpoint: Callable[..., Awaitable[Response]] = self.endpoint
        first, *others = inspect.signature(endpoint).parameters
        if first != "request" or set(others) != set(self.param_convertors):
            raise TypeError(f"{self.path}: a lean endpoint takes the request and the path's parameters, nothing else")

        async def handle(request: Request) -> Response:
            return await endpoint(request, **request.path_params)

        return handle


def _named(answer: Spec) -> Spec:
    if "model" not in answer:
        return answer
    content = {"application/json": {"schema": reference(answer["model"])}}
    others = {name: value for name, value in answer.items() if name != "model"}
    return {**others, "content": {**content, **others.get("content", {})}}

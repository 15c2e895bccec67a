"""Takes the GETs that are asked thousands of times a second straight to their endpoints; imports Starlette, FastAPI and this package.

The router, its exit stacks and its exception layers cost three times what such an endpoint does. Only what looks exactly like
`/status/{image_id}` is taken here, with an id as the service makes them; whatever else it is, the router sees it as always.
"""

from collections.abc import Mapping, Sequence

from starlette._utils import get_route_path
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from entrypoints.api.lean_route import LeanRoute
from entrypoints.api.problems import Problem, problem_of
from imaging_core.errors import ImagingError
from imaging_core.jobs import JOB_ID

_PATTERN = "{image_id}"


class Shortcut:
    """The innermost layer: callers are known and counted by now."""

    def __init__(self, app: ASGIApp, *, routes: Sequence[BaseRoute]) -> None:
        """`routes` are the app's own, all there when the first request comes."""
        self._app = app
        self._routes = _simple(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, here or further in."""
        route, image_id = None, ""
        if scope["type"] == "http" and scope["method"] == "GET":
            first, _, image_id = get_route_path(scope)[1:].partition("/")
            route = self._routes.get(first)
        if route is None or not JOB_ID.fullmatch(image_id):
            await self._app(scope, receive, send)
            return
        # What the router leaves there: the edge names the route in its figures and in its log.
        scope["route"], scope["path_params"] = route, {"image_id": image_id}
        try:
            response = await route.endpoint(Request(scope, receive, send), image_id=image_id)
        except Problem as problem:
            response = problem.response()
        except ImagingError as error:
            response = problem_of(error).response()
        await response(scope, receive, send)


def _simple(routes: Sequence[BaseRoute]) -> Mapping[str, LeanRoute]:
    """GET routes of one word and an id, by their word."""
    found: dict[str, LeanRoute] = {}
    for route in routes:
        if isinstance(route, LeanRoute) and route.methods and "GET" in route.methods:
            word, _, rest = route.path[1:].partition("/")
            if rest == _PATTERN:
                found.setdefault(word, route)
    return found

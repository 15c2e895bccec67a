"""Takes what is asked most straight to its endpoint; imports Starlette, FastAPI and this package.

The router, its exit stacks and its exception layers cost three times what a status does. Only what looks exactly like
`GET /status/{image_id}`, with an id as the service makes them, or like `POST /images`, is taken here; whatever else it is,
the router sees it as always, and so does all that is for admins.
"""

from collections.abc import Mapping, Sequence

from starlette._utils import get_route_path
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from entrypoints.api.lean_route import LeanRoute
from entrypoints.api.problems import Problem, problem_of
from imaging_core.errors import ImagingError
from imaging_core.ids import JOB_ID

_PARAMETER = "image_id"


class Shortcut:
    """The innermost layer: callers are known and counted by now."""

    def __init__(self, app: ASGIApp, *, routes: Sequence[BaseRoute]) -> None:
        """`routes` are the app's own, all there when the first request comes."""
        self._app = app
        self._words, self._of_one = _posts(routes), _gets(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, here or further in."""
        route, parameters = None, {}
        if scope["type"] == "http":
            # A server may hand on what does not begin with a slash ("*images"), and that is no path of ours.
            nothing, slash, asked = get_route_path(scope).partition("/")
            first, further, rest = asked.partition("/")
            if nothing or not slash:
                pass
            elif scope["method"] == "POST":
                route = None if further else self._words.get(first)
            elif scope["method"] == "GET" and JOB_ID.fullmatch(rest):
                route, parameters = self._of_one.get(first), {_PARAMETER: rest}
        if route is None:
            await self._app(scope, receive, send)
            return
        # What the router leaves there: the edge names the route in its figures and in its log.
        scope["route"], scope["path_params"] = route, parameters
        try:
            response = await route.endpoint(Request(scope, receive, send), **parameters)
        except Problem as problem:
            response = problem.response()
        except ImagingError as error:
            response = problem_of(error).response()
        await response(scope, receive, send)


def _posts(routes: Sequence[BaseRoute]) -> Mapping[str, LeanRoute]:
    """POST routes of one word, by it."""
    found: dict[str, LeanRoute] = {}
    for route in routes:
        if isinstance(route, LeanRoute) and route.methods == {"POST"} and "/" not in route.path[1:]:
            found.setdefault(route.path[1:], route)
    return found


def _gets(routes: Sequence[BaseRoute]) -> Mapping[str, LeanRoute]:
    """GET routes of one word and a job's id, by their word."""
    found: dict[str, LeanRoute] = {}
    for route in routes:
        if isinstance(route, LeanRoute) and route.methods == {"GET"}:
            word, _, rest = route.path[1:].partition("/")
            if rest == f"{{{_PARAMETER}}}":
                found.setdefault(word, route)
    return found

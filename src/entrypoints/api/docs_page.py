"""The API's description and its page, with nothing loaded from elsewhere; imports FastAPI and this package's files."""

from functools import cache
from importlib.resources import files

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.encoding import encode, etag_of, matches

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Image generation API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

# validatorUrl would send the whole description to a server on the internet.
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  presets: [SwaggerUIBundle.presets.apis],
});
"""

#: Swagger UI writes style attributes and draws its icons from data URLs; scripts come from here alone.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_JAVASCRIPT = "text/javascript; charset=utf-8"
_TYPES = {"swagger-ui.css": "text/css; charset=utf-8", "swagger-ui-bundle.js": _JAVASCRIPT, "start.js": _JAVASCRIPT}


@cache
def _asset(name: str) -> tuple[bytes, str]:
    """An asset's bytes and its ETag."""
    data = _START.encode() if name == "start.js" else (files("entrypoints.api") / "static" / name).read_bytes()
    return data, etag_of(data)


class DocsDoor:
    """Serves /openapi.json and /docs."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def add_to(self, app: FastAPI) -> None:
        """Register the pages, which are not part of the description."""
        app.router.add_route("/openapi.json", self.description, include_in_schema=False)
        app.router.add_route("/docs", self.page, include_in_schema=False)
        app.router.add_route("/docs/{name}", self.asset, include_in_schema=False)

    async def description(self, request: Request) -> Response:
        """The OpenAPI document."""
        body = encode(self._app.openapi())
        headers = {"etag": etag_of(body), "cache-control": "no-cache"}
        if matches(request.headers.get("if-none-match"), headers["etag"]):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    async def page(self, request: Request) -> Response:  # noqa: ARG002  # an endpoint takes it
        """Swagger UI."""
        headers = {"content-security-policy": _POLICY, "cache-control": "no-cache"}
        return Response(_PAGE, headers=headers, media_type="text/html")

    async def asset(self, request: Request) -> Response:
        """A file of the page."""
        name = request.path_params["name"]
        if name not in _TYPES:
            raise HTTPException(404)
        data, etag = _asset(name)
        headers = {"etag": etag, "cache-control": "public, max-age=3600"}
        if matches(request.headers.get("if-none-match"), etag):
            return Response(status_code=304, headers=headers)
        return Response(data, headers=headers, media_type=_TYPES[name])

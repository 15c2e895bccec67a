"""Puts the API together over a service that somebody else opened; imports FastAPI and this package."""

from fastapi import FastAPI
from starlette.middleware import Middleware

from entrypoints.api import a1111
from entrypoints.api.a1111 import A1111Door
from entrypoints.api.accepting import Accepting
from entrypoints.api.backends import BackendsDoor
from entrypoints.api.batch import BatchDoor
from entrypoints.api.blocking import Blocking
from entrypoints.api.closing import closing_of
from entrypoints.api.config import ApiConfig
from entrypoints.api.cross_origin import cross_origin
from entrypoints.api.docs_page import DocsDoor
from entrypoints.api.edge import Edge
from entrypoints.api.edits import EditsDoor
from entrypoints.api.event_feed import EventFeed
from entrypoints.api.events import EventsDoor
from entrypoints.api.gatekeeper import Gatekeeper
from entrypoints.api.health import HealthDoor
from entrypoints.api.input_pictures import InputPicturesDoor
from entrypoints.api.jobs import JobsDoor
from entrypoints.api.keys import KeysDoor
from entrypoints.api.lean_route import LeanRoute
from entrypoints.api.metrics import MetricsDoor
from entrypoints.api.openai.door import OpenAiDoor
from entrypoints.api.openai.errors import BELOW, tell
from entrypoints.api.openapi import describe
from entrypoints.api.operating import OperatingDoor
from entrypoints.api.pictures import PicturesDoor
from entrypoints.api.png_info import PngInfoDoor
from entrypoints.api.problems import tell_problems
from entrypoints.api.shortcut import Shortcut
from entrypoints.api.submit import SubmitDoor
from entrypoints.api.uploads import Uploads
from entrypoints.api.waiting import Waiting
from entrypoints.api.webhooks import WebhooksDoor
from imaging_core.service import ImagingService

_DESCRIPTION = """Asynchronous image generation on Stability AI, on your own Stable Diffusion WebUI, or on a built-in demo.

Submit a prompt, get an id at once, poll its status, fetch the picture. Errors are `application/problem+json`."""


def create_app(service: ImagingService, *, config: ApiConfig) -> FastAPI:
    """The API over a service that is open for as long as the app is served; the app itself opens and closes nothing."""
    app = FastAPI(
        title="Image generation service",
        version=config.version,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # A redirect would repeat the path, which may hold anything, and turns a typo into two requests.
        redirect_slashes=False,
        middleware=[
            Middleware(Edge, figures=config.figures.http, access_lines=config.access_lines),
            *cross_origin(config.access),
            Middleware(
                Gatekeeper, access=config.access, tellers={BELOW: tell, **dict.fromkeys(a1111.BELOW, a1111.tell)}
            ),
        ],
        # Nothing leaves the process unless the service's own settings say so.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.router.route_class = LeanRoute
    # The list's first is the outermost layer, so this is the innermost.
    app.user_middleware.append(Middleware(Shortcut, routes=app.router.routes))
    _add_doors(app, service, config)
    tell_problems(app)
    describe(app)
    return app


def _add_doors(app: FastAPI, service: ImagingService, config: ApiConfig) -> None:
    closing = closing_of(app)
    feed = EventFeed(service, closing)
    waiting = Waiting(service, feed, closing, longest_s=config.max_wait_s)
    accepting = Accepting(config, waiting)
    JobsDoor(service, config, accepting, waiting).add_to(app)
    OperatingDoor(service, config).add_to(app)
    EventsDoor(service, config, feed, closing).add_to(app)
    PicturesDoor(service, config).add_to(app)
    InputPicturesDoor(service, config).add_to(app)
    uploads = Uploads(service, config)
    PngInfoDoor(config, uploads).add_to(app)
    SubmitDoor(service, config, accepting).add_to(app)
    EditsDoor(service, config, accepting, uploads).add_to(app)
    BatchDoor(service, config).add_to(app)
    WebhooksDoor(service).add_to(app)
    BackendsDoor(service, config).add_to(app)
    HealthDoor(config).add_to(app)
    MetricsDoor(service, config.figures, feed).add_to(app)
    if config.access.keyring is not None:
        KeysDoor(config.access.keyring, config).add_to(app)
    DocsDoor(app).add_to(app)
    blocking = Blocking(service, waiting, closing)
    # Façades come last, so that finding them costs the service's own paths nothing.
    OpenAiDoor(service, config, blocking=blocking, feed=feed, closing=closing, uploads=uploads).add_to(app)
    if config.a1111:
        A1111Door(service, config, blocking=blocking, uploads=uploads).add_to(app)

"""The API on a real uvicorn and real sockets, over an in-memory service whose backends do as the prompt says.

May import the core, the API, uvicorn, httpx and jsonschema.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
import jsonschema
import uvloop

from adapters.pillow.intake import PillowIntake
from adapters.pillow.rendering import PillowRenderer
from contracts.samples import png
from entrypoints.api import ApiConfig, create_app
from entrypoints.guarded_http import ConnectionLimits
from entrypoints.serving import serve
from imaging_core.capabilities import Capabilities
from imaging_core.embedded import open_imaging
from imaging_core.errors import CallFailed, CallRejected, Charged, FailureCode, Unavailable
from imaging_core.events import Preview
from imaging_core.images import Generated, GeneratedImage
from imaging_core.parameters import Parameter, ParameterKind
from imaging_core.ports import CallProgress, GenerationCall, ImageGenerator, Report
from imaging_core.provenance import Marker
from imaging_core.routing import AutoPolicy
from imaging_core.service import ImagingService

T = TypeVar("T")

PREVIEW = png(4, 4, shade=9)

_PROMPT = Parameter(name="prompt", kind=ParameterKind.TEXT, required=True, max_length=10_000)
_COMMON = (_PROMPT, Parameter(name="negative_prompt", kind=ParameterKind.TEXT, max_length=10_000))

_CLOUD = Capabilities(
    backend="stability",
    title="A cloud",
    paid=True,
    credits={"core": 3.0, "": 1.0},
    parameters=(
        *_COMMON,
        Parameter(name="checkpoint", kind=ParameterKind.CHOICE, choices=("core", "ultra"), default="core"),
        Parameter(name="aspect_ratio", kind=ParameterKind.CHOICE, choices=("1:1", "16:9"), default="1:1"),
        Parameter(name="output_format", kind=ParameterKind.CHOICE, choices=("png", "webp"), default="png"),
        Parameter(name="seed", kind=ParameterKind.INTEGER, minimum=0, maximum=4_294_967_294),
        Parameter(name="count", kind=ParameterKind.INTEGER, default=1, minimum=1, maximum=10),
        Parameter(name="mood", kind=ParameterKind.CHOICES, choices=("calm", "wild")),
    ),
)

_WEBUI = Capabilities(
    backend="local",
    title="A WebUI",
    images_per_call=4,
    max_pixels=1024 * 1024,
    parameters=(
        *_COMMON,
        Parameter(name="checkpoint", kind=ParameterKind.CHOICE, choices=("tinyA", "tinyB"), default="tinyA"),
        Parameter(name="sampler", kind=ParameterKind.CHOICE, choices=("Euler", "Euler a"), default="Euler"),
        Parameter(name="scheduler", kind=ParameterKind.CHOICE, choices=("automatic", "karras"), default="automatic"),
        Parameter(name="steps", kind=ParameterKind.INTEGER, default=20, minimum=1, maximum=150),
        Parameter(name="cfg_scale", kind=ParameterKind.NUMBER, default=7.0, minimum=1, maximum=30),
        Parameter(name="width", kind=ParameterKind.INTEGER, default=64, minimum=64, maximum=2048, multiple_of=8),
        Parameter(name="height", kind=ParameterKind.INTEGER, default=64, minimum=64, maximum=2048, multiple_of=8),
        Parameter(name="seed", kind=ParameterKind.INTEGER, minimum=0, maximum=4_294_967_294),
        Parameter(name="count", kind=ParameterKind.INTEGER, default=1, minimum=1, maximum=16),
        Parameter(name="clip_skip", kind=ParameterKind.INTEGER, minimum=1, maximum=12),
        Parameter(name="styles", kind=ParameterKind.CHOICES, choices=("film", "ink")),
        Parameter(name="enable_hr", kind=ParameterKind.FLAG),
        Parameter(name="tiling", kind=ParameterKind.FLAG),
    ),
)


class ObedientGenerator:
    """Does what the prompt's first word says: `hold` (until released), `refuse`, `stumble`, `large` (over 8 MB), else a small picture."""

    def __init__(self, capabilities: Capabilities) -> None:
        self._capabilities = capabilities
        self.backend = capabilities.backend
        self.let_go = asyncio.Event()
        #: Whether the backend can be asked at all.
        self.there = True

    async def capabilities(self) -> Capabilities:
        if not self.there:
            raise Unavailable(f"Backend {self.backend!r} does not answer at http://127.0.0.1:7860.", retry_after_s=7)
        return self._capabilities

    async def generate(self, call: GenerationCall, *, report: Report) -> Generated:
        order = call.request.prompt.partition(" ")[0]
        if order == "refuse":
            raise CallRejected("The provider's filter said no.", code=FailureCode.CONTENT_MODERATED)
        if order == "stumble":
            raise CallFailed("The backend answered 500.", charged=Charged.NO)
        if order == "hold":
            preview = Preview(data=PREVIEW, media_type="image/png")
            report(CallProgress(fraction=0.5, step=10, steps=20, eta_s=3.21, preview=preview))
            await self.let_go.wait()
        side = 1700 if order == "large" else 16
        seeds = range(call.seed, call.seed + call.images)
        pictures = (png(side, side, shade=seed, packed=side < 100) for seed in seeds)
        images = (
            GeneratedImage(data=data, media_type="image/png", width=side, height=side, seed=seed)
            for seed, data in zip(seeds, pictures, strict=True)
        )
        price = self._capabilities.credits.get(call.request.checkpoint or "", 0.0)
        return Generated(images=tuple(images), credits=price)

    async def probe(self) -> str:
        await self.capabilities()
        return "It answers."


class RunningApi:
    """A served API, and the service behind it."""

    def __init__(self, *more: ImageGenerator, limits: ConnectionLimits | None = None, **config: Any) -> None:
        """`more` are further backends beside the two that do as the prompt says."""
        self._more = more
        self._config = ApiConfig(**{"renderer": PillowRenderer(), "intake": PillowIntake(), **config})
        self._limits = limits
        self._ready = threading.Event()
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=lambda: uvloop.run(self._run()))
        self.service: ImagingService
        self.cloud: ObedientGenerator
        self.webui: ObedientGenerator

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.cloud, self.webui = ObedientGenerator(_CLOUD), ObedientGenerator(_WEBUI)
        mark = Marker(version="9.9.9")
        async with open_imaging(
            self.cloud, self.webui, *self._more, slots={"stability": 4}, grace_s=0.1, mark=mark, auto=AutoPolicy()
        ) as self.service:
            self.service.unconfigured = {"spare": "Set IMAGING_SPARE_URL to use the spare backend."}
            app = create_app(self.service, config=self._config)
            await serve(app, self._socket, self._stop, ready=self._ready.set, limits=self._limits)

    @contextmanager
    def serving(self) -> Iterator["RunningApi"]:
        """Served while inside."""
        self._thread.start()
        assert self._ready.wait(10)
        try:
            yield self
        finally:
            self.stop()
            self._thread.join(10)
            self._socket.close()
            assert not self._thread.is_alive()

    def stop(self) -> None:
        """Tell it to stop, as a signal would."""
        self._loop.call_soon_threadsafe(self._stop.set)

    @property
    def ended(self) -> bool:
        """Whether it has stopped."""
        return not self._thread.is_alive()

    def within(self, action: Callable[[], Awaitable[T]]) -> T:
        """The result of doing it on the service's own loop."""

        async def run() -> T:
            return await action()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def client(self) -> httpx.Client:
        """A fresh client of it."""
        # Loading certificates that plain HTTP does not need takes longer than most tests.
        return httpx.Client(base_url=self.url, timeout=10, trust_env=False, verify=False)  # noqa: S501

    def hold(self) -> None:
        """Make prompts that begin with `hold` wait from now on."""

        async def clear() -> None:
            self.cloud.let_go.clear()
            self.webui.let_go.clear()

        self.within(clear)

    def release(self) -> None:
        """Let every held job go on."""

        async def go() -> None:
            self.cloud.let_go.set()
            self.webui.let_go.set()

        self.within(go)


def until(read: Callable[[], T], good: Callable[[T], bool], *, within_s: float = 10) -> T:
    """What `read` gives once it is good; fails when it does not become so in time."""
    deadline = time.monotonic() + within_s
    while True:
        value = read()
        if good(value):
            return value
        assert time.monotonic() < deadline, f"did not come about within {within_s} s; last seen: {value!r}"
        time.sleep(0.01)


def status_of(client: httpx.Client, image_id: str) -> dict[str, Any]:
    """What /status says."""
    answer = client.get(f"/status/{image_id}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def ended(client: httpx.Client, image_id: str) -> dict[str, Any]:
    """The status once the job has ended."""
    terminal = ("finished", "failed", "cancelled")
    return until(lambda: status_of(client, image_id), lambda status: status["status"] in terminal)


def submit(client: httpx.Client, path: str = "/images", **fields: Any) -> str:
    """The id of a new job."""
    answer = client.post(path, json={"prompt": "a lighthouse", **fields})
    assert answer.status_code == 202, answer.text
    image_id: str = answer.json()["image_id"]
    return image_id


def held(client: httpx.Client) -> str:
    """A job that is half done and goes no further."""
    image_id = submit(client, "/local/images", prompt="hold on")
    until(lambda: status_of(client, image_id), lambda status: status["progress"] == 0.5)
    return image_id


def check_shape(client: httpx.Client, body: object, shape: str) -> None:
    """The body is what the API's own description calls so."""
    spec = client.get("/openapi.json").json()
    schema = {"$ref": f"#/components/schemas/{shape}", "components": spec["components"]}
    jsonschema.Draft202012Validator(schema).validate(body)

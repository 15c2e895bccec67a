"""The WebUI adapter before its stand-in, and the calls that tests make with it.

May import httpx, pytest, the adapter under test and the stand-in.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import attrs
import httpx
import pytest
from PIL import Image

from adapters.sdwebui import SdWebuiGenerator, SdWebuiSettings
from fakes.sdwebui import FakeWebUI, launch
from imaging_core.ids import new_job_id, new_token
from imaging_core.images import Generated, ImageRequest, OptionValue
from imaging_core.ports import GenerationCall, ImageGenerator

REQUEST = ImageRequest(prompt="a secretive lighthouse", steps=2, width=64, height=64)
SLOW = attrs.evolve(REQUEST, steps=500)


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeWebUI]:
    with launch("--step-seconds", "0.002") as server:
        yield server


@pytest.fixture
def webui(shared: FakeWebUI) -> FakeWebUI:
    """A server at rest with its options as on the first day."""
    shared.control(
        step_seconds=0.002, stall=False, deaf=False, reset_options=True, options={"sd_model_checkpoint": "tinyA"}
    )
    return shared


def settings(*servers: FakeWebUI | str, **changes: Any) -> SdWebuiSettings:
    urls = tuple(server if isinstance(server, str) else server.url for server in servers)
    return SdWebuiSettings(**{"urls": urls, "poll_s": 0.02, "lists_ttl_s": 0.0, **changes})


@pytest.fixture
async def generator(webui: FakeWebUI) -> AsyncIterator[SdWebuiGenerator]:
    async with SdWebuiGenerator(settings(webui)) as generator:
        yield generator


class OnFakeWebUI:
    """What a contract of generators is tried on: the adapter before a stand-in with these arguments."""

    arguments: ClassVar[tuple[str, ...]] = ()
    server: FakeWebUI

    @pytest.fixture(scope="class")
    @classmethod
    def webui(cls) -> Iterator[FakeWebUI]:
        with launch(*cls.arguments, "--step-seconds", "0.01") as server:
            yield server

    @pytest.fixture
    async def generator(self, webui: FakeWebUI) -> AsyncIterator[ImageGenerator]:
        self.server = webui
        async with SdWebuiGenerator(SdWebuiSettings(urls=(webui.url,), poll_s=0.05)) as generator:
            yield generator

    async def still_runs(self, call: GenerationCall) -> bool:
        snapshot = await asyncio.to_thread(self.server.control)
        return snapshot["running"] == call.task_id or call.task_id in snapshot["waiting"]


def a_call(request: ImageRequest = REQUEST, *, images: int = 1, seed: int = 42, **changes: Any) -> GenerationCall:
    facts = {"job_id": new_job_id(), "index": 0, "task_id": new_token(), "seed": seed, "images": images, **changes}
    return GenerationCall(request=attrs.evolve(request, count=images, batch_size=images), **facts)


def with_options(**options: OptionValue) -> ImageRequest:
    return attrs.evolve(REQUEST, options=options)


async def make(generator: SdWebuiGenerator, call: GenerationCall | None = None) -> Generated:
    return await generator.generate(call or a_call(), report=lambda _: None)


async def until(server: FakeWebUI, **state: object) -> None:
    """Wait until the fake's snapshot says so."""
    await asyncio.to_thread(server.wait, lambda snapshot: all(snapshot[key] == value for key, value in state.items()))


async def post(server: FakeWebUI, path: str) -> None:
    """Do what somebody else may do to the server."""
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as somebody:
        (await somebody.post(path)).raise_for_status()


def infotext(generated: Generated, index: int = 0) -> str:
    with Image.open(io.BytesIO(generated.images[index].data)) as image:
        return str(image.info["parameters"])

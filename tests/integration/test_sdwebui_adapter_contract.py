"""The promises of ImageGenerator, kept by the WebUI adapter against the fake WebUI on a real port."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

import pytest

from adapters.sdwebui import SdWebuiGenerator, SdWebuiSettings
from contracts.image_generator import ImageGeneratorContract
from contracts.remote_generator import RemoteGeneratorContract
from fakes.sdwebui import launch
from imaging_core.errors import BackendUnreachable, Charged, GenerationError
from imaging_core.ids import new_job_id, new_token
from imaging_core.images import ImageRequest
from imaging_core.ports import GenerationCall, ImageGenerator
from sdwebui_setting import OnFakeWebUI


class _OnFake(OnFakeWebUI, ImageGeneratorContract):
    def request(self) -> ImageRequest:
        return ImageRequest(prompt="a red cube on a table", steps=2, width=64, height=64)

    def slow_request(self) -> ImageRequest:
        return ImageRequest(prompt="a red cube on a table", steps=80, width=64, height=64)


class TestWebuiWithItsPage(_OnFake):
    """1.10.1 with --api: tasks have names."""


class TestWebuiWithoutItsPage(_OnFake):
    """1.10.1 with --nowebui: only the global progress."""

    arguments = ("--nowebui",)


class TestOldWebui(_OnFake):
    """1.8.0: no schedulers, unknown samplers are refused."""

    arguments = ("--version", "1.8.0")


class TestWebuiThatIsNotWell(RemoteGeneratorContract):
    """Before a call is sent the lists are asked for, so a server that hangs up on everything was sent nothing."""

    lost: ClassVar[type[GenerationError]] = BackendUnreachable
    lost_charged: ClassVar[Charged] = Charged.NO

    @pytest.fixture
    def well(self) -> Iterator[str]:
        with launch("--step-seconds", "0.01") as server:
            yield server.url

    def generator_at(self, url: str) -> AbstractAsyncContextManager[ImageGenerator]:
        return SdWebuiGenerator(SdWebuiSettings(urls=(url,)))

    def remote_call(self) -> GenerationCall:
        return GenerationCall(
            job_id=new_job_id(),
            request=ImageRequest(prompt="a secretive lighthouse", steps=2, width=64, height=64),
            index=0,
            images=1,
            seed=1,
            task_id=new_token(),
        )

"""A fourth generator, as small as one can be: proof that adding one takes a file and a subclass of the suite."""

import asyncio

import attrs
import pytest

from contracts.image_generator import ImageGeneratorContract
from contracts.samples import png
from imaging_core.capabilities import Capabilities
from imaging_core.errors import FailureCode, GenerationError
from imaging_core.images import Generated, GeneratedImage, ImageRequest
from imaging_core.parameters import Parameter, ParameterKind
from imaging_core.ports import CallProgress, GenerationCall, ImageGenerator, Report

_CAPABILITIES = Capabilities(
    backend="toy",
    title="One colour",
    parameters=(
        Parameter(name="prompt", kind=ParameterKind.TEXT, required=True, max_length=1000),
        Parameter(name="width", kind=ParameterKind.INTEGER, default=16, minimum=1, maximum=64),
        Parameter(name="height", kind=ParameterKind.INTEGER, default=16, minimum=1, maximum=64),
        Parameter(name="steps", kind=ParameterKind.INTEGER, default=2, minimum=1, maximum=1000),
        Parameter(name="count", kind=ParameterKind.INTEGER, default=1, minimum=1, maximum=8),
    ),
    images_per_call=4,
    notice="Not AI: paints one colour.",
)

#: How long a step takes, in s.
_STEP_S = 0.005


class ToyGenerator:
    """Paints each picture in the colour its seed stands for, a step at a time."""

    backend = "toy"

    def __init__(self) -> None:
        #: Names of the calls it works on now.
        self.running: set[str] = set()

    async def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def generate(self, call: GenerationCall, *, report: Report) -> Generated:
        steps, width, height = call.request.steps, call.request.width, call.request.height
        if steps is None or width is None or height is None:
            raise GenerationError("The call has no size or no steps.", code=FailureCode.REJECTED, retryable=False)
        self.running.add(call.task_id)
        try:
            for step in range(1, steps + 1):
                await asyncio.sleep(_STEP_S)
                report(CallProgress(fraction=step / steps, step=step, steps=steps, eta_s=(steps - step) * _STEP_S))
        finally:
            self.running.discard(call.task_id)
        return Generated(
            images=tuple(
                GeneratedImage(
                    data=png(width, height, shade=seed),
                    media_type="image/png",
                    width=width,
                    height=height,
                    seed=seed,
                )
                for seed in range(call.seed, call.seed + call.images)
            )
        )

    async def probe(self) -> str:
        return "The toy is at hand."


class TestToyGenerator(ImageGeneratorContract):
    """Every promise of ImageGenerator."""

    @pytest.fixture
    def generator(self) -> ImageGenerator:
        self.toy = ToyGenerator()
        return self.toy

    def request(self) -> ImageRequest:
        return ImageRequest(prompt="green", width=8, height=8)

    def slow_request(self) -> ImageRequest:
        return attrs.evolve(self.request(), steps=100)

    async def still_runs(self, call: GenerationCall) -> bool:
        return call.task_id in self.toy.running

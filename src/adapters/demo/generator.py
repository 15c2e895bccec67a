"""`ImageGenerator` over the painter: steps off the event loop, progress with previews, a stop between layers.

May import the core, attrs, Pillow and this package.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import attrs
from PIL import Image

from adapters.demo import offer
from adapters.demo.ground import Ground, enlarged
from adapters.demo.painting import Painting, file_of
from imaging_core.capabilities import Capabilities
from imaging_core.errors import CallFailed, CallRejected, Charged, FailureCode
from imaging_core.events import Preview
from imaging_core.images import Generated, GeneratedImage, Operation
from imaging_core.ports import CallProgress, GenerationCall, Report

Result = TypeVar("Result")

#: Longer side of a preview, in px, and the least time between two, in s.
_PREVIEW_PX, _PREVIEW_S = 256, 0.15


@attrs.frozen(kw_only=True)
class _Order:
    """One call in the painter's terms."""

    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    colour: float
    output_format: str
    #: What an edit paints over.
    ground: Ground | None = None

    def painting(self, seed: int) -> Painting:
        """A fresh canvas for it. Raises ValueError for a size or steps out of range."""
        return Painting(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            seed=seed,
            width=self.width,
            height=self.height,
            steps=self.steps,
            strength=self.colour,
            ground=self.ground,
        )


class DemoGenerator:
    """Draws pictures that are not AI and cost nothing; the same call gives the same pictures.

    `step_s` is the least time of a step, so that people see the picture come; 0 is as fast as the processor allows.
    """

    def __init__(self, *, step_s: float = 0.1, backend: str = "demo") -> None:
        if step_s < 0:
            raise ValueError(f"step_s must be at least 0, not {step_s}.")
        self._step_s = step_s
        self._backend = backend
        self._capabilities = offer.capabilities_of(backend)
        self._running: set[str] = set()

    @property
    def backend(self) -> str:
        """The name callers choose it by."""
        return self._backend

    @property
    def running(self) -> frozenset[str]:
        """The task ids of the calls it works on now."""
        return frozenset(self._running)

    async def capabilities(self) -> Capabilities:
        """Fields and limits; always the same."""
        return self._capabilities

    async def probe(self) -> str:
        """That it is there, and what it is."""
        return "The built-in demo is ready: it draws procedural pictures and is not AI."

    async def generate(self, call: GenerationCall, *, report: Report) -> Generated:
        """Paint the call's pictures one after the other, or make the one it brings larger.

        Raises CallRejected for a size, a number of steps or a file type out of range and for a picture that is missing or
        damaged, CallFailed when memory runs out.
        """
        self._running.add(call.task_id)
        try:
            images = await self._made(call, report)
        except MemoryError as error:
            width, height = call.request.width, call.request.height
            size = f"draw {width} x {height} px" if width and height else "make the picture so large"
            message = f"There is not enough memory to {size}."
            raise CallFailed(message, code=FailureCode.OUT_OF_MEMORY, retryable=False, charged=Charged.NO) from error
        finally:
            self._running.discard(call.task_id)
        return Generated(images=tuple(images))

    async def _made(self, call: GenerationCall, report: Report) -> list[GeneratedImage]:
        if call.request.operation is Operation.UPSCALE:
            return [await self._enlarged(call, report)]
        order = _order(call)
        if call.request.operation is Operation.EDIT:
            order = attrs.evolve(order, ground=await _off_the_loop(partial(_ground, call, order)))
        return [await self._picture(order, call, number, report) for number in range(call.images)]

    async def _enlarged(self, call: GenerationCall, report: Report) -> GeneratedImage:
        began, kind = time.monotonic(), _output_format(call)
        report(CallProgress(fraction=0.0, step=0, steps=1))
        image = await _off_the_loop(partial(_larger, call))
        data = await _off_the_loop(partial(file_of, image, kind))
        await asyncio.sleep(max(0.0, self._step_s - (time.monotonic() - began)))
        report(CallProgress(fraction=1.0, step=1, steps=1, eta_s=0.0))
        width, height = image.size
        return GeneratedImage(data=data, media_type=f"image/{kind}", width=width, height=height, seed=call.seed)

    async def _picture(self, order: _Order, call: GenerationCall, number: int, report: Report) -> GeneratedImage:
        seed = call.seed + number
        painting = order.painting(seed)
        pace = _Pace(painting, number, call.images)
        # The first step paints and takes longest: until then people see the noise that it begins with.
        report(pace.progress(await _off_the_loop(partial(_preview, painting), painting), self._step_s))
        while not painting.finished:
            started = time.monotonic()
            preview = await _off_the_loop(partial(_advance, painting, pace.wants_preview(started)), painting)
            rest = self._step_s - (time.monotonic() - started)
            if rest > 0:
                await asyncio.sleep(rest)
            report(pace.progress(preview, self._step_s))
        data = await _off_the_loop(partial(painting.encoded, order.output_format), painting)
        return GeneratedImage(
            data=data, media_type=f"image/{order.output_format}", width=order.width, height=order.height, seed=seed
        )


class _Pace:
    """How fast one of a call's pictures comes: what is told of it, and how often it is shown."""

    def __init__(self, painting: Painting, number: int, images: int) -> None:
        self._painting, self._number, self._images = painting, number, images
        self._shown = time.monotonic()
        self._first_step_s: float | None = None
        self._first_done = self._shown

    def wants_preview(self, now: float) -> bool:
        """Whether the last preview is old enough for another."""
        if now - self._shown < _PREVIEW_S:
            return False
        self._shown = now
        return True

    def progress(self, preview: Preview | None, step_s: float) -> CallProgress:
        """How far the call has come."""
        painting, now = self._painting, time.monotonic()
        if painting.done == 1 and self._first_step_s is None:
            self._first_step_s, self._first_done = now - self._shown, now
        if painting.done > 1:
            step_s = (now - self._first_done) / (painting.done - 1)
        following = self._images - self._number - 1
        eta_s = (painting.steps - painting.done) * step_s + following * (
            painting.steps * step_s + (self._first_step_s or 0)
        )
        return CallProgress(
            fraction=min(1.0, (self._number + painting.progress) / self._images),
            step=self._number * painting.steps + painting.done,
            steps=self._images * painting.steps,
            # Before the first step nothing is known about how long that takes.
            eta_s=eta_s if painting.done else None,
            preview=preview,
        )


def _order(call: GenerationCall) -> _Order:
    request = call.request
    ratio, style = request.value("aspect_ratio"), request.value("style_preset")
    width, height = offer.size_for(
        offer.DEFAULT_SIZE if request.width is None else request.width,
        offer.DEFAULT_SIZE if request.height is None else request.height,
        ratio if isinstance(ratio, str) else None,
    )
    cfg_scale = offer.DEFAULT_CFG_SCALE if request.cfg_scale is None else request.cfg_scale
    order = _Order(
        prompt=f"{request.prompt} {offer.STYLE_WORDS.get(str(style), '')}",
        negative_prompt=request.negative_prompt,
        width=width,
        height=height,
        steps=offer.DEFAULT_STEPS if request.steps is None else request.steps,
        colour=cfg_scale / offer.DEFAULT_CFG_SCALE,
        output_format=_output_format(call),
    )
    try:
        order.painting(call.seed)
    except ValueError as error:
        raise CallRejected(str(error)) from error
    return order


def _output_format(call: GenerationCall) -> str:
    output_format = call.request.value("output_format") or "png"
    if output_format not in offer.OUTPUT_FORMATS:
        raise CallRejected(f"The demo writes no such file type. It writes: {', '.join(offer.OUTPUT_FORMATS)}.")
    return str(output_format)


def _ground(call: GenerationCall, order: _Order) -> Ground:
    strength = call.request.strength
    with _damage_is_refused():
        return Ground.of(
            _brought(call),
            call.mask,
            size=(order.width, order.height),
            strength=offer.DEFAULT_STRENGTH if strength is None else strength,
        )


def _larger(call: GenerationCall) -> Image.Image:
    scale = call.request.value("scale")
    with _damage_is_refused():
        return enlarged(_brought(call), float(scale) if isinstance(scale, int | float) else offer.DEFAULT_SCALE)


def _brought(call: GenerationCall) -> bytes:
    if call.init_image is None:
        raise CallRejected("The call begins with a picture, and there is none.")
    return call.init_image


@contextmanager
def _damage_is_refused() -> Iterator[None]:
    try:
        yield
    except (OSError, SyntaxError, ValueError) as error:
        raise CallRejected("The picture that the call begins with cannot be decoded.") from error


async def _off_the_loop(work: Callable[[], Result], painting: Painting | None = None) -> Result:
    """Do the work in a thread. Cancelled, it ends the work before it lets go: no thread outlives its call."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if painting is not None:
            painting.abandon()
        await asyncio.wait([task])
        if not task.cancelled():
            # Looked at, so that asyncio does not report it as never retrieved; whatever it is, the cancel came first.
            task.exception()
        raise


def _advance(painting: Painting, wants_preview: bool) -> Preview | None:
    painting.step()
    return _preview(painting) if wants_preview or painting.finished else None


def _preview(painting: Painting) -> Preview:
    buffer = io.BytesIO()
    painting.preview(_PREVIEW_PX).save(buffer, "JPEG", quality=72)
    return Preview(data=buffer.getvalue(), media_type="image/jpeg")

"""`imaging generate`: the same job on the service that runs, or in this process when none does; imports client and core."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import attrs
import typer

from entrypoints.client import ApiError, AsyncImagingClient, ClientError, Seen, without_credentials
from entrypoints.gui_process import api_url, key_of
from entrypoints.lifespan import embedded
from entrypoints.progress_line import ProgressLine
from entrypoints.settings import Settings, SettingsError
from entrypoints.stopping import stop_signals
from imaging_core.errors import ADVICE, JobConflict
from imaging_core.images import ImageRequest, Operation, OptionValue
from imaging_core.jobs import Job, JobStatus
from imaging_core.opened import whole
from imaging_core.service import ImagingService, JobView

#: Exit statuses: every picture is there, some or all are not, somebody cancelled it.
WHOLE, FAILED, CANCELLED = 0, 1, 130

_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


@attrs.frozen(kw_only=True)
class Order:
    """What was asked for on the command line."""

    prompt: str
    backend: str | None
    #: Settings by their canonical names; None leaves one to the backend.
    settings: Mapping[str, OptionValue | None]
    #: Files to begin with.
    image: Path | None
    mask: Path | None
    #: Folder for the pictures.
    out: Path
    #: How many pictures.
    count: int


@attrs.frozen(kw_only=True)
class Made:
    """How it ended."""

    image_id: str
    backend: str
    status: str
    seed: int | None
    credits: float
    files: tuple[str, ...] = ()
    #: Why there are no pictures, and what to do.
    reason: str | None = None

    def code(self, count: int) -> int:
        """The exit status, so many pictures having been asked for."""
        if self.status == JobStatus.CANCELLED:
            return CANCELLED
        return WHOLE if len(self.files) == count else FAILED


async def run_generate(settings: Settings, order: Order, *, as_json: bool) -> int:
    """Make pictures and write them into a folder, drawing on a terminal how far it is; Ctrl-C cancels the job."""
    await asyncio.to_thread(_make_folder, order.out)
    pictures = await asyncio.to_thread(_inputs, order)
    line = ProgressLine()
    async with stop_signals() as stop:
        try:
            made = await _made(settings, order, pictures, line, stop)
        except ApiError as error:
            fields = [f"{field}: {text}" if field else text for field, text in error.field_errors.items()]
            raise SettingsError("\n".join(fields or [error.detail])) from error
        except ClientError as error:
            raise SettingsError(str(error)) from error
        finally:
            line.end()
    code = made.code(order.count)
    if as_json:
        typer.echo(json.dumps(attrs.asdict(made)))
    elif made.files:
        cost = f", {made.credits:g} credits" if made.credits else ""
        typer.echo("\n".join([*made.files, f"{made.backend}, seed {made.seed}{cost}"]))
    if code == CANCELLED:
        typer.echo(f"The job {made.image_id} was cancelled.", err=True)
    elif code == FAILED:
        why = made.reason or "Some of its pictures are missing."
        typer.echo(
            f"The job {made.image_id} {made.status} with {len(made.files)} of {order.count} pictures. {why}", err=True
        )
    return code


async def _made(
    settings: Settings, order: Order, pictures: Mapping[str, bytes], line: ProgressLine, stop: asyncio.Event
) -> Made:
    async with AsyncImagingClient(api_url(settings), api_key=key_of(settings), retry_for_s=15.0) as client:
        running = await client.alive()
        if settings.api_url and not running:
            raise SettingsError(
                f"The imaging service at {without_credentials(client.url)} does not answer. Start it, or unset "
                "IMAGING_API_URL to make pictures in this process."
            )
        if running:
            return await _on_service(client, order, pictures, line, stop)
    return await _here(settings, order, pictures, line, stop)


# --- on the service ----------------------------------------------------------------------------------------


async def _on_service(
    client: AsyncImagingClient, order: Order, pictures: Mapping[str, bytes], line: ProgressLine, stop: asyncio.Event
) -> Made:
    told: dict[str, Any] = {**order.settings, "count": order.count}
    if "image" in pictures:
        submitted = await client.edit(
            order.prompt, pictures["image"], mask=pictures.get("mask"), backend=order.backend, **told
        )
    else:
        submitted = await client.submit(order.prompt, backend=order.backend, **told)

    def show(seen: Seen) -> None:
        job = seen.job
        line.show(
            job.status, job.progress, position=job.queue_position, step=job.step, steps=job.steps, eta_s=job.eta_s
        )

    async def cancel() -> None:
        try:
            await client.cancel(submitted.image_id)
        except ApiError as error:
            # It has ended meanwhile, and its pictures are good.
            if error.status != 409:
                raise

    await _watched(client.watch(submitted.image_id), show, cancel, stop)
    seen = await client.status(submitted.image_id)
    files = []
    for image in seen.images:
        picture = await client.image(seen.image_id, image.index)
        files.append(await _written(order.out, seen.image_id, image.index, picture.extension, picture.data))
    return Made(
        image_id=seen.image_id,
        backend=seen.backend,
        status=seen.status.value,
        seed=seen.seed,
        credits=seen.cost_credits,
        files=tuple(files),
        reason=f"{seen.failure.reason} {seen.failure.advice}" if seen.failure else None,
    )


# --- in this process ---------------------------------------------------------------------------------------


async def _here(
    settings: Settings, order: Order, pictures: Mapping[str, bytes], line: ProgressLine, stop: asyncio.Event
) -> Made:
    init_image, mask = await _cleaned(settings, pictures)
    request = ImageRequest(
        prompt=order.prompt, count=order.count, operation=Operation.EDIT if init_image else Operation.GENERATE
    )
    request = request.with_values({name: value for name, value in order.settings.items() if value is not None})
    async with embedded(settings) as opened:
        service = opened.service
        job = await service.submit(request, backend=order.backend or _usual(settings), init_image=init_image, mask=mask)

        def show(view: JobView) -> None:
            at = view.progress
            step, steps = (at.step, at.steps) if at else (None, None)
            fraction = at.fraction if at else None
            line.show(view.job.status, fraction, position=view.position, step=step, steps=steps, eta_s=view.eta_s)

        async def cancel() -> None:
            try:
                await service.cancel(job.id)
            except JobConflict:
                # It has ended meanwhile, and its pictures are good.
                return

        await _watched(service.watch(job.id), show, cancel, stop)
        ended = await service.get(job.id)
        return await _kept(service, ended, order.out)


async def _kept(service: ImagingService, job: Job, out: Path) -> Made:
    files = []
    for image in job.images:
        data = await whole((await service.read_image(job.id, image.index))[1])
        files.append(await _written(out, job.id, image.index, _EXTENSIONS.get(image.media_type, "bin"), data))
    failure = job.failure
    return Made(
        image_id=job.id,
        backend=job.backend,
        status=job.status.value,
        seed=job.request.seed,
        credits=job.credits,
        files=tuple(files),
        reason=f"{failure.message} {ADVICE[failure.code]}" if failure else None,
    )


async def _cleaned(settings: Settings, pictures: Mapping[str, bytes]) -> tuple[bytes | None, bytes | None]:
    """The pictures as the core takes them. Raises SettingsError for a file that is no good picture."""
    if "image" not in pictures:
        return None, None
    from adapters.pillow.intake import IntakeLimits, PictureRefused, PillowIntake  # noqa: PLC0415  # seldom needed

    limits = IntakeLimits(max_bytes=settings.max_picture_bytes, max_pixels=settings.max_picture_pixels)
    intake, mask = PillowIntake(limits), None
    name = "--image"
    try:
        image = await intake.picture(pictures["image"])
        name = "--mask"
        if "mask" in pictures:
            size = (image.width, image.height)
            mask = (await intake.mask(pictures["mask"], transparent_repaints=False, size=size)).data
    except PictureRefused as error:
        raise SettingsError(f"{name}: {error}") from error
    return image.data, mask


def _usual(settings: Settings) -> str:
    if settings.images_backend == "stability" and settings.stability_api_key is None and settings.sdwebui_urls:
        return "local"
    return settings.images_backend


# --- both --------------------------------------------------------------------------------------------------


async def _watched(
    seen: AsyncIterator[attrs.AttrsInstance],
    show: Callable[..., None],
    cancel: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
) -> None:
    """Show what is seen until the job has ended; a signal to stop cancels it, and its end is still awaited."""

    async def follow() -> None:
        async with aclosing(seen) as views:  # type: ignore[type-var]  # every one of them is a generator
            async for view in views:
                show(view)

    async def interrupt() -> None:
        await stop.wait()
        await cancel()

    interrupting = asyncio.create_task(interrupt())
    try:
        await follow()
    finally:
        interrupting.cancel()
        await asyncio.gather(interrupting, return_exceptions=True)


async def _written(out: Path, image_id: str, index: int, extension: str, data: bytes) -> str:
    path = out / f"{image_id}-{index}.{extension}"
    await asyncio.to_thread(_write, path, data)
    return str(path)


def _write(path: Path, data: bytes) -> None:
    try:
        # A file that is there already is somebody's.
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise SettingsError(f"--out: {path} is there already; nothing was overwritten.") from error
    except OSError as error:
        raise SettingsError(f"--out: {path} cannot be written ({error.strerror}).") from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--out: the folder cannot be made ({error.strerror}).") from error


def _inputs(order: Order) -> dict[str, bytes]:
    if order.image is None and order.mask is not None:
        raise SettingsError("--mask: is of use only together with --image.")
    if order.image is None and order.settings.get("strength") is not None:
        raise SettingsError("--strength: is of use only together with --image.")
    found = {}
    for name, path in (("image", order.image), ("mask", order.mask)):
        if path is not None:
            try:
                found[name] = path.read_bytes()
            except OSError as error:
                raise SettingsError(f"--{name}: {path} cannot be read ({error.strerror}).") from error
    return found

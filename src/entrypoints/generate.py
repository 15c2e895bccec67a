"""`imaging generate`: the same job on the service that runs, or in this process when none does; imports client and core."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import typer

from entrypoints.client import ApiError, ClientError, ImagingClient, JobInfo
from entrypoints.gui_process import api_url, key_of
from entrypoints.lifespan import embedded
from entrypoints.settings import Settings, SettingsError
from imaging_core.errors import ADVICE
from imaging_core.images import ImageRequest
from imaging_core.jobs import Job, JobStatus

Show = Callable[[str, float | None], None]


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


async def run_generate(
    settings: Settings, request: ImageRequest, *, backend: str | None, out: Path, as_json: bool
) -> int:
    """Make pictures and write them into `out`; 0 if there are any, else 1."""
    await asyncio.to_thread(_make_folder, out)
    show = _quiet if as_json or not sys.stderr.isatty() else _bar
    with ImagingClient(api_url(settings), api_key=key_of(settings)) as client:
        running = await asyncio.to_thread(client.alive)
        if running or settings.api_url:
            try:
                made = await asyncio.to_thread(_on_service, client, request, backend, out, show)
            except ApiError as error:
                lines = [f"{field}: {text}" if field else text for field, text in error.field_errors.items()] or [
                    error.detail
                ]
                raise SettingsError("\n".join(lines)) from error
            except ClientError as error:
                raise SettingsError(str(error)) from error
        else:
            made = await _here(settings, request, backend or _only(settings), out, show)
    if as_json:
        typer.echo(json.dumps(attrs.asdict(made)))
    elif made.files:
        cost = f", {made.credits:g} credits" if made.credits else ""
        typer.echo("\n".join([*made.files, f"{made.backend}, seed {made.seed}{cost}"]))
    else:
        typer.echo(f"The job {made.image_id} {made.status}: {made.reason}", err=True)
    return 0 if made.files else 1


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise SettingsError(f"--out: {path} cannot be written ({error.strerror}).") from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--out: the folder cannot be made ({error.strerror}).") from error


def _only(settings: Settings) -> str:
    if settings.images_backend == "stability" and settings.stability_api_key is None and settings.sdwebui_urls:
        return "local"
    return settings.images_backend


def _on_service(client: ImagingClient, request: ImageRequest, backend: str | None, out: Path, show: Show) -> Made:
    names = ("negative_prompt", "checkpoint", "sampler", "scheduler", "steps", "cfg_scale", "width", "height", "seed")
    given = {name: getattr(request, name) for name in names if getattr(request, name) not in (None, "")}
    submitted = client.submit(request.prompt, backend=backend, count=request.count, **given)
    while True:
        seen = client.status(submitted.image_id)
        show(seen.status, seen.progress)
        if seen.status.terminal:
            break
        time.sleep(0.25)
    files = []
    if seen.status is JobStatus.FINISHED:
        for image in seen.images:
            picture = client.image(seen.image_id, image.index)
            path = out / f"{seen.image_id[:8]}-{image.index}.{picture.extension}"
            _write(path, picture.data)
            files.append(str(path))
    return Made(
        image_id=seen.image_id,
        backend=seen.backend,
        status=seen.status.value,
        seed=seen.seed,
        credits=seen.cost_credits,
        files=tuple(files),
        reason=_reason(seen),
    )


def _reason(seen: JobInfo) -> str | None:
    return f"{seen.failure.reason} {seen.failure.advice}" if seen.failure else None


async def _here(settings: Settings, request: ImageRequest, backend: str, out: Path, show: Show) -> Made:
    async with embedded(settings) as opened:
        service = opened.service
        job: Job = await service.submit(request, backend=backend)
        async for view in service.watch(job.id):
            job = view.job
            show(job.status, view.progress.fraction if view.progress else None)
        files = []
        for image in job.images:
            _, data = await service.read_image(job.id, image.index)
            whole = data if isinstance(data, bytes) else b"".join([piece async for piece in data])
            extension = image.media_type.rpartition("/")[2].replace("jpeg", "jpg")
            path = out / f"{job.id[:8]}-{image.index}.{extension}"
            _write(path, whole)
            files.append(str(path))
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


def _quiet(_: str, __: float | None) -> None:
    """Progress for nobody."""


def _bar(status: str, fraction: float | None) -> None:
    width = 30
    filled = round((fraction or 0.0) * width)
    end = "\n" if JobStatus(status).terminal else ""
    sys.stderr.write(f"\r{status:<9} [{'#' * filled}{'.' * (width - filled)}] {end}")
    sys.stderr.flush()

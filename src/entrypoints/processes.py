"""The long-running commands: each opens its part of the house, says where it is, and closes it when told to stop."""

import asyncio
import importlib.metadata
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from entrypoints.gui_process import api_url, gui_running
from entrypoints.health import life_sign
from entrypoints.lifespan import distributed_api, distributed_worker, embedded
from entrypoints.settings import Settings, SettingsError
from entrypoints.stopping import stop_signals
from imaging_core.ports import JobQuery
from imaging_core.service import ImagingService

if TYPE_CHECKING:
    from entrypoints.api import ApiConfig

# FastAPI and uvicorn are loaded by the commands that serve: a worker that follows a killed one is there sooner without.

log = logging.getLogger("imaging")


def _say(line: str = "") -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


async def run_up(settings: Settings, *, gui: bool) -> int:
    """Everything in one process, the page as its child."""
    from entrypoints.api import create_app  # noqa: PLC0415  # not for workers
    from entrypoints.serving import listening_socket, refuse_open_door, serve  # noqa: PLC0415  # not for workers

    refuse_open_door(settings)
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stop_signals())
        sock = stack.enter_context(listening_socket(settings.host, settings.port, "IMAGING_PORT"))
        if gui:
            # Bound and let go: Streamlit would otherwise take the next free port without a word.
            listening_socket(settings.host, settings.gui_port, "IMAGING_GUI_PORT").close()
        service, dispatcher = await stack.enter_async_context(embedded(settings))
        page = await stack.enter_async_context(gui_running(settings)) if gui else None
        app = create_app(service, config=_api_config(settings, service))
        watching = asyncio.create_task(_watch_page(page)) if page else None
        await serve(app, sock, stop, ready=lambda: _announce(settings, service, gui=gui))
        if watching:
            watching.cancel()
        _say("Stopping: running pictures get a moment to end; unfinished jobs go on at the next start.")
        await dispatcher.drain(settings.grace_s)
    return 0


async def run_api(settings: Settings) -> int:
    """The API over Redis."""
    from entrypoints.api import create_app  # noqa: PLC0415  # not for workers
    from entrypoints.serving import listening_socket, refuse_open_door, serve  # noqa: PLC0415  # not for workers

    refuse_open_door(settings)
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stop_signals())
        sock = stack.enter_context(listening_socket(settings.host, settings.port, "IMAGING_PORT"))
        service = await stack.enter_async_context(distributed_api(settings))
        app = create_app(service, config=_api_config(settings, service))
        await serve(app, sock, stop, ready=lambda: _say(f"API ready at {api_url(settings)} (docs at /docs)"))
    return 0


async def run_worker(settings: Settings, backends: Sequence[str]) -> int:
    """A worker over Redis, until told to stop; then running jobs end or are handed over."""
    names = tuple(backends) or tuple(settings.worker_slots)
    for name in names:
        if name in settings.unconfigured:
            raise SettingsError(settings.unconfigured[name])
        if name not in settings.worker_slots:
            raise SettingsError(
                f"--backend: there is no backend of that name. There are: {', '.join(settings.worker_slots)}."
            )
    if not names:
        raise SettingsError("No backend is set up. " + " ".join(settings.unconfigured.values()))
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stop_signals())
        dispatcher = await stack.enter_async_context(distributed_worker(settings, names))
        alive = asyncio.create_task(_show_life(settings))
        _say(f"Worker ready for: {', '.join(names)}")
        await stop.wait()
        _say("Stopping: running jobs end or are handed over.")
        await dispatcher.drain(settings.grace_s)
        alive.cancel()
    return 0


async def run_gui(settings: Settings) -> int:
    """The page alone, over an API elsewhere."""
    from entrypoints.serving import listening_socket, refuse_open_door  # noqa: PLC0415  # not for workers

    refuse_open_door(settings)
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stop_signals())
        listening_socket(settings.host, settings.gui_port, "IMAGING_GUI_PORT").close()
        page = await stack.enter_async_context(gui_running(settings))
        _say(f"GUI at http://{settings.host}:{settings.gui_port}, talking to the API at {api_url(settings)}")
        ended = asyncio.create_task(page.wait())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not stop.is_set():
            _say(f"The page ended by itself with status {page.returncode}.")
            return 1
    return 0


async def _show_life(settings: Settings) -> None:
    sign = life_sign(settings)
    while True:
        sign.touch()
        await asyncio.sleep(settings.sweep_s)


async def _watch_page(page: asyncio.subprocess.Process) -> None:
    status = await page.wait()
    log.error("The page's server ended with status %s; the API goes on without it.", status)


def _api_config(settings: Settings, service: ImagingService) -> "ApiConfig":
    from adapters.pillow.rendering import PillowRenderer  # noqa: PLC0415  # not for workers
    from entrypoints.api import ApiConfig  # noqa: PLC0415  # not for workers

    return ApiConfig(
        renderer=PillowRenderer(),
        picture_cache_bytes=settings.picture_cache_mb << 20,
        images_backend=settings.images_backend,
        readiness={"jobs": _jobs_check(service), "storage": service.check_room},
        version=importlib.metadata.version("imaging-service"),
    )


def _jobs_check(service: ImagingService) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        # A listing asks the repository itself, whether or not a backend is set up.
        await service.jobs.list(JobQuery(limit=1))
        for name in service.backend_names:
            await service.jobs.state(name)

    return check


def _announce(settings: Settings, service: ImagingService, *, gui: bool) -> None:
    version = importlib.metadata.version("imaging-service")
    _say(f"\nImaging {version} is up. Data: {settings.data_dir}")
    if gui:
        _say(f"  GUI  http://{settings.host}:{settings.gui_port}   <- open this")
    _say(f"  API  {api_url(settings)}   (docs at {api_url(settings)}/docs)")
    _say(f"  Backends: {', '.join(service.backend_names) or 'none'}")
    if settings.demo:
        _say("  The demo draws procedural pictures; it is not AI. For real ones:")
    for sentence in service.unconfigured.values():
        _say(f"  - {sentence}")
    if settings.redis_url is not None:
        _say("  A Redis is set, but `imaging up` does not use it; `imaging api`, `worker` and `gui` do.")
    who = "on the network" if settings.opens_to_network else "on this machine"
    _say(f"  No key is asked for: anybody {who} may use it. Ctrl-C ends it.\n")

"""The long-running commands: each opens its part of the house, says where it is, and closes it when told to stop."""

import asyncio
import importlib.metadata
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from entrypoints.gui_process import api_url, gui_running
from entrypoints.health import life_sign
from entrypoints.lifespan import Opened, distributed_api, distributed_worker, embedded
from entrypoints.logs import announce
from entrypoints.open_door import refuse_open_page
from entrypoints.settings import Settings, SettingsError
from entrypoints.stopping import stop_signals
from imaging_core.ports import JobQuery
from imaging_core.service import ImagingService

if TYPE_CHECKING:
    from entrypoints.api import ApiConfig

# FastAPI and uvicorn are loaded by the commands that serve: a worker that follows a killed one is there sooner without.

log = logging.getLogger("imaging")


async def run_up(settings: Settings, *, gui: bool) -> int:
    """Everything in one process, the page as its child."""
    from entrypoints.api import create_app  # noqa: PLC0415  # not for workers
    from entrypoints.serving import listening_socket, serve  # noqa: PLC0415  # not for workers

    if gui:
        refuse_open_page(settings, of_ours=True)
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stop_signals())
        sock = stack.enter_context(listening_socket(settings.host, settings.port, "IMAGING_PORT"))
        if gui:
            # Bound and let go: Streamlit would otherwise take the next free port without a word.
            listening_socket(settings.host, settings.gui_port, "IMAGING_GUI_PORT").close()
        with stop.ends_opening():
            opened = await stack.enter_async_context(embedded(settings, serves=True))
        page = await stack.enter_async_context(gui_running(settings)) if gui else None
        config = await _api_config(settings, opened)
        await stack.enter_async_context(_counting(opened.service, config))
        app = create_app(opened.service, config=config)
        watching = asyncio.create_task(_watch_page(page)) if page else None
        locked = await opened.keyring.locked()
        await serve(
            app,
            sock,
            stop,
            ready=lambda: _announce(settings, opened.service, gui=gui, locked=locked),
            trusted_proxies=settings.trusted_proxies,
            root_path=settings.root_path,
        )
        if watching:
            watching.cancel()
        announce("Stopping: running pictures get a moment to end; unfinished jobs go on at the next start.")
        await opened.dispatcher.drain(settings.grace_s)
    return 0


async def run_api(settings: Settings) -> int:
    """The API over Redis."""
    from entrypoints.api import create_app  # noqa: PLC0415  # not for workers
    from entrypoints.serving import listening_socket, serve  # noqa: PLC0415  # not for workers

    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stop_signals())
        sock = stack.enter_context(listening_socket(settings.host, settings.port, "IMAGING_PORT"))
        with stop.ends_opening():
            opened = await stack.enter_async_context(distributed_api(settings))
        config = await _api_config(settings, opened)
        await stack.enter_async_context(_counting(opened.service, config))
        app = create_app(opened.service, config=config)
        who = _who_may(settings, locked=await opened.keyring.locked())
        await serve(
            app,
            sock,
            stop,
            ready=lambda: announce(f"API ready at {api_url(settings)} (docs at /docs). {who}"),
            trusted_proxies=settings.trusted_proxies,
            root_path=settings.root_path,
        )
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
        with stop.ends_opening():
            dispatcher = await stack.enter_async_context(distributed_worker(settings, names))
        alive = asyncio.create_task(_show_life(settings))
        announce(f"Worker ready for: {', '.join(names)}")
        await stop.wait()
        announce("Stopping: running jobs end or are handed over.")
        await dispatcher.drain(settings.grace_s)
        alive.cancel()
    return 0


async def run_gui(settings: Settings) -> int:
    """The page alone, over an API elsewhere."""
    from entrypoints.serving import listening_socket  # noqa: PLC0415  # not for workers

    refuse_open_page(settings, of_ours=False)
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stop_signals())
        listening_socket(settings.host, settings.gui_port, "IMAGING_GUI_PORT").close()
        page = await stack.enter_async_context(gui_running(settings))
        announce(f"GUI at http://{settings.host}:{settings.gui_port}, talking to the API at {api_url(settings)}")
        ended = asyncio.create_task(page.wait())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not stop.is_set():
            announce(f"The page ended by itself with status {page.returncode}.")
            return 1
    return 0


@asynccontextmanager
async def _counting(service: ImagingService, config: "ApiConfig") -> AsyncIterator[None]:
    counting = asyncio.create_task(config.figures.jobs.follow(service.events))
    try:
        yield
    finally:
        counting.cancel()
        await asyncio.wait({counting})


async def _show_life(settings: Settings) -> None:
    told = False
    while True:
        try:
            # Its folder anew too: one that is meant for what passes may be tidied up by others.
            life_sign(settings).touch()
            told = False
        except OSError as error:
            if not told:
                log.warning("Health checks cannot be shown that this worker is alive: %s", error)
            told = True
        await asyncio.sleep(settings.sweep_s)


async def _watch_page(page: asyncio.subprocess.Process) -> None:
    status = await page.wait()
    log.error("The page's server ended with status %s; the API goes on without it.", status)


async def _api_config(settings: Settings, opened: Opened) -> "ApiConfig":
    from adapters.pillow.intake import IntakeLimits, PillowIntake  # noqa: PLC0415  # not for workers
    from adapters.pillow.rendering import PillowRenderer  # noqa: PLC0415  # not for workers
    from entrypoints.api import ApiConfig  # noqa: PLC0415  # not for workers
    from entrypoints.api.access import Access  # noqa: PLC0415  # not for workers
    from entrypoints.api.figures import Figures  # noqa: PLC0415  # not for workers
    from entrypoints.api.signing import SECRET, PictureSigner  # noqa: PLC0415  # not for workers

    service, version = opened.service, importlib.metadata.version("imaging-service")
    return ApiConfig(
        access=Access(
            keyring=opened.keyring,
            meter=opened.meter,
            signer=PictureSigner(await opened.keyring.secret(SECRET)),
            allowed_hosts=settings.our_names,
            cors_origins=settings.cors_origins,
            open_metrics=settings.open_metrics,
        ),
        renderer=PillowRenderer(),
        intake=PillowIntake(IntakeLimits(max_bytes=settings.max_picture_bytes, max_pixels=settings.max_picture_pixels)),
        max_picture_bytes=settings.max_picture_bytes,
        picture_cache_bytes=settings.picture_cache_mb << 20,
        images_backend=settings.images_backend,
        public_url=settings.public_url and settings.public_url.rstrip("/"),
        openai_aliases=settings.openai_aliases,
        a1111=settings.a1111_api,
        link=opened.link,
        readiness={"jobs": _jobs_check(service), "storage": service.check_room},
        version=version,
        figures=Figures(version=version, webhooks=opened.webhook_outcomes),
        access_lines=settings.access_log,
    )


def _jobs_check(service: ImagingService) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        # A listing asks the repository itself, whether or not a backend is set up.
        await service.jobs.list(JobQuery(limit=1))
        for name in service.backend_names:
            await service.jobs.state(name)

    return check


def _announce(settings: Settings, service: ImagingService, *, gui: bool, locked: bool) -> None:
    version = importlib.metadata.version("imaging-service")
    announce(f"\nImaging {version} is up. Data: {settings.data_dir}")
    if gui:
        announce(f"  GUI  http://{settings.host}:{settings.gui_port}   <- open this")
    announce(f"  API  {api_url(settings)}   (docs at {api_url(settings)}/docs)")
    announce(f"  Backends: {', '.join(service.backend_names) or 'none'}")
    if settings.demo:
        announce("  The demo draws procedural pictures; it is not AI. For real ones:")
    for sentence in service.unconfigured.values():
        announce(f"  - {sentence}")
    if settings.redis_url is not None:
        announce("  A Redis is set, but `imaging up` does not use it; `imaging api`, `worker` and `gui` do.")
    if locked and gui and settings.api_key is None:
        announce(
            "  The page sends no key: its visitors enter theirs on Settings, or set IMAGING_API_KEY to one for all."
        )
    announce(f"  {_who_may(settings, locked=locked)} Ctrl-C ends it.\n")


def _who_may(settings: Settings, *, locked: bool) -> str:
    if locked:
        return "A key is needed."
    who = "on the network" if settings.opens_to_network else "on this machine"
    return f"No key is asked for: anybody {who} may use it (`imaging keys create NAME` ends that)."

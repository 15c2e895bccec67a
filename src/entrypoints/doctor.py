"""Shows what the settings mean and whether each part answers; imports the container."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from adapters.redis import RedisLink, RedisWorkerBook, check_durability
from entrypoints.container.distributed import broker_url_of
from entrypoints.container.service import ServiceContainer
from entrypoints.lifespan import built
from entrypoints.settings import Settings, SettingsError
from imaging_core.errors import ADVICE, GenerationError, ImagingError

_DEMO = "Backend 'demo' is what `imaging up` draws with as long as no other one is set up."


async def run_doctor(settings: Settings, *, everything: bool = False) -> int:
    """Print the settings that are not as they come, or all, and how each part does; 0 if all that are set up answer, else 1."""
    _settings(settings, everything=everything)
    _say("\nParts")
    well = True
    for title, check in _checks(settings).items():
        try:
            message, good = await check(), True
        except GenerationError as error:
            message, good = f"{error} {ADVICE[error.code]}", False
        except (ImagingError, SettingsError) as error:
            message, good = str(error), False
        well = well and good
        _say(f"  {'ok  ' if good else 'FAIL'} {title}: {message}")
    for name, sentence in settings.unconfigured.items():
        on_its_own = (
            name == "demo" and settings.demo is None and settings.demo_by_default and settings.redis_url is None
        )
        _say(f"  --   {_DEMO if on_its_own else sentence}")
    return 0 if well else 1


def _settings(settings: Settings, *, everything: bool) -> None:
    _say("Settings")
    usual = 0
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        changed = value != field.get_default(call_default_factory=True)
        usual += not changed
        if changed or everything:
            _say(f" {'*' if changed else ' '} IMAGING_{name.upper():<24} {_shown(value)}")
    told = "(* differs from the default" if everything else f"({usual} have their defaults; --all shows them too"
    _say(f"   {told}; secrets are not shown)")


def _checks(settings: Settings) -> dict[str, Callable[[], Awaitable[str]]]:
    container = ServiceContainer(settings=settings)

    async def pictures() -> str:
        store = container.store()
        await store.check()
        return f"{store.root} can be written."

    checks: dict[str, Callable[[], Awaitable[str]]] = {"Pictures": pictures}
    if settings.redis_url is not None:
        url = settings.redis_url.get_secret_value()
        checks["Redis (jobs)"] = lambda: _redis(url, "IMAGING_REDIS_URL", settings)
        checks["Workers"] = lambda: _workers(url, settings)
        broker_setting = "IMAGING_REDIS_URL" if settings.broker_url is None else "IMAGING_BROKER_URL"
        checks["Redis (doorbell)"] = lambda: _redis(broker_url_of(settings), broker_setting, settings)
    for name in settings.worker_slots:
        checks[f"Backend {name}"] = lambda name=name: _backend(container, name)  # type: ignore[misc]
    return checks


async def _redis(url: str, setting: str, settings: Settings) -> str:
    async with _linked(url, setting, settings) as link:
        await check_durability(link, allow_volatile=settings.allow_volatile)
        return f"{link.address} answers and keeps what it is given."


async def _workers(url: str, settings: Settings) -> str:
    async with _linked(url, "IMAGING_REDIS_URL", settings) as link:
        seen = await RedisWorkerBook(link).seen()
    # None is no fault: whoever looks may be about to start some.
    return ", ".join(f"{one.sign.name} ({', '.join(one.sign.slots)})" for one in seen) or "none is alive."


@asynccontextmanager
async def _linked(url: str, setting: str, settings: Settings) -> AsyncIterator[RedisLink]:
    link = built(lambda: RedisLink(url, prefix=settings.redis_prefix, setting=setting))
    try:
        yield link
    finally:
        await link.aclose()


async def _backend(container: ServiceContainer, name: str) -> str:
    # Made all together: one that refuses what it was told keeps the others from starting too.
    generator = built(container.generators)[name]
    if not isinstance(generator, AbstractAsyncContextManager):
        return str(await generator.probe())
    async with generator:
        return str(await generator.probe())


def _shown(value: object) -> str:
    if hasattr(value, "get_secret_value"):
        return "(set)"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None else str(value)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")

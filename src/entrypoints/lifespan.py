"""Opens what a process needs and closes it again, in one order for the API, the worker and tests; imports the container."""

import asyncio
import importlib.metadata
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from typing import TYPE_CHECKING, TypeVar

import attrs

from entrypoints.container.pictures import Link
from entrypoints.container.service import ServiceContainer
from entrypoints.open_door import refuse_open_api
from entrypoints.settings import Settings, SettingsError
from imaging_core.deliveries import DeliveryState
from imaging_core.dispatcher import Dispatcher
from imaging_core.errors import StorageFull
from imaging_core.key_ports import RequestMeter
from imaging_core.keyring import Keyring
from imaging_core.service import ImagingService

if TYPE_CHECKING:
    from entrypoints.container.distributed import DistributedPorts

T = TypeVar("T")

#: How long a worker reads nothing of the event log after news, in s: it listens for cancels only, and each reading is a turn
#: that it takes from the job which made the news.
_WORKER_RESTS_S = 0.05


@attrs.frozen(kw_only=True)
class Opened:
    """What a process that answers callers works with."""

    service: ImagingService
    keyring: Keyring
    #: Counts the requests of keys.
    meter: RequestMeter
    #: What came of this process' messages to webhooks.
    webhook_outcomes: Mapping[DeliveryState, int]
    #: Gives links to pictures, when callers are to be sent to where they are.
    link: Link | None


@attrs.frozen(kw_only=True)
class OpenedHere(Opened):
    """The same with a worker in it."""

    dispatcher: Dispatcher


def built(provider: Callable[[], T]) -> T:
    """What the provider makes. Raises SettingsError where a part refuses what it was told, which is a setting."""
    try:
        return provider()
    except ValueError as error:
        raise SettingsError(str(error)) from None


@asynccontextmanager
async def redis_ports(settings: Settings) -> AsyncIterator["DistributedPorts"]:
    """The ports over Redis, for a command that looks or changes something once. Raises SettingsError."""
    from entrypoints.container.distributed import DistributedPorts  # noqa: PLC0415  # not for the embedded mode

    ports = DistributedPorts(settings=settings)
    link = built(ports.link)
    try:
        yield ports
    finally:
        await link.aclose()


@asynccontextmanager
async def embedded(settings: Settings, *, serves: bool = False) -> AsyncIterator[OpenedHere]:
    """The service and its worker in this process; `serves` tells that others will come in through a door.

    Raises Unavailable for a data folder that cannot be used, and SettingsError for a door that must not be open.
    """
    from entrypoints.container.embedded import EmbeddedPorts  # noqa: PLC0415  # not for the distributed mode

    ports = EmbeddedPorts(settings=settings)
    container = ServiceContainer(settings=settings, ports=ports)
    async with AsyncExitStack() as stack:
        database = ports.database()
        await database.open()
        stack.push_async_callback(database.close)
        keyring = container.keyring()
        if serves:
            # Before anything is begun that may cost something.
            await refuse_open_api(settings, keyring)
        await container.store().check()
        await _open_generators(container, stack)
        # The folder's lock proves that whoever held these leases is dead: nobody needs to wait for them to run out.
        await ports.jobs().release_leases()
        await _measuring(container, stack)
        service, dispatcher = container.service(), container.dispatcher()
        stack.callback(ports.queue().listen(dispatcher.ring))
        stack.push_async_callback(service.close)
        stack.push_async_callback(dispatcher.abandon)
        _dispatching(dispatcher, stack)
        _living(container, ports.worker(), dispatcher, stack)
        _tidying(container, settings, stack)
        _moving(container, settings, stack)
        _delivering(container, stack)
        _settling(container, stack)
        yield OpenedHere(
            service=service,
            keyring=keyring,
            meter=ports.meter(),
            webhook_outcomes=container.deliverer().outcomes,
            link=container.link(),
            dispatcher=dispatcher,
        )


@asynccontextmanager
async def distributed_api(settings: Settings) -> AsyncIterator[Opened]:
    """The service over Redis, with no worker in it. Raises Unavailable, UnsuitableRedis, and SettingsError for an open door."""
    from entrypoints.container.distributed import DistributedPorts  # noqa: PLC0415  # not for the embedded mode

    ports = DistributedPorts(settings=settings)
    container = ServiceContainer(settings=settings, ports=ports)
    async with AsyncExitStack() as stack:
        await _open_redis(ports, settings, stack)
        keyring = container.keyring()
        await refuse_open_api(settings, keyring)
        await _open_generators(container, stack)
        await _measuring(container, stack)
        service = container.service()
        stack.push_async_callback(service.close)
        sweeping = asyncio.create_task(container.sweeper().run(every_s=settings.sweep_s))
        stack.push_async_callback(_cancel, sweeping)
        _moving(container, settings, stack)
        _watching(container, stack)
        _delivering(container, stack)
        _settling(container, stack)
        yield Opened(
            service=service,
            keyring=keyring,
            meter=ports.meter(),
            webhook_outcomes=container.deliverer().outcomes,
            link=container.link(),
        )


@asynccontextmanager
async def distributed_worker(settings: Settings, backends: Sequence[str]) -> AsyncIterator[Dispatcher]:
    """A worker for these backends, rung by Dramatiq. Raises Unavailable and UnsuitableRedis."""
    from entrypoints.container.distributed import DistributedPorts  # noqa: PLC0415  # not for the embedded mode

    ports = DistributedPorts(settings=settings, events_rest_s=_WORKER_RESTS_S)
    container = ServiceContainer(settings=settings, ports=ports)
    async with AsyncExitStack() as stack:
        await _open_redis(ports, settings, stack)
        await container.store().check()
        await _open_generators(container, stack)
        dispatcher = container.dispatcher(slots={name: settings.worker_slots[name] for name in backends})
        listener = ports.listener(backends=backends, on_ring=dispatcher.take, free=dispatcher.room)
        stack.push_async_callback(dispatcher.abandon)
        stack.push_async_callback(listener.stop)
        # The last that is waited for: from here on there may be work, which must not be dropped by a stop at the start.
        await listener.start()
        _dispatching(dispatcher, stack)
        _living(container, ports.worker(), dispatcher, stack)
        _tidying(container, settings, stack)
        yield dispatcher


async def _open_redis(ports: "DistributedPorts", settings: Settings, stack: AsyncExitStack) -> None:
    from adapters.redis import check_durability  # noqa: PLC0415  # not for the embedded mode

    link = built(ports.link)
    stack.push_async_callback(link.aclose)
    await check_durability(link, allow_volatile=settings.allow_volatile)
    stack.push_async_callback(ports.events().aclose)
    stack.push_async_callback(built(ports.queue).aclose)


async def _open_generators(container: ServiceContainer, stack: AsyncExitStack) -> None:
    store = container.store()
    if isinstance(store, AbstractContextManager):
        # A bucket's has threads. Everybody who may use it is opened later, and so closed before.
        stack.enter_context(store)
    for generator in built(container.generators).values():
        if isinstance(generator, AbstractAsyncContextManager):
            await stack.enter_async_context(generator)


def _dispatching(dispatcher: Dispatcher, stack: AsyncExitStack) -> None:
    stack.push_async_callback(_cancel, asyncio.create_task(dispatcher.run()))


async def _measuring(container: ServiceContainer, stack: AsyncExitStack) -> None:
    quota = container.quota()
    # The first count is waited for, so that nothing is taken on a guess; without a limit there is none.
    with suppress(StorageFull):
        await quota.check()
    stack.push_async_callback(_cancel, asyncio.create_task(quota.run()))


def _tidying(container: ServiceContainer, settings: Settings, stack: AsyncExitStack) -> None:
    # Nobody waits for a job to be deleted, so this need not be as quick as the sweep.
    running = asyncio.create_task(container.janitor().run(every_s=30 * settings.sweep_s))
    stack.push_async_callback(_cancel, running)


def _watching(container: ServiceContainer, stack: AsyncExitStack) -> None:
    # In an API too: how many wait must be known above all while there is no worker left.
    watching = asyncio.create_task(container.pulse().watch(container.service().backend_names))
    stack.push_async_callback(_cancel, watching)


def _living(container: ServiceContainer, name: str, dispatcher: Dispatcher, stack: AsyncExitStack) -> None:
    pulse, version = container.pulse(), importlib.metadata.version("imaging-service")
    stack.push_async_callback(_cancel, asyncio.create_task(pulse.watch(tuple(dispatcher.slots))))
    living = asyncio.create_task(pulse.live(name, version, dispatcher.slots, lambda: dispatcher.free))
    stack.push_async_callback(_cancel, living)


def _moving(container: ServiceContainer, settings: Settings, stack: AsyncExitStack) -> None:
    # Where submits are answered, and not in a worker: its settings may know neither the other backends nor the limits. Half
    # as often as the sweep: nothing is lost meanwhile, and an idle service should ask little of its Redis.
    stack.push_async_callback(_cancel, asyncio.create_task(container.mover().run(every_s=2 * settings.sweep_s)))


def _settling(container: ServiceContainer, stack: AsyncExitStack) -> None:
    stack.push_async_callback(_cancel, asyncio.create_task(container.settling().run()))


def _delivering(container: ServiceContainer, stack: AsyncExitStack) -> None:
    # Where callers are answered, not where pictures are made: a slow receiver costs no worker anything.
    stack.push_async_callback(_cancel, asyncio.create_task(container.deliverer().run()))


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

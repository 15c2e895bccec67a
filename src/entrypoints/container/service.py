"""What both modes share: pictures, backends, and the core over the ports of either; imports adapters and dependency_injector."""

import importlib.metadata
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from dependency_injector import containers, providers

from entrypoints.container.pictures import PictureStore, link_of, picture_store
from entrypoints.settings import Settings
from imaging_core.capabilities import Capabilities
from imaging_core.deliverer import Deliverer
from imaging_core.deliveries import Delivery
from imaging_core.dispatcher import Dispatcher
from imaging_core.janitor import Janitor
from imaging_core.jobs import Job
from imaging_core.keyring import Keyring
from imaging_core.moving import Mover
from imaging_core.outbox import WebhookSender
from imaging_core.ports import Generators, ImageGenerator
from imaging_core.provenance import Marker
from imaging_core.pulse import Pulse
from imaging_core.quota import StorageQuota
from imaging_core.runner import JobRunner
from imaging_core.runner_parts import Mark, RunnerParts
from imaging_core.service import ImagingService
from imaging_core.spending import Budget, Settling, listed_price
from imaging_core.sweep import Sweeper
from imaging_core.webhook_desk import WebhookDesk

# A backend's technology is loaded only when it is set up: numpy, Pillow and httpx are most of a start's time.


def _stability(settings: Settings) -> ImageGenerator:
    from adapters.stability import StabilityGenerator, StabilityKey, StabilitySettings  # noqa: PLC0415

    key = settings.stability_api_key
    return StabilityGenerator(
        StabilitySettings(
            key=StabilityKey(key.get_secret_value() if key else ""),
            base_url=settings.stability_base_url,
            total_timeout_s=settings.stability_timeout_s,
        )
    )


def _sdwebui(settings: Settings) -> ImageGenerator:
    from adapters.sdwebui import SdWebuiGenerator, SdWebuiSettings  # noqa: PLC0415

    auth = settings.sdwebui_auth
    return SdWebuiGenerator(SdWebuiSettings(urls=settings.sdwebui_urls, auth=auth.get_secret_value() if auth else None))


def _demo(settings: Settings) -> ImageGenerator:
    from adapters.demo import DemoGenerator  # noqa: PLC0415

    return DemoGenerator(step_s=settings.demo_step_s)


def _webhook_sender(settings: Settings) -> WebhookSender:
    from adapters.webhooks import Allowed, HttpWebhookSender, SystemResolver  # noqa: PLC0415

    return HttpWebhookSender(
        resolve=SystemResolver(), allowed=Allowed(settings.webhook_allow), timeout_s=settings.webhook_timeout_s
    )


def _webhook_payload(settings: Settings) -> Callable[[Job, Delivery], bytes]:
    from entrypoints.api.webhook_payload import webhook_payload  # noqa: PLC0415  # not for workers

    return partial(webhook_payload, public_url=(settings.public_url or "").rstrip("/"))


def _mark(settings: Settings) -> Mark | None:
    return Marker(version=importlib.metadata.version("imaging-service")) if settings.embed_metadata else None


def _prices(generators: Generators) -> Callable[[Job], Awaitable[float]]:
    async def capabilities(backend: str) -> Capabilities:
        return await generators[backend].capabilities()

    return listed_price(capabilities)


def _given_keys(settings: Settings) -> tuple[str, ...]:
    return tuple(key.get_secret_value() for key in settings.api_keys)


def _configured(backends: Mapping[str, ImageGenerator], settings: Settings) -> dict[str, ImageGenerator]:
    return {name: make() for name, make in backends.items() if name not in settings.unconfigured}  # type: ignore[operator]


class ServiceContainer(containers.DeclarativeContainer):
    """The service over a mode's ports."""

    settings = providers.Dependency(instance_of=Settings)
    #: jobs, events, outbox, keys, spending, meter, workers, history, queue, gate and worker: an `EmbeddedPorts` or a `DistributedPorts`.
    ports = providers.DependenciesContainer()

    store: providers.Provider[PictureStore] = providers.Singleton(picture_store, settings)
    link = providers.Callable(link_of, store, settings)

    # --- backends: one line each ---
    backends = providers.Dict(
        stability=providers.Singleton(_stability, settings).provider,
        local=providers.Singleton(_sdwebui, settings).provider,
        demo=providers.Singleton(_demo, settings).provider,
    )
    generators = providers.Singleton(_configured, backends, settings)

    # --- the core over them ---
    keyring = providers.Singleton(Keyring, ports.keys, given=providers.Callable(_given_keys, settings))
    quota = providers.Singleton(StorageQuota, store, settings.provided.max_storage)
    webhook_sender = providers.Singleton(_webhook_sender, settings)
    webhooks = providers.Singleton(WebhookDesk, ports.outbox, webhook_sender)
    settling = providers.Singleton(Settling, ports.jobs, ports.spending)
    budget = providers.Singleton(
        Budget,
        ports.jobs,
        ports.spending,
        settling,
        limits_of=keyring.provided.limits_of,
        price_of=providers.Callable(_prices, generators),
        credits_per_day=settings.provided.credits_per_day,
    )
    service = providers.Singleton(
        ImagingService,
        jobs=ports.jobs,
        queue=ports.queue,
        events=ports.events,
        store=store,
        gate=ports.gate,
        generators=generators,
        limits=settings.provided.run_limits,
        queue_limits=settings.provided.queue_limits,
        unconfigured=settings.provided.unconfigured,
        admit=quota.provided.check,
        webhooks=webhooks,
        adding=budget,
        allowances=budget,
        auto=settings.provided.auto,
        workers=ports.workers,
        history=ports.history,
    )
    mover = providers.Singleton(Mover, service)
    pulse = providers.Singleton(Pulse, ports.jobs, ports.workers, ports.history)
    deliverer = providers.Singleton(
        Deliverer,
        jobs=ports.jobs,
        events=ports.events,
        outbox=ports.outbox,
        sender=webhook_sender,
        payload=providers.Callable(_webhook_payload, settings),
        schedule=settings.provided.webhook_schedule,
        limits=settings.provided.webhook_limits,
    )
    sweeper = providers.Singleton(Sweeper, ports.jobs, store, settings.provided.run_limits)
    janitor = providers.Singleton(Janitor, ports.jobs, store, keep_days=settings.provided.keep_days)
    parts = providers.Singleton(
        RunnerParts,
        jobs=ports.jobs,
        store=store,
        gate=ports.gate,
        events=ports.events,
        generators=generators,
        worker=ports.worker,
        limits=settings.provided.run_limits,
        retry=settings.provided.retry_policy,
        mark=providers.Callable(_mark, settings),
    )
    runner = providers.Singleton(JobRunner, parts)
    dispatcher = providers.Singleton(
        Dispatcher,
        runner,
        sweeper,
        ports.events,
        slots=settings.provided.worker_slots,
        sweep_s=settings.provided.sweep_s,
    )

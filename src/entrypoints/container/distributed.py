"""The ports of many processes on many hosts: Redis for jobs, events and gate, Dramatiq for the bell; imports the adapters of that mode."""

import socket

from dependency_injector import containers, providers

from adapters.dramatiq_queue import DramatiqJobQueue, DramatiqListener, default_broker_url
from adapters.redis import (
    RedisGate,
    RedisJobEvents,
    RedisJobRepository,
    RedisKeyRepository,
    RedisLink,
    RedisQueueHistory,
    RedisRequestMeter,
    RedisSpendBook,
    RedisWebhookOutbox,
    RedisWorkerBook,
)
from entrypoints.settings import Settings, SettingsError
from imaging_core.ids import new_token


def _redis_link(settings: Settings) -> RedisLink:
    if settings.redis_url is None:
        raise SettingsError("IMAGING_REDIS_URL: is not set. Set it, or use `imaging up`, which needs no Redis.")
    return RedisLink(settings.redis_url.get_secret_value(), prefix=settings.redis_prefix)


def broker_url_of(settings: Settings) -> str:
    """The Redis of the doorbell: the set one, or the database after the jobs'. Raises SettingsError."""
    if settings.broker_url is not None:
        return settings.broker_url.get_secret_value()
    if settings.redis_url is None:
        raise SettingsError("IMAGING_REDIS_URL: is not set.")
    try:
        return default_broker_url(settings.redis_url.get_secret_value())
    except ValueError:
        raise SettingsError("IMAGING_REDIS_URL is not a URL like redis://:password@host:6379/0.") from None


class DistributedPorts(containers.DeclarativeContainer):
    """Everything behind Redis, for any number of processes on any number of hosts."""

    settings = providers.Dependency(instance_of=Settings)
    events_rest_s = providers.Dependency(instance_of=float, default=0.0)
    worker = providers.Singleton(lambda: f"{socket.gethostname()}-{new_token()}")
    link = providers.Singleton(_redis_link, settings)
    jobs = providers.Singleton(RedisJobRepository, link)
    events = providers.Singleton(RedisJobEvents, link, rest_s=events_rest_s)
    outbox = providers.Singleton(RedisWebhookOutbox, link)
    gate = providers.Singleton(RedisGate, link, settings.provided.gate_limits)
    keys = providers.Singleton(RedisKeyRepository, link)
    spending = providers.Singleton(RedisSpendBook, link)
    meter = providers.Singleton(RedisRequestMeter, link)
    workers = providers.Singleton(RedisWorkerBook, link)
    history = providers.Singleton(RedisQueueHistory, link)
    broker_url = providers.Singleton(broker_url_of, settings)
    # Two installations on one server must not hear each other's rings.
    namespace = providers.Singleton("{}dramatiq".format, settings.provided.redis_prefix)
    queue = providers.Singleton(DramatiqJobQueue, broker_url, namespace=namespace)
    listener = providers.Factory(DramatiqListener, broker_url, namespace=namespace)

"""The ports of one process: SQLite and a bell in memory; imports the adapters of that mode and dependency_injector."""

from dependency_injector import containers, providers

from adapters.sqlite import (
    SqliteDatabase,
    SqliteJobEvents,
    SqliteJobRepository,
    SqliteKeyRepository,
    SqliteQueueHistory,
    SqliteSpendBook,
    SqliteWebhookOutbox,
)
from entrypoints.settings import Settings
from imaging_core.ids import new_token
from imaging_core.memory import MemoryGate, MemoryJobQueue, MemoryRequestMeter, MemoryWorkerBook


class EmbeddedPorts(containers.DeclarativeContainer):
    """Everything in this process and its data folder."""

    settings = providers.Dependency(instance_of=Settings)
    worker = providers.Singleton(lambda: f"embedded-{new_token()}")
    database = providers.Singleton(SqliteDatabase, settings.provided.data_dir)
    jobs = providers.Singleton(SqliteJobRepository, database)
    events = providers.Singleton(SqliteJobEvents, database)
    outbox = providers.Singleton(SqliteWebhookOutbox, database)
    keys = providers.Singleton(SqliteKeyRepository, database)
    spending = providers.Singleton(SqliteSpendBook, database)
    meter = providers.Singleton(MemoryRequestMeter)
    workers = providers.Singleton(MemoryWorkerBook)
    history = providers.Singleton(SqliteQueueHistory, database)
    queue = providers.Singleton(MemoryJobQueue)
    gate = providers.Singleton(MemoryGate, settings.provided.gate_limits)

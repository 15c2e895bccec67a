"""Jobs and their events in one SQLite file, for a service that runs on one host; imports stdlib, attrs and imaging_core.

async with open_database(folder) as database:
    jobs, events = SqliteJobRepository(database), SqliteJobEvents(database)
"""

from adapters.sqlite.database import SqliteDatabase, open_database
from adapters.sqlite.events import SqliteJobEvents
from adapters.sqlite.history import SqliteQueueHistory
from adapters.sqlite.keys import SqliteKeyRepository
from adapters.sqlite.repository import SqliteJobRepository
from adapters.sqlite.spending import SqliteSpendBook
from adapters.sqlite.webhook_outbox import SqliteWebhookOutbox

__all__ = [
    "SqliteDatabase",
    "SqliteJobEvents",
    "SqliteJobRepository",
    "SqliteKeyRepository",
    "SqliteQueueHistory",
    "SqliteSpendBook",
    "SqliteWebhookOutbox",
    "open_database",
]

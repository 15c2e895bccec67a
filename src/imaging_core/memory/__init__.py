"""Every port in memory: products that keep the same promises as the rest; imports stdlib, attrs and this package."""

from imaging_core.memory.gate import MemoryGate
from imaging_core.memory.image_store import MemoryImageStore
from imaging_core.memory.job_events import MemoryJobEvents
from imaging_core.memory.job_queue import MemoryJobQueue
from imaging_core.memory.job_repository import MemoryJobRepository
from imaging_core.memory.key_repository import MemoryKeyRepository
from imaging_core.memory.observing import MemoryQueueHistory, MemoryWorkerBook
from imaging_core.memory.request_meter import MemoryRequestMeter
from imaging_core.memory.spend_book import MemorySpendBook
from imaging_core.memory.webhook_outbox import MemoryWebhookOutbox

__all__ = [
    "MemoryGate",
    "MemoryImageStore",
    "MemoryJobEvents",
    "MemoryJobQueue",
    "MemoryJobRepository",
    "MemoryKeyRepository",
    "MemoryQueueHistory",
    "MemoryRequestMeter",
    "MemorySpendBook",
    "MemoryWebhookOutbox",
    "MemoryWorkerBook",
]

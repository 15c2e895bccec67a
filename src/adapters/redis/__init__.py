"""The distributed mode on one Redis: jobs, their events and the gate; imports redis-py, stdlib and the core."""

from adapters.redis.durability import UnsuitableRedis, VolatileRedis, check_durability
from adapters.redis.events import RedisJobEvents
from adapters.redis.gate import RedisGate
from adapters.redis.keys import RedisKeyRepository
from adapters.redis.link import RedisLink
from adapters.redis.observing import RedisQueueHistory, RedisWorkerBook
from adapters.redis.repository import RedisJobRepository
from adapters.redis.requests import RedisRequestMeter
from adapters.redis.spending import RedisSpendBook
from adapters.redis.webhook_outbox import RedisWebhookOutbox

__all__ = [
    "RedisGate",
    "RedisJobEvents",
    "RedisJobRepository",
    "RedisKeyRepository",
    "RedisLink",
    "RedisQueueHistory",
    "RedisRequestMeter",
    "RedisSpendBook",
    "RedisWebhookOutbox",
    "RedisWorkerBook",
    "UnsuitableRedis",
    "VolatileRedis",
    "check_durability",
]

"""The doorbell between processes: Dramatiq on Redis, rung by producers and heard by workers; nothing is global.

Imports Dramatiq, redis-py, stdlib and the core.
"""

from adapters.dramatiq_queue.listener import DramatiqListener
from adapters.dramatiq_queue.queue import DramatiqJobQueue
from adapters.dramatiq_queue.server import default_broker_url

__all__ = ["DramatiqJobQueue", "DramatiqListener", "default_broker_url"]

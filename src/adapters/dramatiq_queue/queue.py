"""Rings the doorbell through Dramatiq, without knowing who hears it; imports Dramatiq, redis-py, stdlib and the core."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from redis.exceptions import RedisError

from adapters.dramatiq_queue.broker import BellBroker
from adapters.dramatiq_queue.ring import message_for
from adapters.dramatiq_queue.server import BrokerServer
from imaging_core.errors import Unavailable

#: How long after a failed ring no other is tried, in s: behind a dead line they would queue for minutes.
_REST_S: Final = 1.0


class DramatiqJobQueue:
    """The producer. Messages go by actor name, so this process imports no worker code."""

    def __init__(self, broker_url: str, *, namespace: str = "dramatiq", setting: str = "IMAGING_BROKER_URL") -> None:
        """Prepare the bell; nothing connects before the first ring. Raises ValueError for what is no URL."""
        self._server = BrokerServer(broker_url, setting=setting)
        self._broker = BellBroker(self._server, namespace=namespace)
        # Threads of its own: a Redis that does not answer must not use up those that others need.
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="imaging-ring")
        self._rests_until = 0.0

    async def ring(self, backend: str, job_id: str) -> None:
        """Ring for a backend. Raises Unavailable when the bell cannot be rung."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._ring, backend, job_id)

    def _ring(self, backend: str, job_id: str) -> None:
        if time.monotonic() < self._rests_until:
            raise Unavailable(f"The doorbell's Redis at {self._server.address} did not answer a moment ago.")
        try:
            self._broker.enqueue(message_for(backend, job_id))
        except (RedisError, OSError) as error:
            self._rests_until = time.monotonic() + _REST_S
            raise self._server.unavailable(error) from error

    async def aclose(self) -> None:
        """Wait for the rings under way and close the connections."""
        await asyncio.to_thread(self._threads.shutdown)
        self._server.client.close()

"""Rings the doorbell through Dramatiq, without knowing who hears it; imports Dramatiq, redis-py, stdlib and the core."""

import time
from typing import Final

from redis.exceptions import RedisError

from adapters.dramatiq_queue.broker import BellBroker
from adapters.dramatiq_queue.ring import message_for
from adapters.dramatiq_queue.server import BrokerServer
from imaging_core.errors import Unavailable

#: How long after a failed ring no other is tried, in s: behind a dead line each would wait for its time-out.
_REST_S: Final = 1.0


class DramatiqJobQueue:
    """The producer. Messages go by actor name, so this process imports no worker code."""

    def __init__(self, broker_url: str, *, namespace: str = "dramatiq", setting: str = "IMAGING_BROKER_URL") -> None:
        """Prepare the bell; nothing connects before the first ring. Raises ValueError for what is no URL."""
        self._server = BrokerServer(broker_url, setting=setting)
        self._broker = BellBroker(self._server, namespace=namespace)
        self._rests_until = 0.0

    async def ring(self, backend: str, job_id: str) -> None:
        """Ring for a backend. Raises Unavailable when the bell cannot be rung."""
        if time.monotonic() < self._rests_until:
            raise Unavailable(f"The doorbell's Redis at {self._server.address} did not answer a moment ago.")
        try:
            await self._broker.ring(message_for(backend, job_id))
        except (RedisError, OSError) as error:
            self._rests_until = time.monotonic() + _REST_S
            raise self._server.unavailable(error) from error

    async def aclose(self) -> None:
        """Close the connection."""
        await self._server.line.close()

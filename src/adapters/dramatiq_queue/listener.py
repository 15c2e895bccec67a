"""Hears the doorbell within the event loop that does the work; imports Dramatiq, redis-py, stdlib and the core.

Queues, messages, what is owed for them and what becomes of a dead process's are Dramatiq's, as are the actors. Its worker's
threads are not: a ring went through four of them on its way to the loop, and an actor that waits would hold up one each.
"""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Sequence

from dramatiq import Actor
from redis.exceptions import RedisError

from adapters.dramatiq_queue.broker import BellBroker
from adapters.dramatiq_queue.inbox import Inbox
from adapters.dramatiq_queue.ring import queue_of
from adapters.dramatiq_queue.server import BrokerServer
from adapters.redis_line import listen

log = logging.getLogger("imaging.bell")

#: Pause before the bell is connected again, in s.
_RECONNECT_S = 0.5

OnRing = Callable[[str], Awaitable[bool | None]]


class DramatiqListener:
    """Hears the rings for some backends, started and stopped on the loop that does the work. Used once."""

    def __init__(
        self,
        broker_url: str,
        backends: Sequence[str],
        on_ring: OnRing,
        *,
        most: int = 4,
        free: Callable[[str], int] | None = None,
        namespace: str = "dramatiq",
        setting: str = "IMAGING_BROKER_URL",
    ) -> None:
        """Prepare to listen; nothing connects before `start`. Raises ValueError for what is no URL.

        `on_ring` returns as soon as this process has taken the ring, or False when it takes none any more. `free` tells how
        many rings of a backend the process can take now: more than those stay in Redis, for others. `most` bounds the rings
        that wait here, over all backends.
        """
        self._server = BrokerServer(broker_url, setting=setting)
        self._broker = BellBroker(self._server, namespace=namespace)
        # Each backend has a share of its own, so that rings which wait for one never keep out another's.
        share = max(1, most // max(1, len(backends)))
        self._inboxes: dict[str, Inbox] = {}
        for backend in backends:
            name = queue_of(backend)
            # Not a coroutine function, which upstream would run on a loop of its own: it gives what is to be awaited.
            hear: Callable[[str], Awaitable[bool | None]] = functools.partial(_heard, on_ring, backend)
            actor: Actor[[str], Awaitable[bool | None]] = Actor(
                hear,
                broker=self._broker,
                actor_name=name,
                queue_name=name,
                priority=0,
                options={},
            )
            asked = None if free is None else functools.partial(free, backend)
            self._inboxes[name] = Inbox(self._broker, name, actor, most=share, free=asked)
        self._bell: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen from now on. Raises Unavailable when the broker does not answer."""
        try:
            await self._server.line.ask("PING")
        except (RedisError, OSError) as error:
            await self._server.line.close()
            raise self._server.unavailable(error) from error
        for inbox in self._inboxes.values():
            inbox.start()
        self._bell = asyncio.create_task(self._listen(), name="imaging-bell")

    def nudge(self, backend: str) -> None:
        """Look for rings of a backend now, because a slot became free."""
        self._inboxes[queue_of(backend)].wake()

    async def stop(self) -> None:
        """Hear nothing more, and leave the rings that wait here to others. Returns within moments."""
        # First what needs no waiting: whoever stops it may be cancelled while waiting.
        for inbox in self._inboxes.values():
            inbox.halt()
        try:
            if self._bell is not None:
                self._bell.cancel()
                await asyncio.wait((self._bell,))
            await asyncio.gather(*(inbox.stop() for inbox in self._inboxes.values()))
        finally:
            await self._server.line.close()

    async def _listen(self) -> None:
        while True:
            try:
                await listen(self._server.pool, self._broker.channel, self._announced)
            except Exception as error:  # noqa: BLE001  # whatever it is, rings would be heard late for ever
                log.info("The bell is out of order, rings are found by looking: %s", type(error).__name__)
            await asyncio.sleep(_RECONNECT_S)

    def _announced(self, queue: bytes | None) -> None:
        """Look into a queue; into each of them when any announcement may have been missed."""
        for name, inbox in self._inboxes.items():
            if queue is None or queue == name.encode():
                inbox.wake()


def _heard(on_ring: OnRing, backend: str, job_id: str) -> Awaitable[bool | None]:  # noqa: ARG001  # it is there for logs
    return on_ring(backend)

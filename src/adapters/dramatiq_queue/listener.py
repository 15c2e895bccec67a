"""Hears the doorbell with Dramatiq's own worker, inside this process; imports Dramatiq, redis-py, stdlib and the core.

Work runs on the process's asyncio loop. An actor only hands the ring over and waits until the process has taken it, so
its thread stands for a slot that is taken, and a message stays with a process only while that can do the work.
"""

import asyncio
import concurrent.futures
import functools
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from dramatiq import Actor, Middleware, Worker
from redis.exceptions import RedisError

from adapters.dramatiq_queue.broker import Bell, BellBroker
from adapters.dramatiq_queue.ring import queue_of
from adapters.dramatiq_queue.server import BrokerServer

log = logging.getLogger("imaging.bell")

OnRing = Callable[[str], Awaitable[None]]


class DramatiqListener:
    """Dramatiq's worker for some backends, started and stopped on the loop that does the work. Used once."""

    def __init__(
        self,
        broker_url: str,
        backends: Sequence[str],
        on_ring: OnRing,
        *,
        threads: int = 4,
        free: Callable[[str], int] | None = None,
        namespace: str = "dramatiq",
        middleware: Sequence[Middleware] = (),
        setting: str = "IMAGING_BROKER_URL",
    ) -> None:
        """Prepare to listen; nothing connects before `start`. Raises ValueError for what is no URL.

        `on_ring` returns as soon as this process has taken the ring. `free` tells from any thread how many rings of a
        backend the process can take now: more than those stay in Redis, for others. `threads` bounds the rings that
        wait here, over all backends.
        """
        self._server = BrokerServer(broker_url, setting=setting)
        self._broker = BellBroker(self._server, namespace=namespace)
        for extra in middleware:
            self._broker.add_middleware(extra)
        self._backends = tuple(backends)
        self._on_ring = on_ring
        # Each backend has a share of its own, so that rings which wait for one never keep out another's.
        self._prefetch = max(1, threads // max(1, len(self._backends)))
        self._threads = self._prefetch * len(self._backends)
        for backend in self._backends:
            name = queue_of(backend)
            Actor(
                functools.partial(self._hear, backend),
                broker=self._broker,
                actor_name=name,
                queue_name=name,
                priority=0,
                options={},
            )
            if free is not None:
                self._broker.inbox(name).free = functools.partial(free, backend)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._worker: Worker | None = None
        self._bell = Bell(self._broker, self._wake)
        self._lock = threading.Lock()
        self._stopping = False
        self._waiting: set[concurrent.futures.Future[None]] = set()

    async def start(self) -> None:
        """Listen from now on.

        Raises Unavailable when the broker does not answer: Dramatiq itself would start all the same and only log, since
        its `before_*` hooks swallow everything but MiddlewareError.
        """
        self._loop = asyncio.get_running_loop()
        try:
            await asyncio.to_thread(self._server.client.ping)
        except (RedisError, OSError) as error:
            self._server.client.close()
            raise self._server.unavailable(error) from error
        # The command line does this before it makes a worker; TimeLimit and others start their threads at it.
        self._broker.emit_after("process_boot")
        self._worker = Worker(
            self._broker,
            queues=set(self._broker.queues),
            # Only how soon its threads notice a stop: fetching has a wait of its own.
            worker_timeout=100,
            worker_threads=self._threads,
        )
        # Its default is twice the threads: rings would lie here that others could answer.
        self._worker.queue_prefetch = self._prefetch
        self._worker.start()
        self._bell.start()

    def nudge(self, backend: str) -> None:
        """Look for rings of a backend now, because a slot became free."""
        self._wake(queue_of(backend))

    async def stop(self) -> None:
        """Hear nothing more, and leave the rings that wait here to others. Returns within moments."""
        with self._lock:
            self._stopping = True
            waiting = tuple(self._waiting)
        for name in self._broker.queues:
            self._broker.inbox(name).stopping = True
        self._wake(None)
        for future in waiting:
            future.cancel()
        if self._worker is not None:
            await asyncio.to_thread(self._worker.stop)
            await asyncio.to_thread(self._bell.stop)
        self._server.client.close()

    def _wake(self, queue: str | None) -> None:
        for name in self._broker.queues:
            if queue in (None, name):
                self._broker.inbox(name).wake()

    def _hear(self, backend: str, ring: str, job_id: str) -> None:
        """The actor. Raises nothing: what leaves an actor is kept alive with all that hangs on its frames."""
        facts = {"backend": backend, "job_id": job_id}
        try:
            if not self._hand_over(backend):
                self._broker.inbox(queue_of(backend)).hand_back(ring)
        except Exception:
            log.exception("A ring could not be taken; the sweep will find the job.", extra=facts)

    def _hand_over(self, backend: str) -> bool:
        """Wait until the loop has taken the ring; False when the process stops before."""
        with self._lock:
            if self._stopping or self._loop is None:
                return False
            future = asyncio.run_coroutine_threadsafe(self._take(backend), self._loop)
            self._waiting.add(future)
        try:
            future.result()
        except concurrent.futures.CancelledError:
            return False
        finally:
            with self._lock:
                self._waiting.discard(future)
        return True

    async def _take(self, backend: str) -> Any:
        await self._on_ring(backend)

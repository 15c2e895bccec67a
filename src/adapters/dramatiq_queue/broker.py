"""Dramatiq's Redis broker with a bell of its own, so that an idle worker is woken instead of polling faster.

Imports Dramatiq, redis-py and stdlib. Upstream's consumer polls with a back-off that grows to a second. Here each
enqueue is announced by a pub/sub message beside it, and the consumers wait for that; a poll each few seconds remains for
announcements that get lost.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from dramatiq import Message
from dramatiq.broker import Consumer
from dramatiq.brokers.redis import RedisBroker
from redis.exceptions import RedisError

from adapters.dramatiq_queue.inbox import Inbox
from adapters.dramatiq_queue.server import BrokerServer
from adapters.redis_line import Word

log = logging.getLogger("imaging.bell")

#: How long one look for announcements waits, in s; no round trip, only how soon a stop is noticed.
_LISTEN_S: Final = 0.2
#: Pause before the bell is connected again, in s.
_RECONNECT_S: Final = 0.5
#: Messages that upstream's maintenance moves at a time.
_UNPACKED: Final = 1_000


class BellBroker(RedisBroker):
    """A Redis broker without delay queues: nothing here is ever sent for later, and each would be polled too."""

    def __init__(self, server: BrokerServer, *, namespace: str) -> None:
        super().__init__(client=server.client, middleware=[], namespace=namespace)  # type: ignore[no-untyped-call]
        self.server = server
        self.channel = f"{namespace}:bell"
        self._inboxes: dict[str, Inbox] = {}

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue; may be repeated."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def announce(self, queue_name: str) -> None:
        """Wake whoever waits for that queue."""
        # The message lies in the queue already: a lost announcement costs the poll's delay.
        with contextlib.suppress(RedisError):
            self.client.publish(self.channel, queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> Consumer:  # noqa: ARG002
        """The consumer of a queue, the same one each time: it knows which messages this process holds."""
        inbox = self.inbox(queue_name)
        inbox.prefetch = prefetch
        return inbox

    def inbox(self, queue_name: str) -> Inbox:
        """This process's share of a queue."""
        if queue_name not in self._inboxes:
            self._inboxes[queue_name] = Inbox(self, queue_name)
        return self._inboxes[queue_name]

    def acks_key(self, queue_name: str) -> str:
        """Where upstream's script notes the messages that this process fetched and has not acknowledged."""
        return f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}"


class RingPacker(BellBroker):
    """Says what enqueueing a message sends, for whoever sends it from an event loop; upstream's own code would block."""

    def __init__(self, server: BrokerServer, *, namespace: str) -> None:
        super().__init__(server, namespace=namespace)
        dispatch = self.scripts["dispatch"]
        self._text, self._digest = cast("bytes", dispatch.script), dispatch.sha
        self._sent: tuple[Word, ...] = ()
        self.scripts = {"dispatch": self._note}

    def packed(self, message: Message[Any]) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
        """The command by the script's digest, and by its text for a Redis that has not seen it yet."""
        self.enqueue(message)
        return ("EVALSHA", self._digest, *self._sent), ("EVAL", self._text, *self._sent)

    def _note(self, *, args: Sequence[Word], keys: Sequence[str]) -> None:
        self._sent = (len(keys), *keys, *args)

    def _max_unpack_size(self) -> int:
        # Upstream asks Redis, and only for what moves many messages at a time. A Lua stack takes 8,000.
        return _UNPACKED


class Bell(threading.Thread):
    """Hears the announcements and passes them on, from a thread of its own."""

    def __init__(self, broker: BellBroker, wake: Callable[[str | None], None]) -> None:
        """`wake` gets the queue's name, or None when any may have been missed."""
        super().__init__(name="imaging-bell", daemon=True)
        self._broker = broker
        self._wake = wake
        self._ended = threading.Event()

    def run(self) -> None:
        """Listen until stopped."""
        while not self._ended.is_set():
            try:
                self._listen()
            except (RedisError, OSError) as error:
                log.info("The bell is out of order, rings are found by looking: %s", type(error).__name__)
                self._ended.wait(_RECONNECT_S)

    def _listen(self) -> None:
        with self._broker.client.pubsub(ignore_subscribe_messages=True) as subscription:
            subscription.subscribe(self._broker.channel)
            # What was announced before is lost: look once.
            self._wake(None)
            while not self._ended.is_set():
                message = subscription.get_message(timeout=_LISTEN_S)
                if message is not None and isinstance(message["data"], bytes):
                    self._wake(message["data"].decode(errors="replace"))

    def stop(self) -> None:
        """Stop listening and wait for the thread's end."""
        self._ended.set()
        self.join()

"""One process's share of a queue: what it fetched, what it owes the broker, and how it waits.

Imports Dramatiq, redis-py and stdlib. Nothing raised here would help anybody: upstream answers an error by closing the
consumer for three seconds and stranding what it held.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from dramatiq import Message
from dramatiq.broker import Consumer, MessageProxy
from redis.exceptions import RedisError

from adapters.dramatiq_queue.ring import Ring, read_message

if TYPE_CHECKING:
    from adapters.dramatiq_queue.broker import BellBroker

log = logging.getLogger("imaging.bell")

#: How often an idle worker looks by itself, in s. Rings that were not heard of are few, and what they rang for the sweep
#: finds before; upstream takes a process for dead that has not looked for 60 s.
IDLE_S: Final = 5.0
#: Longest pause between looks while Redis does not answer, in s.
_TROUBLE_S: Final = 2.0
#: How soon a wait ends once the worker is stopping, in s.
_STOPPING_S: Final = 0.02


class Inbox(Consumer):
    """The consumer of one queue. Upstream's worker threads acknowledge through it while its own thread fetches."""

    def __init__(self, broker: "BellBroker", queue_name: str) -> None:
        self.prefetch = 1
        #: How many rings the process can take now; those it cannot stay in Redis for others.
        self.free: Callable[[], int] | None = None
        self.stopping = False
        self._broker = broker
        self._queue = queue_name
        self._fetched: deque[Ring] = deque()
        self._lock = threading.Lock()
        #: Ids of messages that were fetched and are not settled.
        self._held: set[str] = set()
        #: Of those, the ones to give back instead of acknowledging them.
        self._give_back: set[str] = set()
        #: Settlements that Redis has not heard of yet: command and id.
        self._owed: deque[tuple[str, str]] = deque()
        self._wake = threading.Event()
        self._failures = 0

    # --- for the consumer's thread -----------------------------------------------------------------------

    def __next__(self) -> MessageProxy | None:
        """The next ring, or None after a wait."""
        self._wake.clear()
        if not self._fetched and not self.stopping:
            self._look()
        if self._fetched and not self.stopping:
            ring = self._fetched.popleft()
            options = {"redis_message_id": ring.id}
            message: Message[None] = Message(
                queue_name=self._queue, actor_name=self._queue, args=(ring.id, ring.job_id), kwargs={}, options=options
            )
            return MessageProxy(message)
        self._wait()
        return None

    def _wait(self) -> None:
        if self.stopping:
            time.sleep(_STOPPING_S)
        elif self._failures:
            self._wake.wait(min(_TROUBLE_S, 0.1 * 2 ** min(self._failures, 10)))
        else:
            self._wake.wait(IDLE_S)

    def _look(self) -> None:
        try:
            self._settle_owed()
            if self._failures:
                self._find_stranded("requeue")
            self._fetch()
        except (RedisError, OSError) as error:
            if not self._failures:
                log.warning("No rings can be heard: %s", self._broker.server.unavailable(error))
            self._failures += 1
        else:
            if self._failures:
                log.info("Rings are heard again.")
            self._failures = 0

    def _fetch(self) -> None:
        room = self.prefetch - len(self._held)
        if self.free is not None:
            room = min(room, self.free() - len(self._held))
        if room < 1:
            return
        unreadable = 0
        for data in self._broker.do_fetch(self._queue, room):
            name, ring = read_message(data, self._queue)
            if name is None:
                unreadable += 1
                continue
            with self._lock:
                self._held.add(name)
            if ring is None:
                log.warning("A message in queue %s is no ring of this version; it was passed over.", self._queue)
                self._settle("ack", name)
            else:
                self._fetched.append(ring)
        if unreadable:
            log.warning("%d unreadable messages in queue %s were passed over.", unreadable, self._queue)
            self._find_stranded("ack")

    def _find_stranded(self, command: str) -> None:
        """Settle what Redis believes this process to hold although it does not know it.

        That is how a message without a readable name is found, and one whose fetch got no answer.
        """
        names: set[bytes] = self._broker.client.smembers(self._broker.acks_key(self._queue))  # type: ignore[assignment]
        with self._lock:
            known = self._held | {name for _, name in self._owed}
        for name in {name.decode() for name in names} - known:
            self._tell(command, name)

    # --- for any thread ----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def hand_back(self, name: str) -> None:
        """Leave a ring that was fetched to other processes, once its actor has returned."""
        with self._lock:
            self._give_back.add(name)

    def ack(self, message: MessageProxy) -> None:
        """Settle a message: acknowledged, or given back if it was marked so. Never raises."""
        name = message.options["redis_message_id"]
        with self._lock:
            give_back = name in self._give_back
            self._give_back.discard(name)
        self._settle("requeue" if give_back else "ack", name)

    def nack(self, message: MessageProxy) -> None:
        """The same: a ring has nothing to be kept for, its job is in the repository."""
        self.ack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give back what no thread has begun."""
        for message in messages:
            self._settle("requeue", message.options["redis_message_id"])

    def close(self) -> None:
        """Give back what was fetched and not handed out, and tell Redis what is owed, if it answers."""
        while self._fetched:
            self._settle("requeue", self._fetched.popleft().id)
        try:
            self._settle_owed()
        except (RedisError, OSError):
            log.info("%d rings are left to Dramatiq's maintenance.", len(self._owed))

    def _settle(self, command: str, name: str) -> None:
        try:
            self._tell(command, name)
        except (RedisError, OSError):
            # Upstream would retry here, in the thread, until Redis is back, and would not stop before. Later is fine.
            self._owed.append((command, name))
        with self._lock:
            self._held.discard(name)
        self.wake()

    def _settle_owed(self) -> None:
        while self._owed:
            self._tell(*self._owed[0])
            self._owed.popleft()

    def _tell(self, command: str, name: str) -> None:
        if command == "ack":
            self._broker.do_ack(self._queue, name)
        else:
            self._broker.do_requeue(self._queue, name)
            self._broker.announce(self._queue)

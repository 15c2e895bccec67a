"""Dramatiq's Redis broker for an event loop, with a bell of its own; imports Dramatiq, redis-py and stdlib.

Upstream's client blocks, and its consumer polls with a back-off that grows to a second. Here upstream says what each of its
commands would send, and the loop sends it; each enqueue is announced by a pub/sub message beside it, so that an idle worker
is woken instead of polling faster.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from redis.exceptions import NoScriptError

from adapters.dramatiq_queue.server import BrokerServer
from adapters.redis_line import Word

#: Messages that upstream's maintenance moves at a time.
_UNPACKED: Final = 1_000


class BellBroker(RedisBroker):
    """A Redis broker without delay queues: nothing here is ever sent for later, and each would be polled too."""

    def __init__(self, server: BrokerServer, *, namespace: str) -> None:
        # Without a client it makes one, which never connects.
        super().__init__(middleware=[], namespace=namespace)  # type: ignore[no-untyped-call]
        self.channel = f"{namespace}:bell"
        self.server = server
        dispatch = self.scripts["dispatch"]
        self._text, self._digest = cast("bytes", dispatch.script), dispatch.sha
        self._sent: tuple[Word, ...] = ()
        self.scripts = {"dispatch": self._note}

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue; may be repeated."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    # --- what is asked of Redis; each raises the errors of redis-py ---------------------------------------

    async def ring(self, message: Message[Any]) -> None:
        """Enqueue a message, and announce it in the same breath: whoever is woken by that finds it."""
        await self._said(lambda: self.enqueue(message), announced=message.queue_name)

    async def fetch(self, queue_name: str, most: int) -> list[bytes | None]:
        """So many messages at most, which this process owes Redis from now on; None stands for one without a body.

        Raises ConnectionError also where others are asked again: what is in an answer that got lost must be given back first.
        """
        messages: list[bytes | None] = await self._said(lambda: self.do_fetch(queue_name, most), again=False)
        return messages

    async def ack(self, queue_name: str, name: str) -> None:
        """Have done with a message that was fetched."""
        await self._said(lambda: self.do_ack(queue_name, name))

    async def requeue(self, queue_name: str, name: str) -> None:
        """Give a message that was fetched back, for others."""
        await self._said(lambda: self.do_requeue(queue_name, name), announced=queue_name)

    async def owed(self, queue_name: str) -> set[str]:
        """Names of the messages that Redis believes this process to hold."""
        names = await self.server.line.ask("SMEMBERS", f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}")
        return {name.decode() for name in names}

    async def _said(self, command: Callable[[], object], *, announced: str | None = None, again: bool = True) -> Any:
        command()
        beside: tuple[tuple[Word, ...], ...] = () if announced is None else (("PUBLISH", self.channel, announced),)
        sent, line = self._sent, self.server.line
        try:
            return await line.ask_all(("EVALSHA", self._digest, *sent), *beside, again=again)
        except NoScriptError:
            return await line.ask_all(("EVAL", self._text, *sent), *beside, again=again)

    def _note(self, *, args: Sequence[Word], keys: Sequence[str]) -> None:
        self._sent = (len(keys), *keys, *args)

    def _max_unpack_size(self) -> int:
        # Upstream asks Redis, and only for what moves many messages at a time. A Lua stack takes 8,000.
        return _UNPACKED

"""One process's share of a queue: what it fetched, what it owes the broker, and how it waits.

Imports Dramatiq, redis-py and stdlib. It lives on the loop that does the work: each thread between the two would have to be
woken in its turn, and would hold the interpreter while the job that it brought begins.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from adapters.dramatiq_queue.broker import BellBroker
from adapters.dramatiq_queue.ring import Ring, read_message
from imaging_core.faults import log_fault

log = logging.getLogger("imaging.bell")

#: How often an idle worker looks by itself, in s. Rings that were not heard of are few, and what they rang for the sweep
#: finds before; upstream takes a process for dead that has not looked for 60 s.
IDLE_S: Final = 5.0
#: Longest pause between looks while Redis does not answer, in s.
_TROUBLE_S: Final = 2.0


class Inbox:
    """Fetches the rings of one queue, hands each to whoever hears it, and settles it with the broker."""

    def __init__(
        self,
        broker: BellBroker,
        queue_name: str,
        hear: Callable[[str], Awaitable[bool | None]],
        *,
        most: int,
        free: Callable[[], int] | None = None,
    ) -> None:
        """`hear` gets a ring's job id and returns once the ring is taken; False gives it back. At most `most` wait for that here.

        `free` tells how many rings the process can take now; those it cannot stay in Redis for others.
        """
        self._broker = broker
        self._queue = queue_name
        self._hear = hear
        self._most = most
        self._free = free
        #: Whether there may be rings that no look has fetched.
        self._more = True
        #: Ids of messages that were fetched and are not settled, with the tasks that hand them over.
        self._held: dict[str, asyncio.Task[None] | None] = {}
        #: Settlements that Redis has not heard of yet: command and id.
        self._owed: deque[tuple[str, str]] = deque()
        self._wake = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._stopping = False
        self._failures = 0

    def start(self) -> None:
        """Look for rings from now on."""
        self._looking = asyncio.create_task(self._look_again_and_again(), name=f"imaging-inbox-{self._queue}")

    def wake(self) -> None:
        """Look now."""
        self._more = True
        self._wake.set()

    def halt(self) -> None:
        """Fetch no more, and give back what nobody has taken. Returns at once; `stop` waits until that is done."""
        self._stopping = True
        self._wake.set()
        for task in self._held.values():
            if task is not None:
                task.cancel()

    async def stop(self) -> None:
        """Fetch no more, and give back what nobody has taken; told to Redis if that answers."""
        self.halt()
        if self._looking is not None:
            # It is not cancelled: what a fetch that is under way brings would be known to Redis alone.
            await asyncio.wait((self._looking,))
        await asyncio.gather(*(task for task in self._held.values() if task is not None), return_exceptions=True)
        # Those whose task was cancelled before it began, or while it settled them: what is settled already stays so.
        self._owed.extend(("requeue", name) for name in self._held)
        try:
            await self._settle_owed()
        except Exception:  # noqa: BLE001  # whatever it is, the process ends here
            log.info("%d rings are left to Dramatiq's maintenance.", len(self._owed))

    # --- looking -----------------------------------------------------------------------------------------

    async def _look_again_and_again(self) -> None:
        while not self._stopping:
            self._wake.clear()
            await self._look()
            pause_s = min(_TROUBLE_S, 0.1 * 2 ** min(self._failures, 10)) if self._failures else IDLE_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()

    async def _look(self) -> None:
        try:
            await self._settle_owed()
            if self._failures:
                await self._find_stranded("requeue")
            await self._fetch()
        except Exception as error:  # noqa: BLE001  # whatever it is, no ring would be heard any more
            if not self._failures:
                log.warning("No rings can be heard: %s", self._broker.server.unavailable(error))
            self._failures += 1
        else:
            if self._failures:
                log.info("Rings are heard again.")
            self._failures = 0

    async def _fetch(self) -> None:
        room = self._most if self._free is None else min(self._most, self._free())
        room -= len(self._held)
        if room < 1:
            self._more = True
            return
        messages = await self._broker.fetch(self._queue, room)
        # Fewer than there was room for are all that there were.
        self._more = len(messages) >= room
        unreadable = 0
        for data in messages:
            name, ring = read_message(data, self._queue)
            if name is None:
                unreadable += 1
                continue
            self._held[name] = None
            if ring is None:
                log.warning("A message in queue %s is no ring of this version; it was passed over.", self._queue)
                await self._settle("ack", name)
            else:
                self._held[name] = asyncio.create_task(self._hand_over(ring))
        if unreadable:
            log.warning("%d unreadable messages in queue %s were passed over.", unreadable, self._queue)
            await self._find_stranded("ack")
            if self._more:
                # Nobody settles those and looks again; behind many of them a ring would wait for hours.
                self._wake.set()

    async def _find_stranded(self, command: str) -> None:
        """Settle what Redis believes this process to hold although it does not know it.

        That is how a message without a readable name is found, and one whose fetch got no answer.
        """
        names = await self._broker.owed(self._queue)
        for name in names - self._held.keys() - {name for _, name in self._owed}:
            await self._tell(command, name)

    # --- settling ----------------------------------------------------------------------------------------

    async def _hand_over(self, ring: Ring) -> None:
        command = "ack"
        try:
            if self._stopping or await self._hear(ring.job_id) is False:
                command = "requeue"
        except asyncio.CancelledError:
            # Only `halt` cancels it.
            command = "requeue"
        except Exception as error:  # noqa: BLE001  # the ring is spent; what it rang for is found by the sweep
            log_fault(log, "A ring could not be taken; the sweep will find the job.", error, {"job_id": ring.job_id})
        await self._settle(command, ring.id)

    async def _settle(self, command: str, name: str) -> None:
        try:
            await self._tell(command, name)
        except Exception:  # noqa: BLE001  # later is fine: what goes wrong with Redis is told when it is looked into
            self._owed.append((command, name))
        self._held.pop(name, None)
        if self._more or self._owed:
            self._wake.set()

    async def _settle_owed(self) -> None:
        while self._owed:
            await self._tell(*self._owed[0])
            self._owed.popleft()

    async def _tell(self, command: str, name: str) -> None:
        if command == "ack":
            await self._broker.ack(self._queue, name)
        else:
            await self._broker.requeue(self._queue, name)

"""Asks the system for a name's addresses without letting a slow name server hold anything else up; imports stdlib only."""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Protocol

from adapters.webhooks.addresses import Address

#: Look-ups at a time. Those whose answer nobody awaits any more count until they end.
_AT_ONCE = 16


class NameUnknown(Exception):
    """There is no such name."""


class NameServerSilent(Exception):
    """Nobody can tell now whether there is such a name."""


class Resolver(Protocol):
    """Finds the addresses of a name. Raises NameUnknown, NameServerSilent."""

    async def __call__(self, host: str) -> Sequence[Address]:
        """All of them, at least one."""
        ...


class SystemResolver:
    """getaddrinfo, in threads of its own: the loop's default threads are few, and a look-up can take half a minute."""

    def __init__(self, lookup: Callable[[str], Sequence[str]] | None = None) -> None:
        self._lookup = lookup or _getaddrinfo
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    async def __call__(self, host: str) -> Sequence[Address]:
        """All addresses of a name, at least one. Raises NameUnknown, NameServerSilent."""
        if not self._free.acquire(blocking=False):
            raise NameServerSilent("too many names are being looked up")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def tell(found: Sequence[str], error: Exception | None) -> None:
            if not answer.done():
                answer.set_exception(error) if error else answer.set_result(found)

        def look() -> None:
            found: Sequence[str] = ()
            error: Exception | None = None
            try:
                found = self._lookup(host)
            except (NameUnknown, NameServerSilent) as refusal:
                error = refusal
            finally:
                self._free.release()
            # A loop that closed meanwhile has nobody who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, found, error)

        # Not one of a pool: those are waited for when the process ends.
        try:
            threading.Thread(target=look, name="imaging-resolver", daemon=True).start()
        except RuntimeError as error:
            # The system has no thread left. This one's turn must not be lost with it.
            self._free.release()
            raise NameServerSilent("no thread could be started") from error
        return [ip_address(text) for text in await answer]


def _getaddrinfo(host: str) -> Sequence[str]:
    try:
        rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_AGAIN, socket.EAI_SYSTEM):
            raise NameServerSilent(str(error)) from error
        raise NameUnknown(str(error)) from error
    except (OSError, UnicodeError) as error:
        raise NameUnknown(type(error).__name__) from error
    return list(dict.fromkeys(str(row[4][0]) for row in rows))

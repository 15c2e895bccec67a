"""The id of the request that is being answered, for its log lines; imports stdlib only."""

import asyncio
import random
import re
from contextvars import ContextVar, Token

#: What an id from outside may look like: anything else could forge a log line, or fill one.
_SAFE = re.compile(rb"[0-9A-Za-z._:-]{1,128}", re.ASCII)

#: The id, and who answers the request: a task begun meanwhile inherits the context, and may go on with the work of others.
_Current = tuple[str, asyncio.Task[object] | None]
_CURRENT: ContextVar[_Current | None] = ContextVar("imaging_request", default=None)

#: An id is no secret, and each request makes one.
_fresh = random.Random().getrandbits  # noqa: S311  # see above


def request_id(given: bytes | None) -> str:
    """The id that a client gave its request, if it is a safe one; else a fresh one."""
    if given is not None and _SAFE.fullmatch(given):
        return given.decode("ascii")
    return f"{_fresh(128):032x}"


def enter(ident: str) -> Token[_Current | None]:
    """From here on this task answers that request, until `leave`."""
    return _CURRENT.set((ident, asyncio.current_task()))


def leave(token: Token[_Current | None]) -> None:
    """The request is answered."""
    _CURRENT.reset(token)


def current() -> str | None:
    """The id of the request that the running task answers; None outside of one."""
    found = _CURRENT.get()
    if found is None:
        return None
    ident, task = found
    try:
        return ident if asyncio.current_task() is task else None
    except RuntimeError:
        # A thread without a loop, with a copy of the context.
        return ident

"""The id of the request that is being answered, for its log lines; imports stdlib only."""

import asyncio
import re
import secrets
from contextvars import ContextVar, Token

import attrs

#: What an id from outside may look like: anything else could forge a log line, or fill one.
_SAFE = re.compile(rb"[0-9A-Za-z._:-]{1,128}", re.ASCII)


@attrs.frozen(kw_only=True)
class _Current:
    id: str
    #: Who answers the request. A task begun meanwhile inherits the context, and may go on with the work of others.
    task: asyncio.Task[object] | None


_CURRENT: ContextVar[_Current | None] = ContextVar("imaging_request", default=None)


def request_id(given: bytes | None) -> str:
    """The id that a client gave its request, if it is a safe one; else a fresh one."""
    if given is not None and _SAFE.fullmatch(given):
        return given.decode("ascii")
    return secrets.token_hex(16)


def enter(ident: str) -> Token[_Current | None]:
    """From here on this task answers that request, until `leave`."""
    return _CURRENT.set(_Current(id=ident, task=asyncio.current_task()))


def leave(token: Token[_Current | None]) -> None:
    """The request is answered."""
    _CURRENT.reset(token)


def current() -> str | None:
    """The id of the request that the running task answers; None outside of one."""
    found = _CURRENT.get()
    if found is None:
        return None
    try:
        return found.id if asyncio.current_task() is found.task else None
    except RuntimeError:
        # A thread without a loop, with a copy of the context.
        return found.id

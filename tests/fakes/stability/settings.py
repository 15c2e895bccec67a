"""What a test may choose about the fake, at its start and while it runs.

May import the standard library and attrs.
"""

from __future__ import annotations

from pathlib import Path

import attrs


@attrs.define(kw_only=True)
class Settings:
    """Behaviour of one fake server; times in s, sizes in bytes."""

    #: Time a generation takes; no byte is sent before it is over.
    delay: float = 0.0
    #: Size that pictures are padded to; 0 = as they come.
    picture_bytes: int = 0
    #: Width and height of pictures in px; 0 = as the real API makes them.
    picture_side: int = 0
    #: File that calls and charges are appended to.
    log: Path | None = None
    #: Keys that are valid; none given = every key that begins with sk-.
    keys: tuple[str, ...] = ()
    #: Credits of the account.
    balance: float = 1_000_000.0
    #: When a run is paid: "start" (before the delay) or "end" (after it).
    charge_at: str = "start"
    #: Whether more than rate_requests in rate_period lock a key out for rate_lockout.
    rate_limit: bool = True
    rate_requests: int = 150
    rate_period: float = 10.0
    rate_lockout: float = 60.0
    #: Text of Retry-After on lock-outs. Never seen in a real answer, so none by default.
    retry_after: str = ""
    #: Deferred routes: time until the result exists, and the least number of polls that are told to wait.
    deferred_delay: float = 0.0
    deferred_polls: int = 1
    #: JSON key of a deferred result: clients read "result", the official document says "image".
    result_key: str = "result"

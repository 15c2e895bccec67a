"""When a call that failed is made again, and after how long; imports this package, and no clock but the one it is given."""

import random
import time
from collections.abc import Callable
from typing import Any

from entrypoints.client.calls import Call
from entrypoints.client.errors import ApiError, ClientError, ServiceUnreachable

#: Waits after the first, second and further failures that name none of their own, in s; the last one counts on.
_WAITS_S = (0.25, 0.5, 1.0, 2.0, 4.0)
#: Answers that say "not now".
_LATER = frozenset({429, 503})


class Patience:
    """The tries of one call. Nothing is sent twice that could happen twice.

    A call that was refused with a time to come back did nothing, and one that never left did not either; a call whose answer
    was lost is repeated only if the service can tell that it is the same.
    """

    def __init__(self, call: Call[Any], within_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._call = call
        self._clock = clock
        self._deadline = clock() + within_s
        self._failures = 0

    def wait_s(self, error: ClientError) -> float | None:
        """How long to wait before the next try, in s; None when there is none."""
        wait = _WAITS_S[min(self._failures, len(_WAITS_S) - 1)]
        self._failures += 1
        match error:
            case ServiceUnreachable():
                if error.lasting or (error.sent and not self._call.repeatable):
                    return None
            case ApiError():
                if error.status not in _LATER or error.retry_after_s is None:
                    return None
                wait = max(wait, error.retry_after_s)
            case _:
                return None
        # Of many clients that were turned away together, not all come back together.
        wait *= 1 + random.random() / 4  # noqa: S311  # spreads load, keeps no secret
        return wait if self._clock() + wait <= self._deadline else None

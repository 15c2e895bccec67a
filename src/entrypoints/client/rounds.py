"""How a wait for a job's end asks again and again, without any transport; imports this package's values.

The service holds a question until there is something to tell; one that does not, or a proxy that cuts it short, is asked
ever more seldom.
"""

import time
from collections.abc import Callable

from entrypoints.client.values import JobInfo

#: Longest question, in s: many proxies cut what is silent for longer.
_LONGEST_S = 25
_LONGEST_PAUSE_S = 2.0


class Rounds:
    """The questions of one wait."""

    def __init__(
        self, image_id: str, timeout_s: float | None, poll_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._image_id = image_id
        self._timeout_s = timeout_s
        self._clock = clock
        self._deadline = None if timeout_s is None else clock() + timeout_s
        self._pause_s = poll_s
        self._asked_at = 0.0

    def ask_s(self) -> int:
        """How long the service may hold the next question, in whole s."""
        self._asked_at = self._clock()
        left = _LONGEST_S if self._deadline is None else self._deadline - self._asked_at
        return max(0, min(_LONGEST_S, int(left)))

    def pause_s(self, seen: JobInfo, asked_s: int) -> float:
        """How long to wait before the next question, in s. Raises TimeoutError when there is no time left for one."""
        now = self._clock()
        # An answer that took as long as it was allowed to was worth the question.
        held = asked_s > 0 and now - self._asked_at >= asked_s / 2
        pause = 0.0 if held else self._pause_s
        if not held:
            self._pause_s = min(self._pause_s * 1.5, max(_LONGEST_PAUSE_S, self._pause_s))
        if self._deadline is not None and now + pause >= self._deadline:
            raise TimeoutError(f"Job {self._image_id} is still {seen.status} after {self._timeout_s} s.")
        return pause

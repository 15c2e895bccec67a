"""How long calls take here, by backend and checkpoint, so that none is begun that would be cut off; imports stdlib and this package."""

import statistics
import time
from collections import defaultdict, deque
from collections.abc import Callable

from imaging_core.images import ImageRequest

#: So many calls are remembered of each kind.
_KEPT = 20
#: For how long, in s: only calls that are begun can tell that a slow spell is over.
_FRESH_S = 600.0


class CallTimes:
    """What one process saw of its calls; a new process knows nothing, and begins every call."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: When each call was answered, and after how long.
        self._seen: dict[tuple[str, str], deque[tuple[float, float]]] = defaultdict(lambda: deque(maxlen=_KEPT))

    def note(self, backend: str, request: ImageRequest, seconds: float) -> None:
        """A call was answered after that time."""
        self._seen[_kind(backend, request)].append((self._clock(), seconds))

    def fits(self, backend: str, request: ImageRequest, time_left_s: float) -> bool:
        """Whether a call more likely ends within that time than not, by those that were answered lately."""
        since = self._clock() - _FRESH_S
        seen = [seconds for at, seconds in self._seen.get(_kind(backend, request), ()) if at > since]
        return not seen or time_left_s >= statistics.median(seen)


def _kind(backend: str, request: ImageRequest) -> tuple[str, str]:
    return backend, str(request.value("checkpoint"))

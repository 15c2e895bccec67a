"""How long calls take here, by backend and checkpoint, so that none is begun that would be cut off; imports stdlib and this package."""

import statistics
from collections import defaultdict, deque

from imaging_core.images import ImageRequest

#: So many calls are remembered of each kind.
_KEPT = 20


class CallTimes:
    """What one process saw of its calls; a new process knows nothing, and begins every call."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], deque[float]] = defaultdict(lambda: deque(maxlen=_KEPT))

    def note(self, backend: str, request: ImageRequest, seconds: float) -> None:
        """A call was answered after that time."""
        self._seen[_kind(backend, request)].append(seconds)

    def fits(self, backend: str, request: ImageRequest, time_left_s: float) -> bool:
        """Whether a call more likely ends within that time than not."""
        seen = self._seen.get(_kind(backend, request))
        return not seen or time_left_s >= statistics.median(seen)


def _kind(backend: str, request: ImageRequest) -> tuple[str, str]:
    return backend, str(request.value("checkpoint"))

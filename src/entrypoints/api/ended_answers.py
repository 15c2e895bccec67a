"""What was told of ended jobs, ready to be told again; imports the core's views and this package.

An ended job changes in one thing, its mark as a favourite, and then its answer is another one. Whether it is still there,
and whose it is, is asked of the repository each time.
"""

from collections import OrderedDict
from collections.abc import Callable

import attrs

from entrypoints.api.encoding import encode, etag_of
from entrypoints.api.job_answers import Answer
from imaging_core.service import JobView

#: Bytes of answers that are kept, and what each takes besides.
MAX_BYTES = 4 << 20
_OVERHEAD = 500

_Name = tuple[str, int, bool]


@attrs.frozen
class Told:
    """An answer as it goes out."""

    body: bytes
    etag: str


class EndedAnswers:
    """Encodes views of jobs one way, those of ended jobs once."""

    def __init__(self, shown: Callable[[JobView], Answer], *, max_bytes: int = MAX_BYTES) -> None:
        self._shown = shown
        self._max_bytes = max_bytes
        self._kept: OrderedDict[_Name, Told] = OrderedDict()
        self._size = 0

    def of(self, view: JobView) -> Told:
        """What to tell of a job."""
        job = view.job
        name = job.id, job.version, job.favourite
        told = self._kept.get(name)
        if told is None:
            body = encode(self._shown(view))
            told = Told(body, etag_of(body))
            if job.status.terminal:
                self._keep(name, told)
        return told

    def _keep(self, name: _Name, told: Told) -> None:
        self._kept[name] = told
        self._size += len(told.body) + _OVERHEAD
        while self._size > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest.body) + _OVERHEAD

"""What a watch of one job does next: reads the stream, comes back after breaks, or asks instead; imports this package, no transport.

The clients differ only in how they wait.
"""

import json
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from entrypoints.client import reading
from entrypoints.client.errors import ApiError, ClientError
from entrypoints.client.reading import Answer
from entrypoints.client.sse import Garbled, SseParser
from entrypoints.client.values import JobInfo, Seen

#: Silence after which a stream counts as broken, in s; the service gives a sign of life every 15 s.
SILENCE_S = 45.0
#: Time between two looks where there is no stream, in s.
ASK_EVERY_S = 0.5
#: What says that this very job or caller is refused; any other refusal is the stream's alone.
_FINAL = frozenset({401, 403, 410, 429})
#: Breaks in a row without any event between them after which the job is asked for instead.
_MOST_BREAKS = 3


class Watching:
    """One watch. Ends with the end of the job."""

    def __init__(self, image_id: str) -> None:
        self.path = f"/jobs/{quote(image_id, safe='')}/events"
        self._parser = SseParser()
        self._breaks = 0
        self._last: JobInfo | None = None
        #: Whether everything has been told.
        self.ended = False
        #: Whether to ask again and again instead.
        self.asks = False

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the next request for the stream."""
        last = self._parser.last_id
        return {"accept": "text/event-stream"} | ({"last-event-id": last} if last else {})

    @property
    def pause_s(self) -> float:
        """How long to wait before the next request, in s."""
        return ASK_EVERY_S if self.asks else self._parser.retry_s * min(self._breaks, 1)

    def opened(self, answer: Answer) -> bool:
        """Whether that is the stream; `answer` has its content only if not. Raises ApiError for a job one may not see."""
        self._parser.restart()
        if answer.status == 200 and answer.media_type == "text/event-stream":
            return True
        if answer.status == 204:
            # The end was told before the break, to somebody who did not read that far: a look tells it.
            self.asks = True
            return False
        try:
            reading.check(answer)
        except ApiError as error:
            if error.status in _FINAL:
                raise
        self.asks = True
        return False

    def broke(self) -> None:
        """The stream ended, or never began."""
        self._breaks += 1
        # A look has the patience of every other call, and says what is wrong when that is over.
        self.asks = self.asks or self._breaks > _MOST_BREAKS

    def read(self, data: bytes) -> Iterator[Seen]:
        """What these bytes of the stream tell. Raises ClientError for what no service sends."""
        try:
            for event in self._parser.feed(data):
                body = json.loads(event.data)
                self._breaks = 0
                if "created_at" not in body:
                    self.ended = True
                    return
                yield self._seen(event.kind, reading.job(body))
        except (Garbled, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ClientError("The stream of events is not one of the imaging service.") from error

    def asked(self, job: JobInfo) -> Iterator[Seen]:
        """What a look tells; nothing if it is what was told last."""
        if job != self._last:
            yield self._seen("status", job)

    def _seen(self, kind: str, job: JobInfo) -> Seen:
        self._last = job
        self.ended = self.ended or job.status.terminal
        return Seen(kind=kind, job=job)

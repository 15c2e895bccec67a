"""An answer that goes on: server-sent events from a mailbox, until it ends; imports FastAPI and this package."""

import asyncio
import math
from collections.abc import Callable

from fastapi.sse import EventSourceResponse
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from entrypoints.api.closing import Closing
from entrypoints.api.event_frames import KEEP_ALIVE, OPENING
from entrypoints.api.event_listener import Listener

#: Silence after which a sign of life is sent, in s: proxies cut what is silent for a minute.
KEEP_ALIVE_S = 15.0

MEDIA_TYPE = EventSourceResponse.media_type

#: Of every stream. `x-accel-buffering` makes nginx pass each event on at once.
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class EventStream(Response):
    """Sends what the mailbox is given; leaves it whatever happens.

    FastAPI's own `EventSourceResponse` route runs a task group, a queue and an encoder for each stream. Here events come
    encoded once for everybody, and a stream costs one small task beside its own.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        first: bytes,
        listener: Listener,
        *,
        leave: Callable[[Listener], None],
        closing: Closing,
        keep_alive_s: float = KEEP_ALIVE_S,
        longest_s: float = math.inf,
    ) -> None:
        """`first` goes out before anything from the mailbox; a mailbox that is closed already ends the stream there.

        After `longest_s` it ends too, soon, and the client comes back.
        """
        super().__init__(None, headers=HEADERS)
        # It has no length.
        del self.headers["content-length"]
        self._first = first
        self._listener = listener
        self._leave = leave
        self._closing = closing
        self._keep_alive_s = keep_alive_s
        self._longest_s = longest_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # as ASGI calls it
        """Send until the mailbox is closed: by its job's end, the client, the API's stop, or because it ran over."""
        gone = asyncio.create_task(self._listener.close_with(receive))
        try:
            with self._closing.telling(self._listener.close):
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await self._send_all(send)
        finally:
            self._leave(self._listener)
            gone.cancel()
            await asyncio.wait({gone})

    async def _send_all(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._longest_s
        data, more = OPENING + self._first, True
        while more:
            # A reader that takes nothing is cut off by the server; one that takes too little, by its mailbox.
            await send({"type": "http.response.body", "body": data, "more_body": True})
            frames = await self._listener.take(self._keep_alive_s)
            if loop.time() > until:
                # However much happens: what is left out here is told to a client that comes back.
                self._listener.close()
            more = bool(frames) or not self._listener.closed
            data = b"".join(frame.data for frame in frames) or KEEP_ALIVE
            if self._listener.job_id is not None and any(frame.terminal for frame in frames):
                self._listener.close()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

"""Takes server-sent events apart, without any transport; imports stdlib and attrs."""

from collections.abc import Iterator

import attrs

#: Longest event, in bytes: one without an end would fill the memory.
_LONGEST = 1 << 20


class Garbled(ValueError):
    """What came is no event stream."""


@attrs.frozen(kw_only=True)
class SentEvent:
    """One event of a stream."""

    kind: str
    data: str = attrs.field(repr=False)


class SseParser:
    """Takes bytes as they come, gives the events that they complete."""

    def __init__(self) -> None:
        #: Where to go on after a break; None before the first id.
        self.last_id: str | None = None
        #: How long to wait before coming back, in s.
        self.retry_s = 2.0
        self._rest = b""
        self.restart()

    def restart(self) -> None:
        """A new connection begins: half an event of the last one is dropped."""
        self._rest = b""
        self._kind, self._id = "message", self.last_id
        self._data: list[str] = []

    def feed(self, data: bytes) -> Iterator[SentEvent]:
        """The events that this completes. Raises Garbled."""
        # Lines end with CR LF, LF or CR. The service sends LF; a CR at the very end may belong to an LF that is to come.
        *lines, self._rest = (self._rest + data).replace(b"\r\n", b"\n").split(b"\n")
        if len(self._rest) > _LONGEST:
            raise Garbled("a line has no end")
        for line in lines:
            if (event := self._line(line.rstrip(b"\r"))) is not None:
                yield event

    def _line(self, raw: bytes) -> SentEvent | None:
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Garbled("a line is no text") from None
        if not line:
            event = SentEvent(kind=self._kind, data="\n".join(self._data)) if self._data else None
            self.last_id = self._id
            self._kind, self._data = "message", []
            return event
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                self._kind = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value or None
            case "retry" if value.isascii() and value.isdigit():
                self.retry_s = min(int(value) / 1000, 60.0)
        return None

"""Log lines that a person or a program can read and nobody can forge; imports stdlib and the ids of requests."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

from entrypoints.request_ids import current

#: Control characters and the ones that turn the direction of text: a log line must stay one line, and read as written.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
#: Begins each line of a traceback, whose text may hold line breaks: no line of it can pass for a log line.
_INDENT = "    | "


def escaped(text: str) -> str:
    """The text with every unsafe character written out as \\xNN or \\uNNNN."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    """What was said beside the sentence, in a stable order, and the request it was said for."""
    facts = {k: v for k, v in sorted(vars(record).items()) if k not in _STANDARD}
    if "request_id" not in facts and (ident := current()) is not None:
        facts["request_id"] = ident
    return facts


class SentenceFormatter(logging.Formatter):
    """time level logger sentence key=value ..., and a traceback below, if any."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s  %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name logging calls
        """The line without its traceback."""
        pairs = "".join(f" {key}={value}" for key, value in _facts(record).items())
        return escaped(super().formatMessage(record) + pairs)

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the name logging calls
        """The traceback, each of its lines marked as part of it."""
        return "\n".join(_INDENT + escaped(line) for line in super().formatException(ei).split("\n"))


class JsonFormatter(logging.Formatter):
    """One JSON object in one line of ASCII: time, level, logger, message, then the facts, then the traceback, if any."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {key: value for key, value in _facts(record).items() if key not in entry}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        # ASCII only: whatever could break or turn a line is written out.
        return json.dumps(entry, default=str, ensure_ascii=True, skipkeys=True)


def configure_logging(level: str, form: str = "text") -> None:
    """Send every log line to standard error, as `text` for people or `json` for programs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else SentenceFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # One line per outgoing request would drown the service's own, and httpx logs whole URLs.
    for noisy in ("httpx", "httpcore", "uvicorn.access", "PIL", "dramatiq"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))


def announce(line: str = "") -> None:
    """Tell whoever started the process something: as it is, or as a log line where those are for programs."""
    handlers = logging.getLogger().handlers
    if handlers and isinstance(handlers[0].formatter, JsonFormatter):
        if line.strip():
            logging.getLogger("imaging").info("%s", line.strip())
        return
    sys.stderr.write(line + "\n")
    sys.stderr.flush()

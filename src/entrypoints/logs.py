"""Log lines that a person can read and nobody can forge; imports stdlib only."""

import logging
import re
import sys

#: Control characters and the ones that turn the direction of text: a log line must stay one line, and read as written.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


def escaped(text: str) -> str:
    """The text with every unsafe character written out as \\xNN or \\uNNNN."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


class SentenceFormatter(logging.Formatter):
    """time level logger sentence key=value ..., and a traceback below, if any."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s  %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name logging calls
        """The line without its traceback."""
        facts = {k: v for k, v in vars(record).items() if k not in _STANDARD}
        pairs = "".join(f" {key}={value}" for key, value in sorted(facts.items()))
        return escaped(super().formatMessage(record) + pairs)


def configure_logging(level: str) -> None:
    """Send every log line to standard error, in one form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(SentenceFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # One line per outgoing request would drown the service's own, and httpx logs whole URLs.
    for noisy in ("httpx", "httpcore", "uvicorn.access", "PIL", "dramatiq"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))

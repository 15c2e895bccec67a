"""How answers write a moment; imports stdlib only."""

from datetime import UTC, datetime


def time_text(time: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    return None if time is None else time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

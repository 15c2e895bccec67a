"""Fields of values that are moments: never without a time zone; imports stdlib and attrs."""

from datetime import datetime

import attrs


def _aware(_: object, attribute: "attrs.Attribute[datetime]", value: datetime | None) -> None:
    if value is not None and value.tzinfo is None:
        raise ValueError(f"{attribute.name} must be timezone-aware")


def aware_time() -> datetime:
    """A field for a moment; ValueError for a naive one."""
    return attrs.field(validator=_aware)


def aware_time_or_none() -> datetime | None:
    """The same for one that may not have come yet."""
    return attrs.field(default=None, validator=_aware)

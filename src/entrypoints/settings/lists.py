"""Settings that hold several things; imports pydantic."""

from pydantic import BeforeValidator


def _parts(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


#: Read from one text whose parts are separated by commas. Beside pydantic-settings' `NoDecode`, or that would want JSON.
Listed = BeforeValidator(_parts)

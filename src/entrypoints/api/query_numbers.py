"""Whole numbers in a query, for endpoints that read it themselves; imports stdlib and the core's errors."""

from collections.abc import Mapping

from imaging_core.errors import FieldProblem, InvalidRequest


def whole_number(query: Mapping[str, str], name: str, default: int, *, low: int, high: int | None = None) -> int:
    """The number of that name, from `low` to `high`; the default where there is none. Raises InvalidRequest."""
    text = query.get(name)
    if text is None:
        return default
    span = f"from {low}" if high is None else f"from {low} to {high}"
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise InvalidRequest([FieldProblem(field=name, message=f"must be a whole number {span}.")])
    value = int(text)
    if value < low or (high is not None and value > high):
        raise InvalidRequest([FieldProblem(field=name, message=f"must be {span}.")])
    return value

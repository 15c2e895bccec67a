"""Checks request bodies as pydantic v1 does behind the real server: lenient coercion, and its own words for a 422.

May import the standard library.
"""

from __future__ import annotations

import json
from typing import Any

from fakes.sdwebui.fields import Fields

_TRUE = {1, "1", "on", "t", "true", "y", "yes"}
_FALSE = {0, "0", "off", "f", "false", "n", "no"}


class BodyInvalid(Exception):
    """Ends a request with a 422 that lists what is wrong."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors)
        self.errors = errors


class _Wrong(Exception):
    def __init__(self, message: str, kind: str, **context: Any) -> None:
        super().__init__(message)
        self.item: dict[str, Any] = {"msg": message, "type": kind} | ({"ctx": context} if context else {})


def read_json(raw: bytes, content_type: str) -> Any:
    """The body as the framework hands it to validation: parsed JSON, or plain bytes for any other content type."""
    if not raw:
        return None
    kind = content_type.partition(";")[0].strip().lower()
    if kind and not (kind == "application/json" or kind.endswith("+json")):
        return raw
    try:
        return json.loads(raw)
    except json.JSONDecodeError as error:
        context = {"msg": error.msg, "doc": error.doc, "pos": error.pos, "lineno": error.lineno, "colno": error.colno}
        item = {"loc": ["body", error.pos], "msg": str(error), "type": "value_error.jsondecode", "ctx": context}
        raise BodyInvalid([item]) from error


def parse(value: Any, fields: Fields) -> dict[str, Any]:
    """All fields with coerced values; unknown ones are dropped in silence. Raises BodyInvalid."""
    given = as_object(value)
    result: dict[str, Any] = {}
    errors = []
    for name, (kind, default) in fields.items():
        required = kind.endswith("!")
        if name not in given:
            if required:
                errors.append({"loc": ["body", name], "msg": "field required", "type": "value_error.missing"})
            result[name] = default
            continue
        if given[name] is None and not required:
            result[name] = None
            continue
        try:
            result[name] = _coerce(given[name], kind.rstrip("!"))
        except _Wrong as wrong:
            errors.append({"loc": ["body", name]} | wrong.item)
    if errors:
        raise BodyInvalid(errors)
    return result


def as_object(value: Any) -> dict[str, Any]:
    """A body as a mapping; pydantic v1 calls dict() on it, so that an empty array is an empty object."""
    if value is None:
        raise BodyInvalid([{"loc": ["body"], "msg": "field required", "type": "value_error.missing"}])
    try:
        return dict(value)
    except (TypeError, ValueError) as error:
        item = {"loc": ["body"], "msg": "value is not a valid dict", "type": "type_error.dict"}
        raise BodyInvalid([item]) from error


def boolean(text: str) -> bool:
    """A query parameter as a bool. Raises BodyInvalid naming `skip_current_image`, the only one there is."""
    try:
        return _bool(text)
    except _Wrong as wrong:
        raise BodyInvalid([{"loc": ["query", "skip_current_image"]} | wrong.item]) from wrong


def _coerce(value: Any, kind: str) -> Any:
    match kind:
        case "int":
            return _number(value, int, "integer")
        case "float":
            return _number(value, float, "float")
        case "list[str]":
            return [_coerce(item, "str") for item in _coerce(value, "list")]
        case "float>0":
            number = _number(value, float, "float")
            if number <= 0:
                raise _Wrong("ensure this value is greater than 0", "value_error.number.not_gt", limit_value=0)
            return number
        case "str":
            return _text(value)
        case "bool":
            return _bool(value)
        case "dict" | "list":
            if isinstance(value, dict if kind == "dict" else list):
                return value
            raise _Wrong(f"value is not a valid {kind}", f"type_error.{kind}")
    raise AssertionError(kind)


def _number(value: Any, wanted: type, name: str) -> Any:
    try:
        return wanted(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _Wrong(f"value is not a valid {name}", f"type_error.{name}") from error


def _text(value: Any) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    raise _Wrong("str type expected", "type_error.str")


def _bool(value: Any) -> bool:
    word = value.lower() if isinstance(value, str) else value
    if isinstance(word, int | str):
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
    raise _Wrong("value could not be parsed to a boolean", "type_error.bool")

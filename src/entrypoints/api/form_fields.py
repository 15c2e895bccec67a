"""From a form's texts to the values that JSON would have held; imports pydantic and the core's parameters.

A text that is no such value stays a text, so that whoever checks the value says what would be right.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from imaging_core.parameters import Parameter, ParameterKind

_WHOLE = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_REAL = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)

_KINDS = {
    ParameterKind.INTEGER: int,
    ParameterKind.NUMBER: float,
    ParameterKind.FLAG: bool,
    ParameterKind.CHOICES: list,
}


def typed(texts: Mapping[str, Any], model: type[BaseModel], parameters: Iterable[Parameter]) -> dict[str, Any]:
    """The form's fields as their names' types, of the model and of a backend's settings; an empty text is left out."""
    kinds = {p.name: _KINDS.get(p.kind, str) for p in parameters} | {
        name: _kind(field.annotation) for name, field in model.model_fields.items()
    }
    return {name: _value(text, kinds.get(name, str)) for name, text in texts.items() if text != ""}


def _kind(annotation: object) -> type:
    """int, float, bool, list or str: the first that an annotation names."""
    parts = get_args(annotation) or (annotation,)
    for kind in (bool, int, float):
        if kind in parts:
            return kind
    return list if any(get_origin(part) is list for part in (annotation, *parts)) else str


def _value(text: Any, kind: type) -> Any:
    if isinstance(text, list):
        return text
    return _READERS[kind](text)


def _flag(text: str) -> Any:
    return {"true": True, "false": False}.get(text.lower(), text)


def _whole(text: str) -> Any:
    return int(text) if _WHOLE.fullmatch(text) else text


def _real(text: str) -> Any:
    return float(text) if _REAL.fullmatch(text) else text


_READERS: Mapping[type, Callable[[str], Any]] = {
    str: lambda text: text,
    bool: _flag,
    int: _whole,
    float: _real,
    list: lambda text: [text],
}

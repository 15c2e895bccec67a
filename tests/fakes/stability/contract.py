"""Reads the routes, fields, ranges, prices and sizes from the stored API description, so that the fake has no second copy.

May import the standard library, attrs and yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import yaml

PATH = Path(__file__).resolve().parents[2] / "data" / "stability" / "openapi.yaml"


@attrs.frozen(kw_only=True)
class ImageRules:
    """What an input picture must be; sides in px, areas in px²."""

    formats: tuple[str, ...] = ("jpeg", "png", "webp")
    min_side: int = 1
    max_side: int | None = None
    min_pixels: int = 1
    max_pixels: int | None = None
    #: Neither side may exceed the other by more than this factor.
    max_aspect: float | None = None


@attrs.frozen(kw_only=True)
class Field:
    """One form field of a route."""

    name: str
    #: One of text, number, integer, choice, file.
    kind: str
    required: bool
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    image: ImageRules | None = None


@attrs.frozen(kw_only=True)
class Route:
    """One generation operation."""

    path: str
    operation: str
    #: True when it answers an id to poll instead of a picture.
    deferred: bool
    #: Credits per call; by model on sd3.
    credits: float | Mapping[str, float]
    #: Aspect ratio to (width, height) in px; empty where the size follows the input.
    sizes: Mapping[str, tuple[int, int]]
    fields: tuple[Field, ...]


def document() -> dict[str, Any]:
    """The whole OpenAPI document."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loaded: dict[str, Any] = yaml.load(PATH.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 -- a safe loader
    return loaded


@cache
def cached_document() -> dict[str, Any]:
    """The document, read once per process."""
    return document()


def message(response: str, example: str) -> str:
    """The error sentence stored as an example of a named response."""
    content = cached_document()["components"]["responses"][response]["content"]["application/json"]
    value = content["examples"][example]["value"]
    text: str = value["errors"][0] if "errors" in value else value["message"]
    return text


def routes() -> dict[str, Route]:
    """Every v2beta generation operation by path."""
    found = {}
    for path, operations in cached_document()["paths"].items():
        if path.startswith("/v2beta/") and "post" in operations:
            found[path] = _route(path, operations["post"])
    return found


def _route(path: str, operation: dict[str, Any]) -> Route:
    schema = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    required = schema.get("required", [])
    sizes = {ratio: _size(text) for ratio, text in operation.get("x-output", {}).get("sizes", {}).items()}
    return Route(
        path=path,
        operation=operation["operationId"],
        deferred=operation["x-mode"] == "async",
        credits=operation["x-credits"],
        sizes=sizes,
        fields=tuple(_field(name, _resolve(s), name in required) for name, s in schema["properties"].items()),
    )


def _resolve(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    resolved: dict[str, Any] = cached_document()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return resolved


def _field(name: str, schema: dict[str, Any], required: bool) -> Field:
    if schema.get("format") == "binary":
        return Field(name=name, kind="file", required=required, image=_image(schema.get("x-image-rules", {})))
    if "enum" in schema:
        return Field(name=name, kind="choice", required=required, choices=tuple(schema["enum"]))
    if schema["type"] == "string":
        return Field(
            name=name,
            kind="text",
            required=required,
            minimum=schema.get("minLength"),
            maximum=schema.get("maxLength"),
        )
    return Field(
        name=name,
        kind=schema["type"],
        required=required,
        minimum=schema.get("minimum"),
        maximum=schema.get("maximum"),
    )


def _image(rules: dict[str, Any]) -> ImageRules:
    bounds: dict[str, Any] = {
        key: rules[key] for key in ("min_side", "max_side", "min_pixels", "max_pixels") if key in rules
    }
    if "aspect" in rules:
        bounds["max_aspect"] = float(rules["aspect"].rsplit(":", 1)[0].rsplit(" ", 1)[1])
    return ImageRules(**bounds)


def _size(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)

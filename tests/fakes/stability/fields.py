"""Checks a form against a route's fields and gathers every failure, as the API lists them all in one answer.

May import the standard library, attrs and Pillow. Only `<field>: required` is known verbatim; the other sentences carry
the right field name and the right facts in words of their own, so nobody should branch on them.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping

from PIL import Image

from fakes.stability.contract import Field, ImageRules, Route
from fakes.stability.forms import Part

Value = str | float | int | bytes


def check(route: Route, form: Mapping[str, Part]) -> tuple[dict[str, Value], list[str]]:
    """The values that were understood, and one `field: message` for each that was not; unknown parts are ignored."""
    values: dict[str, Value] = {}
    failures: list[str] = []
    for field in route.fields:
        part = form.get(field.name)
        if part is None or (field.kind == "file" and not part.data):
            if field.required:
                failures.append(f"{field.name}: required")
            continue
        try:
            values[field.name] = _value(field, part)
        except ValueError as error:
            failures.append(f"{field.name}: {error}")
    return values, failures + _across(route, values, form)


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height in px of a picture that passed the check."""
    with Image.open(io.BytesIO(data)) as picture:
        width, height = picture.size
    return width, height


def _value(field: Field, part: Part) -> Value:
    if field.kind == "file":
        _check_picture(field.image or ImageRules(), part.data)
        return part.data
    try:
        text = part.data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("must be UTF-8 text") from None
    if field.kind == "text":
        return _text(field, text)
    if field.kind == "choice":
        if text not in field.choices:
            allowed = " | ".join(f"'{choice}'" for choice in field.choices)
            raise ValueError(f"Invalid enum value. Expected {allowed}, received '{text[:80]}'")
        return text
    return _number(field, text)


def _text(field: Field, text: str) -> str:
    if field.minimum is not None and len(text) < field.minimum:
        raise ValueError(f"must contain at least {field.minimum:g} character(s)")
    if field.maximum is not None and len(text) > field.maximum:
        raise ValueError(f"must contain at most {field.maximum:g} character(s)")
    return text


def _number(field: Field, text: str) -> float | int:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number") from None
    if not math.isfinite(number):
        raise ValueError("must be a number")
    if field.kind == "integer" and not number.is_integer():
        raise ValueError("must be an integer")
    if field.minimum is not None and number < field.minimum:
        raise ValueError(f"must be greater than or equal to {field.minimum:.15g}")
    if field.maximum is not None and number > field.maximum:
        raise ValueError(f"must be less than or equal to {field.maximum:.15g}")
    return int(number) if field.kind == "integer" else number


def _check_picture(rules: ImageRules, data: bytes) -> None:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            kind = (picture.format or "").lower()
    except (OSError, Image.DecompressionBombError):
        raise ValueError("must be a picture") from None
    if kind not in rules.formats:
        raise ValueError(f"must be one of {', '.join(rules.formats)}")
    short, long = sorted((width, height))
    if short < rules.min_side or (rules.max_side is not None and long > rules.max_side):
        raise ValueError(f"each side must have {rules.min_side} to {rules.max_side or 'any number of'} pixels")
    if width * height < rules.min_pixels or (rules.max_pixels is not None and width * height > rules.max_pixels):
        raise ValueError(f"must have {rules.min_pixels} to {rules.max_pixels or 'any number of'} pixels in all")
    if rules.max_aspect is not None and long > short * rules.max_aspect:
        raise ValueError(f"must be between 1:{rules.max_aspect:g} and {rules.max_aspect:g}:1")


def _across(route: Route, values: Mapping[str, Value], form: Mapping[str, Part]) -> list[str]:
    sent = {name for name, part in form.items() if part.data}
    if route.operation == "generateUltra" and "image" in sent and "strength" not in sent:
        return ["strength: required"]
    if route.operation == "generateSD3":
        return _sd3(values.get("mode", "text-to-image"), sent)
    if route.operation == "editOutpaint" and not any(values.get(side) for side in ("left", "right", "up", "down")):
        return ["left: at least one of left, right, up and down must be greater than 0"]
    if route.operation == "editReplaceBackgroundAndRelight":
        return _relight(sent)
    return []


def _sd3(mode: Value, sent: set[str]) -> list[str]:
    if mode == "image-to-image":
        missing = [f"{name}: required" for name in ("image", "strength") if name not in sent]
        return missing + (["aspect_ratio: not allowed in image-to-image"] if "aspect_ratio" in sent else [])
    return [f"{name}: not allowed in text-to-image" for name in ("image", "strength") if name in sent]


def _relight(sent: set[str]) -> list[str]:
    failures = []
    if not sent & {"background_prompt", "background_reference"}:
        failures.append("background_prompt: required without background_reference")
    if "light_source_strength" in sent and not sent & {"light_reference", "light_source_direction"}:
        failures.append("light_source_strength: needs light_reference or light_source_direction")
    return failures

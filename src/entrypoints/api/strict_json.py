"""JSON as RFC 8259 means it, for input nobody vouches for; imports stdlib.

`json.loads` takes NaN, 1e999, duplicate keys, lone surrogates and any depth. Each has made some program behind it fail: an
answer that quotes them cannot be encoded again, and two readers of a duplicate key disagree about what was asked.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import NoReturn

#: Deepest nesting taken; the API's bodies need two.
MAX_DEPTH = 16
#: Longest number taken, in characters: far beyond what any field holds.
MAX_NUMBER_LENGTH = 64
#: Most values taken, about: each takes up to a hundred times its length in memory, and bodies with pictures are long.
MAX_VALUES = 65_536

# Every alternative consumes what it matched for good (possessive), so that the scan is linear for any input.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_SURROGATE_OR_NUL = re.compile("[\x00\ud800-\udfff]")


class NotStrictJson(ValueError):
    """The bytes are no strict JSON; the text says why and never repeats them."""


def parse(data: bytes) -> object:
    """The value that UTF-8 encoded JSON stands for.

    Raises NotStrictJson.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise NotStrictJson("The body is not valid UTF-8.") from None
    if text.startswith("\ufeff"):
        raise NotStrictJson("The body begins with a byte order mark; send plain UTF-8.")
    if not text.strip():
        raise NotStrictJson("The body is empty.")
    # What stands within texts is counted too: no text that is taken has nearly as much of it.
    brackets = data.count(b"[") + data.count(b"{")
    if brackets + data.count(b",") > MAX_VALUES:
        raise NotStrictJson(f"The body has more than {MAX_VALUES} values.")
    # Few brackets cannot be deep; only then is the exact count worth its time.
    if brackets > MAX_DEPTH:
        _check_depth(text)
    try:
        value: object = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_int=_short_int,
            parse_float=_finite_float,
            parse_constant=_no_constant,
        )
    except json.JSONDecodeError as error:
        raise NotStrictJson(f"The body is not valid JSON (line {error.lineno}, column {error.colno}).") from None
    # Raw control characters are refused above and raw surrogates are no UTF-8: both can only come from an escape. One byte is
    # found many times faster than two, and no other thread runs meanwhile.
    if b"\\" in data and "\\u" in text and any(_SURROGATE_OR_NUL.search(string) for string in _strings(value)):
        raise NotStrictJson("A text in the body contains NUL or an unpaired surrogate.")
    return value


def _check_depth(text: str) -> None:
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        token = match[0]
        if token in ("[", "{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise NotStrictJson(f"The body is nested deeper than {MAX_DEPTH} levels.")
        elif token in ("]", "}"):
            depth -= 1


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotStrictJson("An object in the body has the same key twice.")
    return value


def _short(token: str) -> str:
    if len(token) > MAX_NUMBER_LENGTH:
        raise NotStrictJson(f"A number in the body has more than {MAX_NUMBER_LENGTH} characters.")
    return token


def _short_int(token: str) -> int:
    return int(_short(token))


def _finite_float(token: str) -> float:
    value = float(_short(token))
    if not math.isfinite(value):
        raise NotStrictJson("A number in the body is too large.")
    return value


def _no_constant(_: str) -> NoReturn:
    raise NotStrictJson("NaN and Infinity are not JSON.")


def _strings(value: object) -> Iterator[str]:
    """Every text in a value, keys included; its depth is bounded."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)

"""The strict parser takes exactly what RFC 8259 and I-JSON allow, and is never slow."""

import contextlib
import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrypoints.api.strict_json import MAX_DEPTH, NotStrictJson, parse

_TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner),
    max_leaves=20,
)


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


@given(_VALUES.filter(lambda value: _depth(value) <= MAX_DEPTH), st.booleans())
def test_a_value_written_as_json_is_read_back(value: object, ascii_only: bool) -> None:
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_the_one_error(data: bytes) -> None:
    try:
        value = parse(data)
    except NotStrictJson:
        return
    # Whatever gets through can be encoded again, by anybody.
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@given(st.text(st.sampled_from('{}[]",:\\u0d8 1eN-"x'), max_size=60))
@example('"\\ud800"')
@example('{"a":1,"a":2}')
def test_anything_that_looks_like_json_gives_a_value_or_the_one_error(text: str) -> None:
    try:
        value = parse(text.encode())
    except NotStrictJson:
        return
    assert json.loads(text) == value


_REFUSED = {
    "empty": b"",
    "blank": b" \r\n",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a": 1}'.encode("utf-16-le"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "invalid UTF-8": b'{"a": "\xff"}',
    "overlong UTF-8": b'{"a": "\xc0\xaf"}',
    "surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "trailing garbage": b"{} x",
    "two values": b"{}{}",
    "trailing comma": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "comment": b"{} // x",
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "-Infinity": b'{"a": -Infinity}',
    "1e999": b'{"a": 1e999}',
    "-1e999": b'{"a": -1e999}',
    "4,000 digits": b'{"a": ' + b"9" * 4000 + b"}",
    "60,000 digits": b'{"a": ' + b"9" * 60_000 + b"}",
    "4,000 decimals": b'{"a": 0.' + b"1" * 4000 + b"}",
    "leading zero": b'{"a": 01}',
    "plus sign": b'{"a": +1}',
    "hexadecimal": b'{"a": 0x10}',
    "duplicate key": b'{"a": 1, "a": 2}',
    "duplicate key, spelt otherwise": b'{"a": 1, "\\u0061": 2}',
    "duplicate key, deeper": b'{"b": [{"a": 1, "a": 1}]}',
    "lone surrogate": b'{"a": "\\ud800"}',
    "lone surrogate in a key": b'{"\\udfff": 1}',
    "surrogates the wrong way round": b'{"a": "\\ude00\\ud83d"}',
    "lone surrogate in a list": b'[["\\ud83d"]]',
    "escaped NUL": b'{"a": "\\u0000"}',
    "escaped NUL in a key": b'{"a\\u0000": 1}',
    "raw NUL": b'{"a": "\x00"}',
    "raw control character": b'{"a": "\n"}',
    "40,000 deep": b"[" * 40_000,
    "40,000 deep and closed": b"[" * 30_000 + b"]" * 30_000,
    "40,000 deep in objects": b'{"a":' * 13_000 + b"1" + b"}" * 13_000,
    "one too deep": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
}


@pytest.mark.parametrize("data", _REFUSED.values(), ids=_REFUSED.keys())
def test_what_is_not_strict_is_refused_without_repeating_it(data: bytes) -> None:
    with pytest.raises(NotStrictJson) as caught:
        parse(data)
    assert len(str(caught.value)) < 100


_TAKEN = {
    b'{"a": "\\ud83d\\ude00"}': {"a": "😀"},
    '{"a": "ночь 🌊"}'.encode(): {"a": "ночь 🌊"},
    b'{"a": "\\\\ud800"}': {"a": "\\ud800"},
    b'{"a": -0}': {"a": 0},
    b'{"a": 9223372036854775808}': {"a": 2**63},
    b'{"a": 1E3}': {"a": 1000.0},
    b'{"a": 1e-999}': {"a": 0.0},
    b"null": None,
    b" [ ] ": [],
    b"[" * MAX_DEPTH + b"]" * MAX_DEPTH: [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]],
    b'["' + b"[" * 100 + b'"]': ["[" * 100],
    b'["\\"' + b"[" * 100 + b'", {"]": "}"}]': ['"' + "[" * 100, {"]": "}"}],
}


@pytest.mark.parametrize(("data", "value"), _TAKEN.items())
def test_what_is_strict_is_taken(data: bytes, value: object) -> None:
    assert parse(data) == value


_HARD = {
    "escaped quotes that never end": b"[" * 20 + b'"' + b'\\"' * 32_000,
    "quotes": b"[" * 20 + b'"' * 64_000,
    "backslashes": b"[" * 20 + b'"' + b"\\" * 64_001,
    "brackets in text": b'["' + b"[" * 65_000 + b'"]',
    "many keys": json.dumps({str(n): n for n in range(5_000)}).encode(),
    "many escapes": b'["' + b"\\u0041" * 10_000 + b'"]',
}


@pytest.mark.parametrize("data", _HARD.values(), ids=_HARD.keys())
def test_no_body_of_the_largest_size_takes_long(data: bytes) -> None:
    begun = time.process_time()
    with contextlib.suppress(NotStrictJson):
        parse(data)
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize("part", [b"[],", b"{},", b"1,", b'"",'], ids=["lists", "objects", "numbers", "texts"])
def test_a_long_body_of_tiny_values_is_refused_before_it_fills_the_memory(part: bytes) -> None:
    data = b'{"image":[' + part * ((6 << 20) // len(part)) + b"1]}"
    begun = time.process_time()
    with pytest.raises(NotStrictJson, match="more than 65536 values"):
        parse(data)
    assert time.process_time() - begun < 0.3


def test_a_long_picture_in_base64_is_taken() -> None:
    text = "iVBORw0KGgo+/" * 500_000
    assert parse(json.dumps({"image": text}).encode()) == {"image": text}

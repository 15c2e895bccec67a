"""What a picture in base64 stands for, whatever its length."""

import base64

import pytest

from entrypoints.api.uploads import decoded
from imaging_core.errors import InvalidRequest


@pytest.mark.parametrize("length", [0, 1, 786_431, 786_432, 786_433, 2_000_000])
def test_a_picture_of_any_length_is_decoded_whole(length: int) -> None:
    data = bytes(range(256)) * (length // 256) + bytes(length % 256)
    text = base64.b64encode(data).decode()

    assert decoded(text, "image") == data
    assert decoded(f"data:image/png;base64,{text}", "image") == data


@pytest.mark.parametrize("length", [3, 786_432, 1_572_864])
@pytest.mark.parametrize("padding", ["=", "==", "===", "===="])
def test_needless_padding_says_nothing_wherever_it_is(length: int, padding: str) -> None:
    data = bytes(range(256)) * (length // 256) + bytes(length % 256)

    assert decoded(base64.b64encode(data).decode() + padding, "image") == data


@pytest.mark.parametrize(
    "text", ["A" * 1_048_575 + "=AAAA", "A" * 1_048_574 + "==AAAA", "*" + "A" * 1_048_579, "A" * 1_048_577, "ü" * 4]
)
def test_what_is_no_base64_is_refused_wherever_it_is(text: str) -> None:
    with pytest.raises(InvalidRequest, match="no valid base64"):
        decoded(text, "image")

"""What a browser's tab may have kept of the words on the form."""

import pytest

from entrypoints.gui.components.unsent import words_of


def test_words_come_back_to_the_fields_they_were_in() -> None:
    assert words_of('{"prompt": "a lake 🦊", "negative_prompt": "people"}') == {
        "prompt": "a lake 🦊",
        "negative_prompt": "people",
    }
    assert words_of('{"prompt": "a lake", "negative_prompt": ""}') == {"prompt": "a lake"}


@pytest.mark.parametrize("text", [None, "", "nonsense", "[1]", "7", 17, '{"prompt": 5}', '{"section": "stability"}'])
def test_anything_else_counts_as_nothing(text: object) -> None:
    assert words_of(text) == {}


def test_no_more_comes_back_than_a_prompt_may_have() -> None:
    assert len(words_of(f'{{"prompt": "{"x" * 20_000}"}}')["prompt"]) == 10_000

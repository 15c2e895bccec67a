"""What an index of prompts is asked for is always in what it holds, so that it hides no job."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.samples import a_job, a_request
from imaging_core.ports import JobQuery
from imaging_core.searching import grams, grams_of_text, matches

prompts = st.text(st.sampled_from("aBcé4 ,猫ßİ\u202e\ud800"), max_size=30)


@given(prompt=prompts, start=st.integers(0, 30), size=st.integers(0, 8), other=prompts)
def test_every_prompt_with_the_words_has_their_parts(prompt: str, start: int, size: int, other: str) -> None:
    text = f"{prompt[start : start + size].upper()} {other[:2]}"
    if matches(a_job(request=a_request(prompt=prompt)), JobQuery(text=text)):
        assert grams_of_text(text) <= grams(prompt)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Lights", {"lig", "igh", "ght", "hts"}),
        ("4K of", {"4k", "of"}),
        ("猫 と海", {"猫", "と海"}),
        ("a % b", {"%"}),
        ("  ", set()),
    ],
)
def test_words_are_asked_for_by_their_parts(text: str, parts: set[str]) -> None:
    assert grams_of_text(text) == parts


def test_a_prompt_is_kept_by_threes_and_twos_and_what_is_no_letter() -> None:
    assert grams("a Fox 8k") == {"fox", "fo", "ox", "8k", "8"}

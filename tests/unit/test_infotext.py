"""The WebUI's text about a picture: written and read as WebUI 1.10.1 does, and as its recorded answers have it."""

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_core.infotext import Infotext, parse

#: Every kind of text that the recorded program answered with.
RECORDED = json.loads((Path(__file__).parents[1] / "data" / "sdwebui" / "infotexts.json").read_text("utf-8"))

LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=40).map(str.strip)
PROMPTS = (
    st.lists(LINES.filter(lambda line: not line.startswith("Negative prompt:")), max_size=4)
    .map("\n".join)
    .map(str.strip)
)
NAMES = st.from_regex(r"\A[A-Z][a-z]{1,10}( [a-z]{1,8}){0,2}\Z")
VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).map(str.strip).filter(bool)


@pytest.mark.parametrize("text", RECORDED)
def test_what_the_webui_wrote_is_read_and_written_the_same(text: str) -> None:
    info = parse(text)

    assert len(info.settings) >= 7
    assert re.fullmatch(r"\d+x\d+", info.settings["Size"])
    # The end of a line of the prompt is the one thing that its own way of reading loses.
    assert info.text() == text.replace(" \n", "\n")


def test_each_part_is_found() -> None:
    info = parse(
        "a cat,\n(a dog:1.2)\nNegative prompt: blurry\nlow quality\n"
        "Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.0, Seed: 42, Size: 512x768, Model: a-b_c, "
        'Lora hashes: "one: 12, two: 34", Version: v1.10.1'
    )

    assert info.prompt == "a cat,\n(a dog:1.2)"
    assert info.negative_prompt == "blurry\nlow quality"
    assert info.settings == {
        "Steps": "20",
        "Sampler": "Euler a",
        "Schedule type": "Automatic",
        "CFG scale": "7.0",
        "Seed": "42",
        "Size": "512x768",
        "Model": "a-b_c",
        "Lora hashes": "one: 12, two: 34",
        "Version": "v1.10.1",
    }


def test_a_last_line_with_fewer_than_three_settings_belongs_to_the_prompt() -> None:
    assert parse("a cat\nsize: large, colour: red").prompt == "a cat\nsize: large, colour: red"
    assert parse("just words").prompt == "just words"
    assert parse("") == Infotext()


def test_a_prompt_of_nothing_but_a_negative_one_is_read() -> None:
    text = "Negative prompt: bad\nSteps: 3, Sampler: Euler a, CFG scale: 5.0"

    assert parse(text).negative_prompt == "bad"
    assert parse(text).text() == text


@given(PROMPTS, PROMPTS, st.dictionaries(NAMES, VALUES, min_size=3, max_size=8))
def test_what_is_written_is_read_back(prompt: str, negative_prompt: str, settings: dict[str, str]) -> None:
    settings = {name: value for name, value in settings.items() if name != value and not value.startswith('"')}
    while len(settings) < 3:
        settings[f"Name {'abc'[len(settings)]}"] = "x"
    info = Infotext(prompt=prompt, negative_prompt=negative_prompt, settings=settings)

    assert parse(info.text()) == info


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    parse(text)


@pytest.mark.parametrize(
    "text", ["a" * 300_000, " " * 300_000 + "x", 'aa:"\\' * 80_000, "aa: " * 80_000, 'a:"' * 90_000]
)
def test_no_text_takes_long_to_read(text: str) -> None:
    began = time.perf_counter()
    parse("x" + text)

    assert time.perf_counter() - began < 2


def test_the_search_for_settings_holds_nobody_up() -> None:
    # A compressed text of the longest size fits into a picture of a few kB, and no other thread runs meanwhile.
    began = time.process_time()
    parse("a" * (1 << 20))

    assert time.process_time() - began < 0.3

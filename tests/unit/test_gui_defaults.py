"""A visitor's defaults: what a browser may have kept, and where they go."""

from typing import Any

import pytest

from entrypoints.gui.defaults import Defaults, apply, from_text

WISH = Defaults(backend="local", count=3, output_format="webp")


def test_what_was_kept_is_what_was_chosen() -> None:
    assert from_text(WISH.as_text()) == WISH
    assert from_text(Defaults().as_text()) == Defaults()


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "nonsense",
        "[1]",
        "7",
        '{"backend": 5, "count": true, "output_format": "exe"}',
        '{"count": 11}',
        '{"count": 1.5}',
        f'{{"backend": "{"x" * 65}"}}',
        17,
    ],
)
def test_whatever_else_a_browser_holds_counts_as_nothing(text: object) -> None:
    assert from_text(text) == Defaults()


def test_they_go_on_the_forms_of_the_backends_there_are() -> None:
    state: dict[Any, Any] = {"prompt": "kept"}
    apply(WISH, ["stability", "local"], state, {})
    assert state == {
        "prompt": "kept",
        "section": "local",
        "stability.count": 3,
        "local.count": 3,
        "stability.output_format": "webp",
        "local.output_format": "webp",
    }
    state = {}
    apply(WISH, ["demo"], state, {})
    assert state == {"demo.count": 3, "demo.output_format": "webp"}


@pytest.mark.parametrize("said", ["like", "from", "section"])
def test_an_address_that_says_what_is_wanted_goes_first(said: str) -> None:
    state: dict[Any, Any] = {}
    apply(WISH, ["local"], state, {said: "x"})
    assert state == {}

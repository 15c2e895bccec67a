"""How the page says things, and which shapes it offers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from entrypoints.gui import presets, words
from imaging_core.capabilities import Capabilities
from imaging_core.parameters import Parameter, ParameterKind

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-3, "0 s"), (0.2, "1 s"), (59, "59 s"), (60, "1 min"), (150, "2 min"), (3600, "1 h"), (3900, "1 h 5 min")],
)
def test_durations(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(seconds=50), "1 min ago"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=2), "20 Nov, 18:00"),
        (timedelta(days=400), "18 Oct 2025"),
    ],
)
def test_moments(before: timedelta, said: str) -> None:
    assert words.ago(NOW - before, NOW) == said


@pytest.mark.parametrize(
    ("position", "said"),
    [(1, "next in line"), (2, "2nd in line"), (3, "3rd in line"), (11, "11th in line"), (21, "21st in line")],
)
def test_places_in_the_queue(position: int, said: str) -> None:
    assert words.place(position) == said


def test_names_of_settings_and_choices() -> None:
    assert words.name_of("cfg_scale") == "CFG scale"
    assert words.name_of("denoising_strength") == "Denoising strength"
    assert words.name_of("hr_second_pass_steps") == "Hires second pass steps"
    assert words.name_of("analog-film") == "Analog film"


def test_prices_and_counts() -> None:
    assert (words.credit_sum(1), words.credit_sum(6.5), words.credit_sum(9.0)) == (
        "1 credit",
        "6.5 credits",
        "9 credits",
    )
    assert (words.pictures(1), words.pictures(2)) == ("1 picture", "2 pictures")


@given(some.text(), some.integers(2, 60))
def test_shortened_text_is_one_short_line(text: str, length: int) -> None:
    short = words.shortened(text, length)
    assert len(short) <= length + 1
    assert "\n" not in short


@given(some.text(alphabet="abc *_`$:[]()<>#~|-+!.{}&@^=/\\"))
def test_plain_text_has_no_markdown_left_in_it(text: str) -> None:
    escaped = words.plain(text)
    assert escaped.replace("\\\\", "\0").replace("\\", "").replace("\0", "\\") == text


def _sized(default: int, *, most: int = 2048, max_pixels: int | None = None, step: int = 8) -> Capabilities:
    sides = (
        Parameter(name=name, kind=ParameterKind.INTEGER, minimum=64, maximum=most, multiple_of=step, default=default)
        for name in ("width", "height")
    )
    return Capabilities(backend="any", title="Any", parameters=tuple(sides), max_pixels=max_pixels)


@pytest.mark.parametrize("default", [64, 512, 768, 1024])
def test_the_first_size_is_the_backends_own(default: int) -> None:
    first = presets.sizes(_sized(default))[0]
    assert (first.ratio, first.width, first.height) == ("1:1", default, default)


@given(
    default=some.sampled_from([64, 128, 256, 512, 640, 1024, 1536]),
    most=some.sampled_from([512, 1024, 2048]),
    max_pixels=some.none() | some.sampled_from([512 * 512, 1024 * 1024]),
    step=some.sampled_from([1, 8, 64]),
)
def test_every_size_offered_is_one_the_backend_takes(
    default: int, most: int, max_pixels: int | None, step: int
) -> None:
    can = _sized(min(default, most), most=most, max_pixels=max_pixels, step=step)
    for size in presets.sizes(can):
        for side in (size.width, size.height):
            assert 64 <= side <= most
            assert side % step == 0
        assert max_pixels is None or size.width * size.height <= max_pixels


def test_a_backend_without_sizes_offers_none() -> None:
    assert presets.sizes(Capabilities(backend="any", title="Any", parameters=())) == ()


def test_ratios_begin_with_those_most_used_and_keep_strangers() -> None:
    assert presets.ratio_order(("7:5", "9:16", "1:1", "3:2")) == ["1:1", "3:2", "9:16", "7:5"]

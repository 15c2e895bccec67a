"""The demo's painter: the same picture for the same words, whatever the words; small pictures keep it quick."""

import hashlib
import io
import threading
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from adapters.demo.canvas import Canvas, to_image
from adapters.demo.noise import Dice, fbm, plane
from adapters.demo.painting import MAX_STEPS, SOFTWARE, Abandoned, Painting
from adapters.demo.theme import GROUNDS, Theme, motifs_of, read, words_of

PROMPTS = {
    "mountain": "sunset over snowy mountains",
    "lake": "a boat on a calm lake at dawn, oil painting",
    "sea": "storm over the sea, lighthouse",
    "forest": "misty forest in autumn, deer",
    "desert": "desert with cactus under the stars",
    "city": "neon city at night in the rain",
    "space": "galaxy with planets",
    "meadow": "flower meadow with hot air balloons, rainbow, watercolor",
    "bloom": "a red rose",
    "grid": "synthwave",
    "abstract": "abstract art in blue and gold",
    "portrait": "portrait of a woman",
}


def painted(
    prompt: str, *, seed: int = 1, width: int = 96, height: int = 96, steps: int = 1, negative: str = ""
) -> Painting:
    painting = Painting(prompt=prompt, negative_prompt=negative, seed=seed, width=width, height=height, steps=steps)
    for _ in painting:
        pass
    return painting


def difference(a: Image.Image, b: Image.Image) -> float:
    """Mean difference of two pictures, 0 to 255."""
    return float(sum(ImageStat.Stat(ImageChops.difference(a, b)).mean) / 3)


def mean_colour(image: Image.Image) -> tuple[float, float, float]:
    red, green, blue = ImageStat.Stat(image).mean
    return red, green, blue


def theme(prompt: str, negative: str = "") -> Theme:
    return read(prompt, negative, Dice("test", prompt))


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_the_same_words_and_seed_give_the_same_bytes(prompt: str) -> None:
    assert painted(prompt).png() == painted(prompt).png()


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_every_ground_gives_a_picture_with_something_in_it(prompt: str) -> None:
    image = painted(prompt).image()

    assert image.mode == "RGB"
    assert sum(ImageStat.Stat(image).stddev) > 12
    assert len(image.getcolors(maxcolors=96 * 96) or range(10_000)) > 500


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_another_seed_gives_a_clearly_different_picture(prompt: str) -> None:
    assert difference(painted(prompt, seed=1).image(), painted(prompt, seed=2).image()) > 4


def test_the_raw_numbers_behind_a_picture_never_change() -> None:
    # Pixels rest on these: if they change, every stored seed stands for another picture.
    dice = Dice("golden", 7)

    assert [round(value, 6) for value in dice.array(3).tolist()] == [0.052483, 0.041428, 0.960035]
    xs = np.linspace(-1, 1, 64, dtype=np.float32)
    field = fbm(3, xs, xs, frequency=4.0, octaves=4)
    assert hashlib.sha256(field.astype("<f4").tobytes()).hexdigest()[:16] == "ddb2bca20fafdf98"


def test_forks_of_the_dice_do_not_disturb_each_other() -> None:
    dice = Dice("key", 1)
    first = dice.fork("a").array(8).tolist()
    dice.fork("b").array(100)
    dice.array(50)

    assert dice.fork("a").array(8).tolist() == first
    assert dice.fork("b").array(8).tolist() != first


def test_noise_stays_within_0_and_1_and_varies() -> None:
    xs = np.linspace(-40, 40, 300, dtype=np.float32)
    field = plane(11, xs, xs)

    assert 0.0 <= float(field.min()) < 0.15
    assert 0.85 < float(field.max()) <= 1.0


@pytest.mark.parametrize("size", [(64, 64), (64, 97), (300, 64), (129, 70), (64, 640)])
def test_any_size_is_met_exactly(size: tuple[int, int]) -> None:
    painting = painted("mountain lake with a cabin, birds, clouds", width=size[0], height=size[1])

    assert painting.image().size == size
    with Image.open(io.BytesIO(painting.png())) as image:
        image.load()
        assert image.size == size


def test_a_larger_size_gives_the_same_composition() -> None:
    small = painted("sunset over the sea", width=128, height=128).image()
    large = painted("sunset over the sea", width=256, height=256).image()

    assert difference(large.resize((128, 128), Image.Resampling.BOX), small) < 8


def test_the_picture_does_not_depend_on_the_number_of_steps() -> None:
    assert painted("forest", steps=1).image().tobytes() == painted("forest", steps=7).image().tobytes()


def test_a_painting_comes_out_of_noise_step_by_step() -> None:
    painting = Painting(prompt="sunset over the sea", seed=3, width=96, height=96, steps=12)
    final = painted("sunset over the sea", seed=3).image()
    distances = [difference(painting.image(), final)]
    fractions = []
    for state in painting:
        distances.append(difference(state.image(), final))
        fractions.append(state.progress)

    assert fractions == [pytest.approx((k + 1) / 12) for k in range(12)]
    assert distances[0] > 30
    assert distances[-1] == 0
    # Previews live: each differs from the next, and the way leads to the picture.
    assert distances[3] > distances[7] > distances[10] > distances[12]
    assert painting.finished
    assert not painting.step()


def test_a_preview_is_small_and_shows_the_same() -> None:
    painting = painted("mountain lake", width=300, height=150)
    preview = painting.preview(100)

    assert preview.size == (100, 50)
    assert difference(preview, painting.image().resize((100, 50), Image.Resampling.BOX)) == 0
    assert painting.preview(1000).size == (300, 150)


def test_a_preview_before_the_first_step_is_noise() -> None:
    painting = Painting(prompt="mountain lake", seed=1, width=200, height=200, steps=4)

    assert painting.done == 0
    assert sum(ImageStat.Stat(painting.preview(64)).stddev) > 60


def test_the_files_say_that_it_is_not_ai() -> None:
    painting = painted("lake")
    with Image.open(io.BytesIO(painting.png())) as png:
        assert isinstance(png.info, dict)
        assert png.info["Software"] == SOFTWARE
    for kind in ("jpeg", "webp"):
        with Image.open(io.BytesIO(painting.encoded(kind))) as image:
            image.load()
            assert image.format == kind.upper()
            assert "not AI" in image.getexif()[0x0131]
    assert "not AI" in SOFTWARE
    with pytest.raises(ValueError, match="png, jpeg or webp"):
        painting.encoded("gif")


def test_the_picture_carries_a_line_in_its_corner(monkeypatch: pytest.MonkeyPatch) -> None:
    signed = painted("day, clear sky over the sea", width=256, height=256).image()
    monkeypatch.setattr("adapters.demo.painting.sign", lambda _: None)
    plain = painted("day, clear sky over the sea", width=256, height=256).image()
    box = ImageChops.difference(signed, plain).getbbox()

    assert box is not None
    assert box[0] > 256 * 0.6
    assert box[1] > 256 * 0.9


@pytest.mark.parametrize(
    ("field", "value"), [("width", 63), ("height", 2049), ("steps", 0), ("steps", MAX_STEPS + 1), ("width", -5)]
)
def test_a_number_out_of_range_is_refused_by_name(field: str, value: int) -> None:
    numbers = {"width": 64, "height": 64, "steps": 1, field: value}

    with pytest.raises(ValueError, match=f"^{field} must be"):
        Painting(prompt="x", seed=1, width=numbers["width"], height=numbers["height"], steps=numbers["steps"])


def test_an_abandoned_painting_paints_no_more() -> None:
    painting = Painting(prompt="mountain lake", seed=1, width=64, height=64, steps=5)
    painting.step()
    painting.abandon()

    with pytest.raises(Abandoned):
        painting.step()


def test_a_painting_can_be_abandoned_in_the_middle_of_a_stroke(monkeypatch: pytest.MonkeyPatch) -> None:
    painting = Painting(prompt="mountain lake", seed=1, width=64, height=64, steps=5)
    begun, abandoned = threading.Event(), threading.Event()
    shine = Canvas.glow

    def waiting(canvas: Canvas, *arguments: object) -> None:
        begun.set()
        assert abandoned.wait(20)
        shine(canvas, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Canvas, "glow", waiting)
    outcome: list[BaseException] = []

    def work() -> None:
        try:
            painting.step()
        except Abandoned as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(20)
    painting.abandon()
    abandoned.set()
    thread.join(20)

    assert len(outcome) == 1
    assert painting.done == 0


# --- the prompt is followed ---


def test_night_is_darker_than_day() -> None:
    assert sum(mean_colour(painted("mountains at night").image())) + 120 < sum(
        mean_colour(painted("mountains, sunny day").image())
    )


def test_colour_words_colour_the_picture() -> None:
    for seed in (1, 2, 3):
        red = mean_colour(painted("crimson sea, sunset", seed=seed).image())
        green = mean_colour(painted("emerald sea, sunset", seed=seed).image())
        assert red[0] - red[1] > green[0] - green[1] + 20


def test_snow_is_whiter_than_grass() -> None:
    def greenness(prompt: str) -> float:
        red, green, blue = mean_colour(painted(prompt, seed=4).image().crop((0, 60, 96, 90)))
        return green - (red + blue) / 2

    assert greenness("meadow, day") > greenness("meadow, day, snow") + 10


def test_black_and_white_has_no_colour() -> None:
    image = painted("black and white mountains").image()
    red, green, blue = (np.asarray(channel, np.int16) for channel in image.split())

    assert int(np.abs(red - green).max()) <= 1
    assert int(np.abs(green - blue).max()) <= 1


def test_the_strength_of_the_colours_follows() -> None:
    def colourfulness(strength: float) -> float:
        painting = Painting(prompt="sunset over the sea", seed=1, width=64, height=64, steps=1, strength=strength)
        painting.step()
        return float(ImageStat.Stat(painting.image().convert("HSV")).mean[1])

    assert colourfulness(0.2) < colourfulness(1.0) < colourfulness(2.0)


@pytest.mark.parametrize(
    ("prompt", "grounds"),
    [
        ("sunset over snow-capped mountains with a lake", ("mountain", "lake")),
        ("A cat sitting under the full moon", ("meadow",)),
        ("(galaxy:1.3), <lora:space:0.8>", ("space",)),
        ("portrait of a queen", ("portrait",)),
        ("a woman walking in a forest", ("forest",)),
        ("digital art of a city, design", ("city",)),
        ("abstract design", ("abstract",)),
        ("Berge im Nebel", ("mountain",)),
        ("🏜️ 🌵", ("desert",)),
        ("🌊🌅", ("sea",)),
        ("retrowave city", ("grid", "city")),
        ("ein Leuchtturm", ("sea",)),
    ],
)
def test_the_ground_is_what_the_prompt_names(prompt: str, grounds: tuple[str, ...]) -> None:
    assert theme(prompt).grounds == grounds


@pytest.mark.parametrize(
    ("prompt", "hour"),
    [("mountains at night", "night"), ("sunrise, sea", "dawn"), ("golden hour in the desert", "sunset"),
     ("northern lights", "night"), ("blue hour over tokyo", "dusk"), ("forest at noon", "day")],
)  # fmt: skip
def test_the_hour_is_what_the_prompt_names(prompt: str, hour: str) -> None:
    assert theme(prompt).hour == hour


def test_the_negative_prompt_takes_things_away() -> None:
    assert theme("sea with birds and a boat").has("birds")
    assert not theme("sea with birds and a boat", "birds").has("birds")
    assert theme("sea", "clouds").has("clear")
    assert theme("mountain sea", "mountains").grounds == ("sea",)
    assert (
        difference(painted("a boat on the sea").image(), painted("a boat on the sea", negative="boats").image()) > 0.2
    )


def test_words_that_nobody_knows_still_give_a_ground_and_an_hour() -> None:
    found = {theme(f"qwxz{k}").grounds[0] for k in range(40)}

    assert len(found) >= 4
    assert found <= set(GROUNDS)


def test_a_rose_beside_a_colour_is_the_flower() -> None:
    red, rose = theme("a red rose"), theme("a rose")

    assert len(red.colours) == 1
    assert not np.array_equal(red.colours[0], rose.colours[0])


def test_words_are_read_without_case_weights_and_variation_selectors() -> None:
    assert words_of("(SUNSET:1.2), Blade Runner <lora:x:1> ☀️") == ["(", "sunset", ")", ",", "blade-runner", "☀"]
    assert motifs_of(["mountains", "dogs"]) == ["mountain", "dog"]


FRAGMENTS = [
    *PROMPTS.values(), "🌊", "👩🏽‍🚀", "שקיעה", "غروب", "夕焼け", "\x00", "\u202e", "\ud800", "e\u0301", "(((", "<>", ":1.5",
]  # fmt: skip
ODD = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(FRAGMENTS), max_size=6).map(" ".join))


@settings(max_examples=40)
@given(
    prompt=ODD, negative=ODD, seed=st.integers(0, 4_294_967_294), width=st.integers(64, 90), height=st.integers(64, 90)
)
def test_any_prompt_gives_a_whole_picture(prompt: str, negative: str, seed: int, width: int, height: int) -> None:
    painting = painted(prompt, seed=seed, width=width, height=height, negative=negative)

    assert painting.image().size == (width, height)
    assert len(painting.png()) > 1000


@given(prompt=ODD, negative=ODD)
def test_any_prompt_has_a_theme(prompt: str, negative: str) -> None:
    found = theme(prompt, negative)

    assert found.grounds
    assert set(found.grounds) <= set(GROUNDS)
    assert found.hour in ("dawn", "day", "sunset", "dusk", "night")
    assert len(found.colours) <= 3


def test_both_spellings_of_an_accent_are_one_word() -> None:
    assert motifs_of(words_of(unicodedata.normalize("NFD", "château"))) == ["castle"]


def test_pixels_out_of_range_are_cut_off_not_wrapped() -> None:
    pixels = np.array([[[-1.0, 0.5, 2.0]]], np.float32)

    assert to_image(pixels).getpixel((0, 0)) == (0, 128, 255)

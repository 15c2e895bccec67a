"""What is on the form and what of it is asked for: nothing a backend cannot do, nothing that nobody chose."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from entrypoints.gui import draft
from imaging_core.capabilities import Capabilities
from imaging_core.images import MAX_SEED, ImageRequest
from imaging_core.parameters import Parameter, ParameterKind

KIND = ParameterKind

CLOUD = Capabilities(
    backend="cloud",
    title="Cloud",
    parameters=(
        Parameter(name="prompt", kind=KIND.TEXT, required=True),
        Parameter(name="checkpoint", kind=KIND.CHOICE, choices=("core", "large", "turbo"), default="core"),
        Parameter(name="aspect_ratio", kind=KIND.CHOICE, choices=("1:1", "16:9"), default="1:1"),
        Parameter(name="cfg_scale", kind=KIND.NUMBER, minimum=1, maximum=10, default=4.0, only_for=("large",)),
        Parameter(name="cfg_scale", kind=KIND.NUMBER, minimum=1, maximum=10, default=1.0, only_for=("turbo",)),
        Parameter(name="seed", kind=KIND.INTEGER, minimum=0, maximum=MAX_SEED),
        Parameter(name="count", kind=KIND.INTEGER, minimum=1, maximum=10, default=1),
        Parameter(name="mood", kind=KIND.CHOICES, choices=("calm", "wild")),
    ),
)

WEBUI = Capabilities(
    backend="webui",
    title="WebUI",
    parameters=(
        Parameter(name="prompt", kind=KIND.TEXT, required=True),
        Parameter(name="negative_prompt", kind=KIND.TEXT),
        Parameter(name="width", kind=KIND.INTEGER, minimum=64, maximum=2048, multiple_of=8, default=512),
        Parameter(name="height", kind=KIND.INTEGER, minimum=64, maximum=2048, multiple_of=8, default=512),
        Parameter(name="enable_hr", kind=KIND.FLAG, default=False),
        Parameter(name="hr_scale", kind=KIND.NUMBER, minimum=1, maximum=4, default=2.0),
        Parameter(name="denoising_strength", kind=KIND.NUMBER, minimum=0, maximum=1, default=0.7),
        Parameter(name="seed", kind=KIND.INTEGER, minimum=0, maximum=MAX_SEED),
    ),
)


def names(parameters: tuple[Parameter, ...]) -> list[str]:
    return [p.name for p in parameters]


def test_an_untouched_form_asks_for_the_prompt_and_the_model_alone() -> None:
    state: dict[Any, Any] = {"prompt": "a lighthouse"}
    for parameter in draft.applicable(CLOUD, "core"):
        draft.prepare(parameter, "cloud", state)
    wanted = draft.read(CLOUD, state)
    assert wanted.settings == {"checkpoint": "core"}
    assert wanted.request == ImageRequest(prompt="a lighthouse", checkpoint="core")


def test_a_setting_of_one_model_is_shown_and_sent_for_that_model_only() -> None:
    state: dict[Any, Any] = {"prompt": "a lighthouse", "cloud.checkpoint": "large", "cloud.cfg_scale.large": 7.0}
    assert draft.read(CLOUD, state).settings == {"checkpoint": "large", "cfg_scale": 7.0}
    state["cloud.checkpoint"] = "turbo"
    (turbo,) = (p for p in draft.applicable(CLOUD, "turbo") if p.name == "cfg_scale")
    assert state[draft.prepare(turbo, "cloud", state)] == 1.0
    assert draft.read(CLOUD, state).settings == {"checkpoint": "turbo"}
    assert "cfg_scale" not in names(draft.applicable(CLOUD, "core"))


def test_a_seed_is_asked_for_only_while_it_is_kept() -> None:
    state: dict[Any, Any] = {"prompt": "a lighthouse", "seed": 5, "keep_seed": False}
    assert "seed" not in draft.read(CLOUD, state).settings
    state["keep_seed"] = True
    assert draft.read(CLOUD, state).settings["seed"] == 5


def test_settings_of_a_second_pass_count_only_while_it_is_on() -> None:
    state: dict[Any, Any] = {"prompt": "p", "webui.hr_scale": 3.0, "webui.denoising_strength": 0.2}
    applicable = draft.applicable(WEBUI, None)
    assert names(draft.shown(applicable, "webui", state)) == ["enable_hr"]
    assert draft.read(WEBUI, state).settings == {}
    state["webui.enable_hr"] = True
    assert names(draft.shown(applicable, "webui", state)) == ["enable_hr", "hr_scale", "denoising_strength"]
    assert draft.read(WEBUI, state).settings == {"enable_hr": True, "hr_scale": 3.0, "denoising_strength": 0.2}


def test_of_two_ways_to_say_the_shape_the_sides_are_advanced() -> None:
    both = (*WEBUI.parameters, CLOUD.parameters[2])
    assert {"width", "height"} <= set(names(draft.shown(both, "webui", {})))
    assert not {"width", "height"} & set(names(draft.shown(WEBUI.parameters, "webui", {})))


@pytest.mark.parametrize(
    ("name", "stale", "fresh"),
    [
        ("checkpoint", "gone", "core"),
        ("count", 99, 1),
        ("count", None, 1),
        ("count", True, 1),
        ("mood", ["calm", "gone"], []),
    ],
)
def test_a_value_that_no_widget_could_show_gives_way_to_the_default(name: str, stale: object, fresh: object) -> None:
    parameter = CLOUD.parameter(name)
    assert parameter is not None
    state: dict[Any, Any] = {f"cloud.{name}": stale}
    assert state[draft.prepare(parameter, "cloud", state)] == fresh


def test_an_earlier_request_comes_back_onto_the_form() -> None:
    request = ImageRequest(
        prompt="a barn", checkpoint="large", cfg_scale=6, count=3, seed=9, options={"mood": ("wild",)}
    )
    state: dict[Any, Any] = {}
    assert draft.fill(request, CLOUD, state, seed=9) == []
    again = draft.read(CLOUD, state).request
    assert again == request.with_values({"cfg_scale": 6.0})
    assert state["section"] == "cloud"


def test_what_is_no_longer_there_is_named_and_left_out() -> None:
    request = ImageRequest(prompt="a barn", checkpoint="retired", options={"mood": ("wild", "sad")})
    state: dict[Any, Any] = {}
    assert draft.fill(request, CLOUD, state, seed=None) == ["checkpoint", "mood"]
    assert draft.read(CLOUD, state).settings == {"checkpoint": "core"}
    assert state["keep_seed"] is False


def test_back_to_defaults_keeps_the_prompt() -> None:
    state: dict[Any, Any] = {"prompt": "a barn", "cloud.count": 4, "cloud.cfg_scale.large": 9.0}
    draft.reset(CLOUD, state)
    assert state == {"prompt": "a barn"}


@given(
    width=some.integers(8, 256).map(lambda n: n * 8),
    height=some.integers(8, 256).map(lambda n: n * 8),
    scale=some.floats(1, 4),
    hires=some.booleans(),
    seed=some.none() | some.integers(0, MAX_SEED),
)
def test_every_request_survives_the_form(width: int, height: int, scale: float, hires: bool, seed: int | None) -> None:
    asked = ImageRequest(
        prompt="a barn", width=width, height=height, seed=seed, options={"enable_hr": hires, "hr_scale": scale}
    )
    state: dict[Any, Any] = {}
    assert draft.fill(WEBUI.fit(asked), WEBUI, state, seed=seed) == []
    again = WEBUI.fit(draft.read(WEBUI, state).request)
    assert (again.width, again.height, again.seed) == (width, height, seed)
    assert again.options["enable_hr"] == hires
    assert not hires or again.options["hr_scale"] == scale


def test_seeds_are_drawn_within_what_every_backend_takes() -> None:
    drawn = {draft.draw_seed() for _ in range(50)}
    assert len(drawn) > 40
    assert all(0 < seed <= MAX_SEED for seed in drawn)


def test_what_belongs_to_a_second_pass_means_nothing_without_one() -> None:
    options = {"clip_skip": 1, "denoising_strength": 0.7, "enable_hr": False, "hr_scale": 2.0}
    assert draft.meant(options) == {"clip_skip": 1, "enable_hr": False}
    assert draft.meant(options | {"enable_hr": True}) == options | {"enable_hr": True}

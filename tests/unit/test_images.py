"""What a backend understands: fitting a request names every wrong field, and plans cover every picture once."""

from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.samples import a_picture
from contracts.strategies import requests
from imaging_core.capabilities import Capabilities
from imaging_core.errors import FieldProblem, InvalidRequest
from imaging_core.images import CANONICAL, FieldValue, ImageRequest, OptionValue, plan_calls
from imaging_core.parameters import Parameter, ParameterKind

TEXT, INTEGER, NUMBER = ParameterKind.TEXT, ParameterKind.INTEGER, ParameterKind.NUMBER
FLAG, CHOICE, CHOICES = ParameterKind.FLAG, ParameterKind.CHOICE, ParameterKind.CHOICES

CAPABILITIES = Capabilities(
    backend="alpha",
    title="Alpha",
    parameters=(
        Parameter(name="prompt", kind=TEXT, required=True, max_length=100),
        Parameter(name="negative_prompt", kind=TEXT, max_length=100, only_for=("big", "small")),
        Parameter(name="checkpoint", kind=CHOICE, choices=("big", "small", "odd"), default="small"),
        Parameter(name="sampler", kind=CHOICE, choices=("Euler a", "DDIM"), aliases={"k_euler_a": "Euler a"}),
        Parameter(name="steps", kind=INTEGER, default=20, minimum=1, maximum=150),
        Parameter(name="cfg_scale", kind=NUMBER, default=7.0, minimum=0, maximum=30),
        Parameter(name="width", kind=INTEGER, default=512, minimum=64, maximum=2048, multiple_of=8),
        Parameter(name="height", kind=INTEGER, default=512, minimum=64, maximum=2048, multiple_of=8),
        Parameter(name="seed", kind=INTEGER, minimum=0, maximum=4_294_967_294),
        Parameter(name="count", kind=INTEGER, default=1, minimum=1, maximum=8),
        Parameter(name="clip_skip", kind=INTEGER, minimum=1, maximum=12, only_for=("big",)),
        Parameter(name="styles", kind=CHOICES, choices=("one", "two")),
        Parameter(name="hires", kind=FLAG, default=False),
    ),
    images_per_call=4,
    max_pixels=1024 * 1024,
    credits={"big": 8.0, "": 3.0},
)


def problems(request: ImageRequest, capabilities: Capabilities = CAPABILITIES) -> dict[str, str]:
    """What is wrong with a request, by field."""
    with pytest.raises(InvalidRequest) as refused:
        capabilities.fit(request)
    assert all(problem.message for problem in refused.value.problems)
    return {problem.field: problem.message for problem in refused.value.problems}


# --- fitting ---------------------------------------------------------------------------------------------


def test_fitting_fills_in_the_backends_defaults_and_canonical_spellings() -> None:
    fitted = CAPABILITIES.fit(ImageRequest(prompt="a cat", sampler="k_euler_a", cfg_scale=5, options={"styles": "two"}))

    assert fitted == ImageRequest(
        prompt="a cat",
        checkpoint="small",
        sampler="Euler a",
        steps=20,
        cfg_scale=5.0,
        width=512,
        height=512,
        options={"styles": ("two",), "hires": False},
    )
    assert isinstance(fitted.cfg_scale, float)


def test_fitting_names_every_field_that_is_wrong_at_once() -> None:
    wrong = ImageRequest(
        prompt=" ",
        checkpoint="huge",
        sampler="nope",
        scheduler="Karras",
        steps=0,
        width=100,
        seed=-1,
        count=9,
        batch_size=5,
        options={"styles": ("one", "three"), "hires": 1, "no_such": 1},
    )

    assert set(problems(wrong)) == {
        "prompt", "checkpoint", "sampler", "scheduler", "steps", "width", "seed", "count", "batch_size", "styles",
        "hires", "no_such",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("prompt", "", "must not be empty."),
        ("prompt", "   ", "must not be empty."),
        ("prompt", 5, "must be text."),
        ("prompt", "x" * 101, "must have at most 100 characters, not 101."),
        ("prompt", "a\x00b", "must not contain NUL or unpaired surrogate characters."),
        ("prompt", "a\ud800b", "must not contain NUL or unpaired surrogate characters."),
        ("checkpoint", "huge", "is not among the choices. There are: big, small, odd."),
        ("steps", 151, "must be from 1 to 150."),
        ("steps", 1.0, "must be a whole number."),
        ("steps", True, "must be a whole number."),
        ("steps", "20", "must be a whole number."),
        ("cfg_scale", float("nan"), "must be a finite number."),
        ("cfg_scale", float("inf"), "must be from 0 to 30."),
        ("cfg_scale", "7", "must be a number."),
        ("width", 65, "must be a multiple of 8."),
        ("seed", 4_294_967_295, "must be from 0 to 4294967294."),
        ("count", 0, "must be from 1 to 8."),
        ("batch_size", 5, "must be from 1 to 4."),
        ("scheduler", "Karras", "is not a setting of backend 'alpha'."),
        ("styles", ("one", "zero"), "is not among the choices. There are: one, two."),
        ("styles", 3, "must be a list of names."),
        ("hires", 0, "must be true or false."),
        ("clip_skip", 2, "is not taken by model 'small'. These take it: big."),
    ],
)
def test_a_wrong_field_is_told_what_would_be_right(field: str, value: OptionValue, sentence: str) -> None:
    request = ImageRequest(prompt="a cat").with_values({field: value})

    assert problems(request) == {field: sentence}


def test_a_field_without_which_nothing_goes_is_required() -> None:
    choosy = Parameter(name="checkpoint", kind=CHOICE, choices=("big",), required=True)
    capabilities = attrs.evolve(CAPABILITIES, parameters=(choosy, *CAPABILITIES.parameters))

    assert problems(ImageRequest(prompt="a"), capabilities) == {"checkpoint": "is required."}


def test_an_area_over_the_limit_is_refused_though_each_side_is_legal() -> None:
    assert CAPABILITIES.fit(ImageRequest(prompt="a", width=2048, height=512)).width == 2048
    wide = ImageRequest(prompt="a", width=2048, height=1024)

    assert problems(wide) == {"width": "width x height must be at most 1048576 px, not 2097152."}
    assert attrs.evolve(CAPABILITIES, max_pixels=None).fit(wide).height == 1024


def test_a_setting_only_some_models_take_is_fitted_for_those() -> None:
    fitted = CAPABILITIES.fit(ImageRequest(prompt="a", checkpoint="big", options={"clip_skip": 2}))

    assert fitted.options["clip_skip"] == 2
    # The empty text is no text: it is not held against a model that takes none.
    assert CAPABILITIES.fit(ImageRequest(prompt="a", checkpoint="odd")).negative_prompt == ""
    assert set(problems(ImageRequest(prompt="a", checkpoint="odd", negative_prompt="fog"))) == {"negative_prompt"}


def test_a_seed_belongs_to_every_job_whether_or_not_the_backend_takes_one() -> None:
    seedless = attrs.evolve(CAPABILITIES, parameters=tuple(p for p in CAPABILITIES.parameters if p.name != "seed"))

    assert seedless.fit(ImageRequest(prompt="a", seed=5)).seed == 5


def test_a_backend_that_says_nothing_of_a_count_makes_one_picture() -> None:
    alone = attrs.evolve(CAPABILITIES, parameters=tuple(p for p in CAPABILITIES.parameters if p.name != "count"))

    assert alone.fit(ImageRequest(prompt="a")).count == 1
    assert problems(ImageRequest(prompt="a", count=2), alone) == {"count": "must be from 1 to 1."}


def test_a_refusal_never_repeats_the_prompt() -> None:
    with pytest.raises(InvalidRequest) as refused:
        CAPABILITIES.fit(ImageRequest(prompt="private" * 100, negative_prompt="private" * 100))

    assert "private" not in str(refused.value)


@given(requests)
def test_a_fitted_request_fits_and_stays_as_it_is(request_: ImageRequest) -> None:
    refused: Sequence[FieldProblem] = ()
    fitted = request_
    try:
        fitted = CAPABILITIES.fit(request_)
    except InvalidRequest as error:
        refused = error.problems

    assert refused or CAPABILITIES.fit(fitted) == fitted
    assert all(problem.field and problem.message for problem in refused)
    assert (fitted.prompt, fitted.count) == (request_.prompt, request_.count)


@given(
    st.sampled_from(CAPABILITIES.parameters),
    st.text(max_size=9) | st.integers() | st.floats() | st.booleans() | st.tuples(st.sampled_from(["one", "x"])),
)
def test_a_parameter_gives_a_legal_value_or_a_sentence(parameter: Parameter, value: OptionValue) -> None:
    sentence = ""
    fitted: FieldValue = value
    try:
        fitted = parameter.fit(value)
    except ValueError as error:
        sentence = str(error)

    assert sentence.endswith(".") or parameter.fit(fitted) == fitted
    if not sentence and isinstance(fitted, int | float) and not isinstance(fitted, bool):
        assert (parameter.minimum or 0) <= fitted <= (parameter.maximum or 0)


def test_limits_on_one_side_say_so() -> None:
    low = Parameter(name="a", kind=NUMBER, minimum=1.5)
    high = Parameter(name="b", kind=INTEGER, maximum=3)

    with pytest.raises(ValueError, match=r"^must be at least 1\.5\.$"):
        low.fit(1)
    with pytest.raises(ValueError, match=r"^must be at most 3\.$"):
        high.fit(4)
    assert (low.fit(2), high.fit(-4)) == (2.0, -4)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 10**400, -(10**400)])
@pytest.mark.parametrize("kind", [INTEGER, NUMBER])
def test_a_number_without_limits_may_be_any_that_a_record_can_hold(kind: ParameterKind, value: float) -> None:
    free = Parameter(name="a", kind=kind)

    assert free.fit(-(10**15)) == -(10**15)
    with pytest.raises(ValueError, match=r"^must be a (finite|whole) number\.$"):
        free.fit(value)


def test_a_long_list_of_choices_is_shortened_and_an_empty_one_said() -> None:
    many = Parameter(name="a", kind=CHOICE, choices=tuple(f"c{n}" for n in range(50)))

    with pytest.raises(ValueError, match=r"c39, \.\.\.\.$"):
        many.fit("x")
    with pytest.raises(ValueError, match="There are: none"):
        Parameter(name="a", kind=CHOICE).fit("x")


# --- requests and prices ---------------------------------------------------------------------------------


def test_a_value_is_found_by_name_among_fields_and_options() -> None:
    request = ImageRequest(prompt="a", steps=3, options={"clip_skip": 2})

    assert [request.value(name) for name in ("prompt", "steps", "clip_skip", "width", "nothing")] == [
        "a", 3, 2, None, None,
    ]  # fmt: skip
    assert "options" not in CANONICAL


def test_values_are_set_by_name_among_fields_and_options() -> None:
    request = ImageRequest(prompt="a", options={"styles": ("one",)})

    changed = request.with_values({"steps": 4, "clip_skip": 2, "hires": None})

    assert changed == ImageRequest(prompt="a", steps=4, options={"styles": ("one",), "clip_skip": 2})
    assert request.steps is None


def test_the_price_is_per_call_and_model() -> None:
    assert CAPABILITIES.price(ImageRequest(prompt="a", checkpoint="big", count=5, batch_size=2)) == 24.0
    assert CAPABILITIES.price(ImageRequest(prompt="a", checkpoint="small")) == 3.0
    assert attrs.evolve(CAPABILITIES, credits={}).price(ImageRequest(prompt="a")) == 0.0


@given(st.integers(1, 60), st.integers(1, 10))
def test_planned_calls_cover_every_picture_once(count: int, batch_size: int) -> None:
    plan = plan_calls(ImageRequest(prompt="a", count=count, batch_size=batch_size))

    assert [call.index for call in plan] == list(range(len(plan)))
    pictures = [call.first_image + k for call in plan for k in range(call.images)]
    assert pictures == list(range(count))
    assert all(call.images == batch_size for call in plan[:-1])


def test_a_picture_does_not_print_its_bytes() -> None:
    picture = a_picture()

    assert f"<{len(picture.data)} bytes>" in repr(picture)
    assert "PNG" not in repr(picture)

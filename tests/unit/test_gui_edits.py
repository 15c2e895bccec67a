"""Which edits a backend's form offers, and what each form holds, on what the three backends really offer."""

import attrs
import pytest

from adapters.demo.offer import capabilities_of as demo_offer
from adapters.stability.offer import capabilities_of as stability_offer
from entrypoints.gui import draft
from entrypoints.gui.edits import Mode, form_of, modes
from imaging_core.capabilities import Capabilities
from imaging_core.images import ImageRequest, Operation
from imaging_core.parameters import Parameter, ParameterKind

DEMO = demo_offer("demo")
STABILITY = stability_offer("stability", default_model="core", max_count=4)

_EDIT = (Operation.EDIT,)
#: As a WebUI offers it: the mask is optional, and some settings are about nothing else.
WEBUI = Capabilities(
    backend="local",
    title="A WebUI",
    operations=(Operation.GENERATE, Operation.EDIT),
    parameters=(
        Parameter(name="prompt", kind=ParameterKind.TEXT),
        Parameter(name="width", kind=ParameterKind.INTEGER, default=512),
        Parameter(name="mask", kind=ParameterKind.IMAGE, operations=_EDIT),
        Parameter(name="strength", kind=ParameterKind.NUMBER, default=0.75, minimum=0, maximum=1, operations=_EDIT),
        Parameter(name="mask_blur", kind=ParameterKind.INTEGER, default=4, operations=_EDIT),
        Parameter(name="inpainting_mask_invert", kind=ParameterKind.FLAG, operations=_EDIT),
        Parameter(name="enable_hr", kind=ParameterKind.FLAG, operations=(Operation.GENERATE,)),
    ),
)


def names(form: Capabilities) -> set[str]:
    return {parameter.name for parameter in form.parameters}


def models(form: Capabilities) -> tuple[str, ...]:
    parameter = form.parameter("checkpoint")
    return parameter.choices if parameter else ()


def test_only_what_a_backend_can_do_is_offered() -> None:
    assert modes(DEMO) == modes(STABILITY) == tuple(Mode)
    assert modes(WEBUI) == (Mode.WHOLE, Mode.PART)
    assert modes(attrs.evolve(DEMO, operations=(Operation.GENERATE,))) == ()


def test_a_backend_without_masks_offers_no_parts() -> None:
    without = attrs.evolve(WEBUI, parameters=tuple(p for p in WEBUI.parameters if p.name != "mask"))
    assert modes(without) == (Mode.WHOLE,)


def test_each_mode_offers_the_models_that_can_do_it() -> None:
    whole, part, enlarge = (form_of(STABILITY, mode) for mode in Mode)
    assert models(part) == ("inpaint",)
    assert "inpaint" not in models(whole)
    assert "core" not in models(whole)
    assert all(name.startswith("upscale") for name in models(enlarge))
    assert all(form.price(ImageRequest(prompt="", checkpoint=models(form)[0])) > 0 for form in (whole, part, enlarge))


def test_settings_of_a_mask_are_part_of_its_form_alone() -> None:
    whole, part = form_of(WEBUI, Mode.WHOLE), form_of(WEBUI, Mode.PART)
    assert names(whole) == {"prompt", "strength"}
    # The page turns the mask round itself, and an edit is as large as its picture.
    assert names(part) == {"prompt", "strength", "mask_blur"}


@pytest.mark.parametrize("mode", Mode)
def test_every_form_has_values_of_its_own_but_for_the_words_and_the_seed(mode: Mode) -> None:
    form = form_of(DEMO, mode)
    keys = {p.name: draft.key_for(form.backend, p) for p in form.parameters}
    assert keys["output_format"] == f"demo/{mode}.output_format"
    assert keys["seed"] == "seed"
    assert keys.get("prompt", "edit.prompt") == "edit.prompt"


def test_what_the_form_of_an_edit_holds_is_what_is_asked_for() -> None:
    form = form_of(DEMO, Mode.WHOLE)
    state = {"prompt": "of the other page", "edit.prompt": "in winter", "demo/whole.strength": 0.3, "demo.steps": 7}
    wanted = draft.read(form, state)
    assert wanted.request.prompt == "in winter"
    assert wanted.settings == {"strength": 0.3, "checkpoint": "procedural"}


def test_an_enlargement_that_takes_no_words_is_sent_none() -> None:
    wanted = draft.read(form_of(DEMO, Mode.ENLARGE), {"edit.prompt": "left over", "demo/enlarge.scale": 3.0})
    assert (wanted.takes_prompt, wanted.request.prompt, wanted.settings["scale"]) == (False, "", 3.0)


def test_an_earlier_edit_fills_its_own_form() -> None:
    state: dict[str, object] = {"prompt": "mine"}
    asked = ImageRequest(prompt="in winter", operation=Operation.EDIT, strength=0.3, width=512, height=512)
    assert draft.fill(asked, form_of(DEMO, Mode.PART), state, seed=7) == []
    assert state["prompt"] == "mine"
    assert (state["edit.prompt"], state["demo/part.strength"], state["seed"]) == ("in winter", 0.3, 7)
    assert (state[draft.EDIT_SECTION], state[draft.EDIT_MODE]) == ("demo", "part")
    assert draft.SECTION not in state

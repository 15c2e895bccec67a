"""What is on the form, and what of it a backend is asked for; pure but for the session it is given, imports the core's values."""

import secrets
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

import attrs

from imaging_core.capabilities import Capabilities
from imaging_core.images import MAX_SEED, ImageRequest, OptionValue
from imaging_core.parameters import Parameter, ParameterKind

#: The session's values by key.
State = MutableMapping[Any, Any]

PROMPT, NEGATIVE_PROMPT, SEED, KEEP_SEED, SECTION = "prompt", "negative_prompt", "seed", "keep_seed", "section"

#: On the page for edits: the chosen backend, and what is done to the picture.
EDIT_SECTION, EDIT_MODE = "edit.section", "edit.mode"

#: Fields that every backend's form shares, so that changing the section keeps them.
SHARED = frozenset({PROMPT, NEGATIVE_PROMPT, SEED})

#: What is said about a picture that is edited is not what the next new one is to show.
_WORDS = frozenset({PROMPT, NEGATIVE_PROMPT})

#: The shape chooser's entry for a size in px typed by hand.
CUSTOM = "custom"

#: Fields with a place of their own on the form; all others are drawn under "Advanced".
_PLACED = frozenset(
    {*SHARED, "checkpoint", "sampler", "scheduler", "aspect_ratio", "style_preset", "styles", "count"}
    | {"strength", "scale"}
)
_SIDES = frozenset({"width", "height"})

#: Settings of a second pass make sense only while it is switched on.
_TWO_PASSES = "enable_hr"
_OF_SECOND_PASS = frozenset({"denoising_strength"})


@attrs.frozen(kw_only=True)
class Draft:
    """A request as the form has it."""

    backend: str
    request: ImageRequest
    #: What differs from the backend's defaults, as it is sent.
    settings: Mapping[str, OptionValue]
    #: Whether the words mean something to it: an enlargement may want none.
    takes_prompt: bool = True


def key_of(backend: str, name: str) -> str:
    """The session's key of a field; a backend's form for edits is named "backend/mode"."""
    if name in _WORDS and "/" in backend:
        return f"edit.{name}"
    return name if name in SHARED else f"{backend}.{name}"


def key_for(backend: str, parameter: Parameter) -> str:
    """The session's key of a parameter; one that differs between models has a value for each."""
    key = key_of(backend, parameter.name)
    return f"{key}.{parameter.only_for[0]}" if parameter.only_for else key


def checkpoint_of(capabilities: Capabilities, state: Mapping[Any, Any]) -> str | None:
    """The chosen checkpoint, or the backend's default."""
    parameter = capabilities.parameter("checkpoint")
    chosen = state.get(key_of(capabilities.backend, "checkpoint"))
    if isinstance(chosen, str):
        return chosen
    default = parameter.default if parameter else None
    return default if isinstance(default, str) else None


def applicable(capabilities: Capabilities, checkpoint: str | None) -> tuple[Parameter, ...]:
    """The parameters that this checkpoint takes, each name once."""
    return capabilities.applicable(checkpoint)


def placed(parameters: Iterable[Parameter]) -> frozenset[str]:
    """Names of the fields with a place of their own: of two ways to say the shape, the ratio has it."""
    return _PLACED if any(p.name == "aspect_ratio" for p in parameters) else _PLACED | _SIDES


def shown(parameters: Sequence[Parameter], backend: str, state: Mapping[Any, Any]) -> tuple[Parameter, ...]:
    """Those of the advanced parameters that have a meaning now."""
    elsewhere = placed(parameters)
    parameters = [p for p in parameters if p.name not in elsewhere]
    switch = any(p.name == _TWO_PASSES for p in parameters)
    on = bool(state.get(key_of(backend, _TWO_PASSES)))
    return tuple(p for p in parameters if not switch or on or not _of_second_pass(p.name))


def meant(options: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """A request's options without those of a second pass that it did not ask for."""
    off = options.get(_TWO_PASSES) is False
    return {name: value for name, value in options.items() if not (off and _of_second_pass(name))}


def _of_second_pass(name: str) -> bool:
    return name.startswith("hr_") or name in _OF_SECOND_PASS


def default_of(parameter: Parameter) -> OptionValue | list[str] | None:
    """What the widget of a parameter begins with."""
    match parameter.kind:
        case ParameterKind.TEXT:
            return str(parameter.default or "")
        case ParameterKind.FLAG:
            return bool(parameter.default)
        case ParameterKind.CHOICES:
            return list(parameter.default) if isinstance(parameter.default, tuple) else []
        case ParameterKind.NUMBER if isinstance(parameter.default, int | float):
            return float(parameter.default)
    return parameter.default


def usable(parameter: Parameter, value: object) -> bool:
    """Whether a widget of that parameter can show that value."""
    match parameter.kind:
        case ParameterKind.TEXT:
            return isinstance(value, str)
        case ParameterKind.FLAG:
            return isinstance(value, bool)
        case ParameterKind.CHOICE:
            return value is None or value in parameter.choices
        case ParameterKind.CHOICES:
            return isinstance(value, list) and all(item in parameter.choices for item in value)
    if value is None:
        return parameter.default is None
    low, high = parameter.minimum, parameter.maximum
    right = isinstance(value, int if parameter.kind is ParameterKind.INTEGER else float) and not isinstance(value, bool)
    assert not right or isinstance(value, int | float)  # noqa: S101  # narrows for the type checker; checked above
    return right and (low is None or value >= low) and (high is None or value <= high)  # type: ignore[operator]


def prepare(parameter: Parameter, backend: str, state: State) -> str:
    """Make sure that the session holds a value which the parameter's widget can show; gives its key."""
    key = key_for(backend, parameter)
    if key not in state or not usable(parameter, state[key]):
        state[key] = default_of(parameter)
    return key


def read(capabilities: Capabilities, state: Mapping[Any, Any]) -> Draft:
    """The request that the form stands for now."""
    backend, checkpoint = capabilities.backend, checkpoint_of(capabilities, state)
    parameters = applicable(capabilities, checkpoint)
    drawn = {p.name for p in shown(parameters, backend, state)} | placed(parameters)
    settings: dict[str, OptionValue] = {}
    for parameter in parameters:
        value: Any = state.get(key_for(backend, parameter))
        value = tuple(value) if isinstance(value, list) else value
        left_alone = value is None or value in ("", ()) or value == parameter.default
        if parameter.name in drawn and parameter.name != PROMPT and not left_alone:
            settings[parameter.name] = value
    if not state.get(KEEP_SEED):
        settings.pop(SEED, None)
    if checkpoint is not None and capabilities.parameter("checkpoint"):
        settings["checkpoint"] = checkpoint
    takes_prompt = any(p.name == PROMPT for p in parameters)
    prompt = str(state.get(key_of(backend, PROMPT)) or "") if takes_prompt else ""
    return Draft(
        backend=backend,
        request=ImageRequest(prompt=prompt).with_values(settings),
        settings=settings,
        takes_prompt=takes_prompt,
    )


def fill(request: ImageRequest, capabilities: Capabilities, state: State, *, seed: int | None) -> list[str]:
    """Put an earlier request on the form; gives the names of settings that cannot be taken over any more.

    With a seed it is kept, so that the same picture comes again; without, each new picture gets its own.
    """
    backend, lost = capabilities.backend, []
    section, _, mode = backend.partition("/")
    if mode:
        state[EDIT_SECTION], state[EDIT_MODE] = section, mode
    else:
        state[SECTION] = section
    for name, words in ((PROMPT, request.prompt), (NEGATIVE_PROMPT, request.negative_prompt)):
        state[key_of(backend, name)] = words
    state[KEEP_SEED] = seed is not None
    if seed is not None:
        state[SEED] = seed
    for parameter in applicable(capabilities, request.checkpoint):
        if parameter.name in SHARED:
            continue
        value: object = request.value(parameter.name)
        value = list(value) if isinstance(value, tuple) else value
        value = float(value) if parameter.kind is ParameterKind.NUMBER and isinstance(value, int) else value
        if value is None:
            value = default_of(parameter)
        elif not usable(parameter, value):
            lost.append(parameter.name)
            value = default_of(parameter)
        state[key_for(backend, parameter)] = value
    if capabilities.parameter("width"):
        state[key_of(backend, "shape")] = None
    return lost


def reset(capabilities: Capabilities, state: State) -> None:
    """Put the backend's own settings back, the prompt apart."""
    for parameter in capabilities.parameters:
        if parameter.name not in SHARED:
            state.pop(key_for(capabilities.backend, parameter), None)


def draw_seed() -> int:
    """A seed within what all backends share, short enough to be told to somebody."""
    return 1 + secrets.randbelow(min(MAX_SEED, 999_999_999))

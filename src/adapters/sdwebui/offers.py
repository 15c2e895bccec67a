"""Turns the lists of all instances into what one backend offers, with the limits the WebUI itself does not have.

May import the core and this folder. WebUI 1.10 knows no upper bounds and takes unknown names in silence: what is not
checked here goes wrong after minutes, or not at all.
"""

from collections.abc import Iterable, Sequence

import attrs

from adapters.sdwebui.lists import Lists
from adapters.sdwebui.picture_offers import brought, common, upscaling
from adapters.sdwebui.settings import SdWebuiSettings
from imaging_core.capabilities import Capabilities
from imaging_core.images import MAX_SEED, Operation
from imaging_core.parameters import Parameter, ParameterKind

_KIND = ParameterKind
_AUTOMATIC = "Automatic"


def capabilities_of(backend: str, instances: Sequence[Lists], settings: SdWebuiSettings) -> Capabilities:
    """What any of these instances can do: every checkpoint of any, and the names that all of them know."""
    parameters = [
        _prompt("prompt", "What to draw.", required=True),
        _prompt("negative_prompt", "What to avoid.", required=False),
        _checkpoint(instances),
        _sampler(instances),
        *_scheduler(instances),
        _whole("steps", 20, 1, 150, "Sampling steps."),
        _number("cfg_scale", 7.0, 0.0, 30.0, "How closely to follow the prompt."),
        _side("width", settings),
        _side("height", settings),
        _whole("seed", None, 0, MAX_SEED, "The same seed gives the same picture."),
        _whole("count", 1, 1, settings.max_count, "How many pictures."),
        _whole("clip_skip", 1, 1, 12, "Which layer of the text encoder to stop at, from the end."),
        *_vae(instances),
        *_styles(instances),
        *_hires(instances),
    ]
    enlarging = upscaling(instances)
    drawing = (Operation.GENERATE, Operation.EDIT)
    parameters = [p if p.operations else attrs.evolve(p, operations=drawing) for p in parameters]
    parameters += [*brought(), *enlarging]
    return Capabilities(
        backend=backend,
        title="Stable Diffusion WebUI",
        operations=tuple(Operation) if enlarging else drawing,
        max_pixels=settings.max_pixels,
        parameters=tuple(parameters),
        images_per_call=settings.max_batch,
    )


def _prompt(name: str, description: str, *, required: bool) -> Parameter:
    return Parameter(name=name, kind=_KIND.TEXT, max_length=10_000, required=required, description=description)


def _checkpoint(instances: Sequence[Lists]) -> Parameter:
    found = {c.name: c for lists in instances for c in lists.checkpoints.values()}
    aliases: dict[str, str] = {}
    for checkpoint in found.values():
        aliases |= {alias: checkpoint.name for alias in checkpoint.aliases if alias not in found}
    current = next((lists.current for lists in instances if lists.current), None)
    return Parameter(
        name="checkpoint",
        kind=_KIND.CHOICE,
        # The one in memory, so that a request that names none costs no loading.
        default=current,
        choices=tuple(found),
        aliases=aliases,
        description="The model.",
    )


def _sampler(instances: Sequence[Lists]) -> Parameter:
    names = common(lists.samplers for lists in instances)
    known = instances[0].samplers
    aliases = {alias: name for name in names for alias in known[name] if alias not in names}
    # The first is what the WebUI's own page opens with.
    return Parameter(
        name="sampler",
        kind=_KIND.CHOICE,
        default=names[0] if names else None,
        choices=names,
        aliases=aliases | _any_case(names),
        description="The sampler.",
    )


def _scheduler(instances: Sequence[Lists]) -> list[Parameter]:
    names = common(lists.schedulers for lists in instances)
    if not names:
        return []
    known = instances[0].schedulers
    aliases = {known[label]: label for label in names if known[label] not in names}
    return [
        Parameter(
            name="scheduler",
            kind=_KIND.CHOICE,
            default=_AUTOMATIC if _AUTOMATIC in names else names[0],
            choices=names,
            aliases=_any_case(names) | aliases,
            description="The noise schedule; automatic takes the sampler's own.",
        )
    ]


def _any_case(names: Iterable[str]) -> dict[str, str]:
    return {name.lower(): name for name in names if name.lower() != name}


def _vae(instances: Sequence[Lists]) -> list[Parameter]:
    if any(lists.vaes is None for lists in instances):
        return []
    names = (_AUTOMATIC, "None", *common(lists.vaes or () for lists in instances))
    return [
        Parameter(name="vae", kind=_KIND.CHOICE, default=_AUTOMATIC, choices=names, description="The VAE."),
    ]


def _styles(instances: Sequence[Lists]) -> list[Parameter]:
    names = common(lists.styles for lists in instances)
    if not names:
        return []
    return [Parameter(name="styles", kind=_KIND.CHOICES, choices=names, description="Saved pieces of prompt to add.")]


def _hires(instances: Sequence[Lists]) -> list[Parameter]:
    names = common(lists.upscalers for lists in instances)
    if not names:
        return []
    fields = [
        Parameter(
            name="enable_hr", kind=_KIND.FLAG, default=False, description="Draw small first, then enlarge (hires fix)."
        ),
        _number("hr_scale", 2.0, 1.0, 4.0, "How many times larger."),
        Parameter(
            name="hr_upscaler",
            kind=_KIND.CHOICE,
            default="Latent" if "Latent" in names else names[0],
            choices=names,
            description="What enlarges it.",
        ),
        _whole("hr_second_pass_steps", 0, 0, 150, "Steps of the second pass; 0 for the same as the first."),
        _number("denoising_strength", 0.7, 0.0, 1.0, "How much the second pass may change."),
    ]
    return [attrs.evolve(field, operations=(Operation.GENERATE,)) for field in fields]


def _whole(name: str, default: int | None, low: int, high: int, description: str) -> Parameter:
    return Parameter(name=name, kind=_KIND.INTEGER, default=default, minimum=low, maximum=high, description=description)


def _number(name: str, default: float, low: float, high: float, description: str) -> Parameter:
    return Parameter(name=name, kind=_KIND.NUMBER, default=default, minimum=low, maximum=high, description=description)


def _side(name: str, settings: SdWebuiSettings) -> Parameter:
    return Parameter(
        name=name,
        kind=_KIND.INTEGER,
        default=512,
        minimum=64,
        maximum=settings.max_side,
        # Other sizes are rounded down to this in silence.
        multiple_of=8,
        description=f"{name.capitalize()} in px.",
    )

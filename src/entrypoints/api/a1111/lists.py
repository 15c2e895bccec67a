"""The lists that A1111's clients fill their menus from; imports Starlette, the service and this package.

What this service has nothing of is an empty list: clients show an empty menu, and ask for nothing that is not there.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.a1111.asking import NONE
from entrypoints.api.a1111.models import Models
from entrypoints.api.encoding import json_answer
from imaging_core.images import Operation
from imaging_core.parameters import Parameter

_LATENT = "Latent"
#: What stands in the menu of a backend that leaves no choice; whatever is sent is left out there.
_ONE_SAMPLER, _ONE_SCHEDULER = "Euler", "Automatic"
_AUTOMATIC = frozenset({"Automatic", NONE})

#: Lists that are the same for everybody.
FIXED: dict[str, object] = {
    "loras": [],
    "embeddings": {"loaded": {}, "skipped": {}},
    # No file and no address of the machine: nothing here is anybody's business.
    "cmd-flags": {"api": True, "api_auth": None, "nowebui": True, "max_batch_count": 16},
    "scripts": {"txt2img": [], "img2img": []},
    "script-info": [],
    "memory": {"ram": {"error": "unavailable"}, "cuda": {"error": "unavailable"}},
    "face-restorers": [],
    "hypernetworks": [],
    "realesrgan-models": [],
    "extensions": [],
}


class Lists:
    """What the home backend has, by the names and in the shapes of WebUI 1.10.1."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def sd_models(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """Every model of every backend, the home's first."""
        return json_answer(
            [
                {
                    "title": model.title,
                    "model_name": model.name,
                    "hash": model.short_hash,
                    "sha256": None,
                    "filename": model.filename,
                    "config": None,
                }
                for model in await self._models.all()
            ]
        )

    async def samplers(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """Its samplers."""
        parameter = await self._parameter("sampler")
        names = parameter.choices if parameter is not None else (_ONE_SAMPLER,)
        return json_answer([{"name": name, "aliases": _aliases(parameter, name), "options": {}} for name in names])

    async def schedulers(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """Its schedulers."""
        parameter = await self._parameter("scheduler")
        labels = parameter.choices if parameter is not None else (_ONE_SCHEDULER,)
        return json_answer([_scheduler(parameter, label) for label in labels])

    async def upscalers(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """What enlarges: for extra-single-image, and for the second pass of hires."""
        enlarging = await self._parameter("upscaler", Operation.UPSCALE)
        second = await self._parameter("hr_upscaler")
        names = dict.fromkeys((NONE, *_choices(enlarging), *_choices(second)))
        blank: dict[str, Any] = {"model_name": None, "model_path": None, "model_url": None, "scale": 4.0}
        return json_answer([{"name": name, **blank} for name in names if not name.startswith(_LATENT)])

    async def latent_upscale_modes(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """The other ways to enlarge between the passes of hires."""
        names = _choices(await self._parameter("hr_upscaler"))
        return json_answer([{"name": name} for name in names if name.startswith(_LATENT)])

    async def sd_vae(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """Its VAEs."""
        names = [name for name in _choices(await self._parameter("vae")) if name not in _AUTOMATIC]
        return json_answer([{"model_name": name, "filename": name} for name in names])

    async def prompt_styles(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """The names of its styles; what they add is known to the backend alone."""
        names = _choices(await self._parameter("styles"))
        return json_answer([{"name": name, "prompt": None, "negative_prompt": None} for name in names])

    async def _parameter(self, name: str, operation: Operation = Operation.GENERATE) -> Parameter | None:
        able = await self._models.able(self._models.home)
        default = able.parameter("checkpoint", None, operation)
        checkpoint = default.default if default is not None and isinstance(default.default, str) else None
        return able.parameter(name, checkpoint, operation)


def _choices(parameter: Parameter | None) -> tuple[str, ...]:
    return parameter.choices if parameter is not None else ()


def _aliases(parameter: Parameter | None, name: str) -> list[str]:
    if parameter is None:
        return []
    return [alias for alias, meant in parameter.aliases.items() if meant == name and alias != name.lower()]


def _scheduler(parameter: Parameter | None, label: str) -> dict[str, object]:
    # The name in the program, such as sgm_uniform; where it is not told, the label is understood as well.
    told = [alias for alias, meant in (parameter.aliases.items() if parameter is not None else ()) if meant == label]
    names = sorted((alias for alias in told if " " not in alias), key=lambda alias: ("_" not in alias, alias))
    name = names[0] if names else label.lower() if parameter is None else label
    return {"name": name, "label": label, "aliases": None, "default_rho": -1.0, "need_inner_model": False}

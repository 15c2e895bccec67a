"""Which model ids there are and where each leads; imports the service and the core's errors.

`stability/core` is a backend and one of its models, `demo` a backend with its default one, and `auto` whichever backend the
service chooses. Names that clients have built in lead to the default backend, unless the service's settings say otherwise.
"""

import re
from collections.abc import Mapping
from typing import Any

import attrs

from imaging_core.capabilities import Capabilities
from imaging_core.errors import FieldProblem, ImagingError, InvalidRequest
from imaging_core.images import Operation
from imaging_core.parameters import Parameter
from imaging_core.routing import AUTO
from imaging_core.service import ImagingService

#: Names that clients have built in, shown in the list so that clients which look there first find them.
FAMILIAR = (
    "gpt-image-1",
    "gpt-image-1-mini",
    "gpt-image-1.5",
    "gpt-image-2",
    "gpt-image-2.5-flare",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.6-flare",
    "gpt-image-2.6-sunburst",
    "chatgpt-image-latest",
    "dall-e-2",
    "dall-e-3",
)
#: Their families: a name that came up later leads to the default backend too.
_FAMILY = re.compile(r"(gpt-image-|chatgpt-image-|dall-e-).*")
#: Backends whose one model has no name of its own.
_NAMELESS = frozenset({"demo"})
#: Shown by OpenAI's own list; here nobody tells when a model was made.
_CREATED = 0


class UnknownModel(InvalidRequest):
    """No backend has that model."""


@attrs.frozen(kw_only=True)
class Target:
    """Where a model id leads."""

    backend: str
    #: None for the backend's default.
    checkpoint: str | None = None


class Catalogue:
    """The model ids of a service."""

    def __init__(self, service: ImagingService, *, default: str, aliases: Mapping[str, str]) -> None:
        """`default` is the backend for everybody who names none; `aliases` are further ids, each with the one it means."""
        self._service = service
        self._default = default
        self._aliases = aliases

    @property
    def default(self) -> str:
        """The backend that familiar names lead to: the service's own default, or the first that is set up."""
        names = self._service.backend_names
        return self._default if self._default in names or not names else names[0]

    @property
    def _chooses(self) -> bool:
        """Whether there is anything to choose from where the choice is left to the service."""
        return any(name in self._service.backend_names for name in self._service.auto.order)

    def target(self, model: str | None) -> Target:
        """Where that id leads; none leads to the default. Raises UnknownModel."""
        if model is None:
            return Target(backend=self.default)
        meant = self._aliases.get(model, model)
        if meant in self._service.backend_names or (meant == AUTO and self._chooses):
            return Target(backend=meant)
        backend, slash, checkpoint = meant.partition("/")
        if slash and checkpoint and backend in self._service.backend_names:
            return Target(backend=backend, checkpoint=checkpoint)
        if _FAMILY.fullmatch(meant):
            return Target(backend=self.default)
        hint = self._service.unconfigured.get(backend)
        message = hint or f"There is no such model. GET /v1/models lists those there are, such as {self.default}."
        raise UnknownModel([FieldProblem(field="model", message=message)])

    async def all(self) -> list[dict[str, Any]]:
        """Every model that can be asked for now, then the names that clients have built in."""
        found: dict[str, str] = {}
        for backend in self._service.backend_names:
            try:
                able = await self._service.capabilities(backend)
            except ImagingError:
                # Its list is its own; the others are there all the same.
                continue
            found |= dict.fromkeys(_ids(backend, able), backend)
        if self._chooses:
            found.setdefault(AUTO, "alias")
        if self._service.backend_names:
            for name in (*self._aliases, *FAMILIAR):
                found.setdefault(name, "alias")
        return [_answer(model, owner) for model, owner in found.items()]

    async def one(self, model: str) -> dict[str, Any]:
        """That model. Raises UnknownModel, and Unavailable when its backend cannot be asked."""
        target = self.target(model)
        if target.backend == AUTO:
            return _answer(model, "alias")
        check(target, await self._service.capabilities(target.backend))
        return _answer(model, target.backend)


def check(target: Target, able: Capabilities) -> None:
    """Raises UnknownModel for a checkpoint that the backend does not have."""
    parameters = _checkpoints(able)
    known = any(target.checkpoint in (*p.choices, *p.aliases) for p in parameters)
    if target.checkpoint is not None and not known:
        message = f"Backend {target.backend!r} has no such model. GET /v1/models lists those it has."
        raise UnknownModel([FieldProblem(field="model", message=message)])


def _checkpoints(able: Capabilities) -> list[Parameter]:
    serving = (Operation.GENERATE, Operation.EDIT)
    return [p for p in able.parameters if p.name == "checkpoint" and any(p.serves(operation) for operation in serving)]


def _ids(backend: str, able: Capabilities) -> list[str]:
    choices = dict.fromkeys(choice for parameter in _checkpoints(able) for choice in parameter.choices)
    if backend in _NAMELESS or not choices:
        return [backend]
    # Alone it means whichever of them suits the call.
    return [backend, *(f"{backend}/{choice}" for choice in choices)]


def _answer(model: str, owner: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": _CREATED, "owned_by": owner}

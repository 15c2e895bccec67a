"""Which models there are for A1111's clients and where each leads; imports stdlib, the service and the core's values.

Models of the backend that plain names lead to have the names that backend gives them; all others are called `backend/model`.
"""

import asyncio
import re
from collections.abc import Iterable

import attrs

from imaging_core.capabilities import Capabilities
from imaging_core.errors import FieldProblem, ImagingError, InvalidRequest
from imaging_core.images import Operation
from imaging_core.parameters import Parameter
from imaging_core.service import ImagingService

#: A title of the WebUI's, whose hash it knows only once it has read the file: "tinyA.safetensors [5b14b6f47c]".
_HASHED = re.compile(r"(.+) \[([0-9a-f]{6,64})\]")
_FILE = re.compile(r".+\.(safetensors|ckpt|sft|gguf|pth|pt)", re.IGNORECASE)
#: Most names that a refusal lists.
_MOST_NAMES = 20


@attrs.frozen(kw_only=True)
class Model:
    """A model as A1111's clients see it, and where it leads."""

    backend: str
    #: None for a backend that has but one.
    checkpoint: str | None
    #: What options name it by.
    title: str
    #: What lists name it by; never changes.
    name: str
    filename: str
    short_hash: str | None = None
    #: Other spellings.
    aliases: frozenset[str] = frozenset()

    def is_called(self, spelling: str) -> bool:
        """Whether that is one of its names."""
        return spelling in (self.title, self.name, self.filename) or spelling in self.aliases


class Models:
    """The models of a service."""

    def __init__(self, service: ImagingService, *, local: str, default: str) -> None:
        """`local` is the WebUI's backend; plain calls go there if it is set up, else to `default`."""
        self._service = service
        self._local = local
        self._default = default

    @property
    def home(self) -> str:
        """The backend that plain names lead to."""
        names = self._service.backend_names
        there = [name for name in (self._local, self._default) if name in names]
        return there[0] if there else next(iter(names), self._default)

    async def able(self, backend: str) -> Capabilities:
        """What a backend can do now. Raises UnknownBackend, BackendNotConfigured, Unavailable."""
        return await self._service.capabilities(backend)

    async def default(self) -> Model:
        """What draws for who has chosen nothing. Raises BackendNotConfigured, Unavailable."""
        able = await self.able(self.home)
        parameter = able.parameter("checkpoint")
        default = parameter.default if parameter is not None else None
        models = self._of(self.home, able)
        return next((model for model in models if model.checkpoint == default), models[0])

    async def all(self) -> list[Model]:
        """Every model that can be asked for now, the home's first. Raises what the home's backend raises if nobody answers."""
        backends = dict.fromkeys((self.home, *self._service.backend_names))
        answers = await asyncio.gather(*map(self.able, backends), return_exceptions=True)
        found: list[Model] = []
        trouble: ImagingError | None = None
        for backend, answer in zip(backends, answers, strict=True):
            if isinstance(answer, Capabilities):
                found += self._of(backend, answer)
            elif isinstance(answer, ImagingError):
                # Its list is its own; the others are there all the same.
                trouble = trouble or answer
            else:
                raise answer
        if not found and trouble is not None:
            raise trouble
        return found

    async def find(self, spelling: str, field: str = "sd_model_checkpoint") -> Model:
        """The model with that title, name, file name or hash. Raises InvalidRequest, and what its backend raises."""
        prefix, slash, _ = spelling.partition("/")
        # The backend it names, or else the home, before anybody else is asked, who may take long to say nothing.
        first = prefix if slash and prefix in self._service.backend_names else self.home
        near = self._of(first, await self.able(first))
        if (model := _exact(near, spelling)) is not None:
            return model
        models = await self.all()
        # Some clients write all names in lower case.
        wanted = spelling.casefold()
        alike = (model for model in models if wanted in (model.title.casefold(), model.name.casefold()))
        bare = (model for model in models if model.checkpoint == spelling)
        model = _exact(models, spelling) or next(bare, None) or next(alike, None)
        if model is not None:
            return model
        names = [model.name for model in models]
        more = ", ..." if len(names) > _MOST_NAMES else ""
        message = f"there is no model of that name. There are: {', '.join(names[:_MOST_NAMES])}{more}."
        raise InvalidRequest([FieldProblem(field=field, message=message)])

    def _of(self, backend: str, able: Capabilities) -> list[Model]:
        drawing = [p for p in able.parameters if p.name == "checkpoint" and p.serves(Operation.GENERATE)]
        if backend == self.home:
            return [_home_model(backend, choice, p) for p in drawing for choice in p.choices] or [_only(backend)]
        return [_foreign(backend, choice) for p in drawing for choice in p.choices] or [_only(backend)]


def _exact(models: Iterable[Model], spelling: str) -> Model | None:
    return next((model for model in models if model.is_called(spelling)), None)


def _home_model(backend: str, checkpoint: str, parameter: Parameter) -> Model:
    aliases = [alias for alias, meant in parameter.aliases.items() if meant == checkpoint]
    hashed = next(filter(None, map(_HASHED.fullmatch, aliases)), None)
    file = hashed[1] if hashed else next(filter(_FILE.fullmatch, _longest_first(aliases)), checkpoint)
    return Model(
        backend=backend,
        checkpoint=checkpoint,
        title=hashed[0] if hashed else file,
        name=checkpoint,
        filename=file,
        short_hash=hashed[2] if hashed else None,
        aliases=frozenset((*aliases, f"{backend}/{checkpoint}")),
    )


def _longest_first(names: Iterable[str]) -> list[str]:
    return sorted(names, key=len, reverse=True)


def _foreign(backend: str, checkpoint: str) -> Model:
    name = f"{backend}/{checkpoint}"
    return Model(backend=backend, checkpoint=checkpoint, title=name, name=name, filename=name)


def _only(backend: str) -> Model:
    return Model(backend=backend, checkpoint=None, title=backend, name=backend, filename=backend)

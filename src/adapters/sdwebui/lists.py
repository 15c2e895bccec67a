"""What one WebUI offers, as its own lists tell: checkpoints, samplers, schedulers, upscalers, VAEs, styles.

May import the core, attrs and this folder. Which release answers is told by the routes it has: /schedulers came with
1.9, /internal exists only where the UI does.
"""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import PureWindowsPath
from typing import Any, cast

import attrs

from adapters.sdwebui.failures import bad_answer, no_api
from adapters.sdwebui.wire import NoSuchRoute, Wire
from imaging_core.errors import CallFailed, GenerationError

_Rows = list[dict[str, Any]]


@attrs.frozen(kw_only=True)
class Checkpoint:
    """One model file of an instance."""

    #: What callers choose it by; does not change, unlike the title.
    name: str
    #: What the server finds it by: always one of its aliases, whereas parts of a name find nothing.
    title: str
    #: The file's name without folder and extension, as a generation's `info` tells it.
    stem: str
    #: Null until the server has read the file once.
    short_hash: str | None

    @property
    def aliases(self) -> frozenset[str]:
        """Other spellings people may use."""
        bare = self.title.partition(" [")[0]
        return frozenset(filter(None, (self.title, bare, self.stem, self.short_hash))) - {self.name}


@attrs.frozen(kw_only=True)
class Lists:
    """Everything a request to one instance may hold."""

    checkpoints: Mapping[str, Checkpoint]
    #: Name -> its aliases.
    samplers: Mapping[str, tuple[str, ...]]
    #: Label -> its internal name; empty before 1.9.
    schedulers: Mapping[str, str]
    upscalers: tuple[str, ...]
    #: Those of them that enlarge finished pictures, too.
    enlargers: tuple[str, ...]
    #: None where VAEs are chosen in another way (Forge).
    vaes: tuple[str, ...] | None
    styles: tuple[str, ...]
    #: The checkpoint its settings name; None when that is unknown.
    current: str | None
    #: Whether tasks can be asked for by name.
    names_tasks: bool
    #: Which server this is, for people.
    kind: str = "WebUI"

    def find(self, spelling: str | None) -> Checkpoint | None:
        """The checkpoint of that name or alias."""
        if spelling is None:
            return None
        exact = self.checkpoints.get(spelling)
        return exact or next((c for c in self.checkpoints.values() if spelling in c.aliases), None)


_PATHS = ("samplers", "schedulers", "upscalers", "latent-upscale-modes", "sd-vae", "prompt-styles")


async def fetch(wire: Wire) -> Lists:
    """Ask one instance for all its lists. Raises GenerationError."""
    # One question first: a server that is down is asked once, and the others only where something answers.
    models = await _rows(wire, "sd-models")
    current, names_tasks, *answers = await asyncio.gather(
        _current(wire), _names_tasks(wire), *(_rows(wire, path) for path in _PATHS), return_exceptions=True
    )
    for answer in (current, names_tasks, *answers):
        if isinstance(answer, BaseException):
            raise answer
    rows = {path: cast("_Rows | None", answer) for path, answer in zip(_PATHS, answers, strict=True)}
    samplers, schedulers, vaes = rows["samplers"], rows["schedulers"], rows["sd-vae"]
    if models is None or samplers is None:
        raise no_api(wire.where)
    upscalers = [*(rows["latent-upscale-modes"] or ()), *(rows["upscalers"] or ())]
    lists = Lists(
        checkpoints={c.name: c for c in map(_checkpoint, models) if c},
        samplers={name: _texts(row.get("aliases")) for row in samplers if (name := _text(row, "name"))},
        schedulers={label: _text(row, "name") for row in schedulers or () if (label := _text(row, "label"))},
        upscalers=_names(upscalers, "name"),
        # "None" leaves a picture as it is.
        enlargers=tuple(name for name in _names(rows["upscalers"] or (), "name") if name != "None"),
        vaes=None if vaes is None else _names(vaes, "model_name"),
        styles=_names(rows["prompt-styles"] or (), "name"),
        current=None,
        names_tasks=names_tasks is True,
        kind=_kind(rows),
    )
    if not lists.samplers:
        raise CallFailed(f"The WebUI at {wire.where} names no samplers; it may still be starting.")
    found = lists.find(current if isinstance(current, str) else None)
    return attrs.evolve(lists, current=found.name if found else None)


def _kind(rows: "Mapping[str, _Rows | None]") -> str:
    """What the routes tell; the kindred that are known by reading alone are called experimental."""
    if rows["latent-upscale-modes"] is None:
        return "SD.Next (experimental)"
    if rows["sd-vae"] is None:
        return "WebUI Forge (experimental)"
    return "WebUI" if rows["schedulers"] is not None else "WebUI of a release before 1.9"


async def _rows(wire: Wire, name: str) -> "_Rows | None":
    """The objects of a list, None where there is no such list."""
    try:
        rows = await wire.ask("GET", f"/sdapi/v1/{name}")
    except NoSuchRoute:
        return None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise bad_answer(wire.where, f"the question for {name} with something that is no list; check its address")
    return rows


async def current_of(wire: Wire, lists: Lists) -> Lists:
    """The lists with the checkpoint that the settings name now. Raises GenerationError where nothing answers."""
    found = lists.find(await _current(wire))
    return attrs.evolve(lists, current=found.name if found else None)


async def _current(wire: Wire) -> str | None:
    try:
        options = await wire.ask("GET", "/sdapi/v1/options")
    except (NoSuchRoute, CallFailed):
        # One setting of a wrong type makes this route fail for ever; nothing else depends on it.
        return None
    value = options.get("sd_model_checkpoint") if isinstance(options, dict) else None
    return value if isinstance(value, str) else None


async def _names_tasks(wire: Wire) -> bool:
    try:
        await wire.ask("GET", "/internal/ping")
    except (NoSuchRoute, GenerationError):
        return False
    return True


def _checkpoint(row: dict[str, Any]) -> Checkpoint | None:
    name, title = _text(row, "model_name"), _text(row, "title")
    if not name or not title:
        return None
    # The server may run on Windows; PureWindowsPath takes both kinds of slash.
    file = _text(row, "filename")
    stem = PureWindowsPath(file).stem if file else name
    return Checkpoint(name=name, title=title, stem=stem, short_hash=_text(row, "hash") or None)


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _names(rows: Iterable[dict[str, Any]], key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, (_text(row, key) for row in rows))))

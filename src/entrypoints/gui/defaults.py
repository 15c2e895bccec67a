"""What a visitor wants the form to begin with: values, and how they come into it; pure, imports the core's values and the draft.

They are kept in the visitor's own browser: the service has no people, only keys, and a page's session ends with a reload.
"""

import json
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import attrs

from entrypoints.gui import draft

#: Parts of an address that say themselves what is to be on the form.
SAID = frozenset({"like", "from", draft.SECTION})

#: Most pictures that can be a default.
MOST_PICTURES = 10
FILE_TYPES = ("png", "jpeg", "webp")


@attrs.frozen(kw_only=True)
class Defaults:
    """None leaves it to the service."""

    backend: str | None = None
    count: int | None = None
    output_format: str | None = None

    def as_text(self) -> str:
        """As the browser keeps it."""
        return json.dumps(attrs.asdict(self))


def from_text(text: object) -> Defaults:
    """What a browser kept; anything else in there counts as nothing, since whoever uses the browser can write it."""
    try:
        told = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return Defaults()
    if not isinstance(told, dict):
        return Defaults()
    backend, count, kind = (told.get(name) for name in ("backend", "count", "output_format"))
    whole = isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= MOST_PICTURES
    return Defaults(
        backend=backend if isinstance(backend, str) and len(backend) <= 64 else None,
        count=count if whole else None,
        output_format=kind if kind in FILE_TYPES else None,
    )


def apply(
    wanted: Defaults, backends: Iterable[str], state: MutableMapping[Any, Any], query: Mapping[str, object]
) -> None:
    """Put them on the forms of these backends, unless the address says what is to be on them."""
    if SAID & query.keys():
        return
    names = tuple(backends)
    if wanted.backend in names:
        state[draft.SECTION] = wanted.backend
    for name in names:
        # What a backend cannot do is not usable there, and the form falls back to its own default.
        if wanted.count is not None:
            state[draft.key_of(name, "count")] = wanted.count
        if wanted.output_format is not None:
            state[draft.key_of(name, "output_format")] = wanted.output_format

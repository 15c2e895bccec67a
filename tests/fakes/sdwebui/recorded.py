"""Bodies recorded from the real program, served as they are: its long lists would not be truer for being typed again.

May import the standard library.
"""

from __future__ import annotations

import copy
import functools
import json
from pathlib import Path
from typing import Any

EXCHANGES = Path(__file__).resolve().parents[2] / "data" / "sdwebui" / "exchanges"


@functools.cache
def _load(name: str) -> Any:
    return json.loads((EXCHANGES / f"{name}.json").read_text(encoding="utf-8"))["response"]["json"]


def body(name: str) -> Any:
    """The JSON body of the record of that name; the caller may change it."""
    return copy.deepcopy(_load(name))


def versioned(name: str, version: str) -> Any:
    """The body recorded from that release, from 1.10.1 where there is no record of its own."""
    of_release = f"v{version}_{name}"
    return body(of_release if (EXCHANGES / f"{of_release}.json").exists() else name)

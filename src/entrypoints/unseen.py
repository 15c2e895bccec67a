"""Lets a library look for others without loading them; imports stdlib."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unseen(*names: str) -> Iterator[None]:
    """Within it none of these modules can be imported, unless it was before."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # what import takes for "there is none"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]

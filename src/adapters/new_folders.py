"""Folders whose names outlast a power cut, and what is in them, for those who keep something there; imports stdlib."""

import os
from contextlib import suppress
from itertools import takewhile
from pathlib import Path


def make_durable(path: Path) -> None:
    """Make that folder and those that lead to it where they are missing, for their owner alone, and their names durable.

    Raises OSError.
    """
    missing = list(takewhile(lambda one: not one.exists(), (path, *path.parents)))
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for one in missing:
        # A folder may let its user make names and not read them: then only its owner can sync it.
        with suppress(PermissionError):
            sync(one.parent)


def sync(path: Path) -> None:
    """Have the disk keep a file's bytes, or the names in a folder. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

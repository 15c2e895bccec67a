"""The command `imaging` run to its end in this process, which a test may do as often as it likes: starting one takes seconds.

May import the standard library, typer, the command line and the neighbouring modules of the tests. Each command is started
as a process of its own by at least one test.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import attrs
from typer.testing import CliRunner

from entrypoints.cli import app
from imaging_process import clean_environment


@attrs.frozen(kw_only=True)
class Ended:
    """How a command ended, and what it said; named as `subprocess` names it."""

    returncode: int
    stdout: str
    stderr: str


def imaging(folder: Path, *command: str | Path, **settings: str) -> Ended:
    """`imaging COMMAND` in that folder, with its data there and these settings. What it must not raise is raised."""
    environment = clean_environment({"IMAGING_DATA_DIR": str(folder / "data"), **settings})
    with mock.patch.dict(os.environ, environment, clear=True), contextlib.chdir(folder), _logging_of_its_own():
        result = CliRunner().invoke(app, [str(word) for word in command], catch_exceptions=False)
    return Ended(returncode=result.exit_code, stdout=result.stdout, stderr=result.stderr)


@contextlib.contextmanager
def _logging_of_its_own() -> Iterator[None]:
    """The command sends every log line to its own standard error, and takes other handlers away for that."""
    root, libraries = (
        logging.getLogger(),
        [logging.getLogger(name) for name in ("httpx", "httpcore", "dramatiq", "PIL")],
    )
    handlers, levels = root.handlers[:], [(logger, logger.level) for logger in (root, *libraries)]
    root.handlers.clear()
    try:
        yield
    finally:
        root.handlers[:] = handlers
        for logger, level in levels:
            logger.setLevel(level)

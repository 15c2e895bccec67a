"""Which images there are, which can be had, and what stands in for the others; imports the standard library."""

import os
import shlex
import subprocess
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: A command that is given tags and makes images of these names, where none can be pulled.
STAND_INS = "COMPOSE_STAND_INS"
PULL_S = 300


class NoImage(Exception):
    """An image that is needed cannot be had."""


def is_real(image: str) -> bool:
    """Whether it came from a registry: what was made here has no digest of one."""
    told = _docker("image", "inspect", "--format", "{{len .RepoDigests}}", image)
    return told.returncode == 0 and told.stdout.strip() != "0"


def is_here(image: str) -> bool:
    """Whether there is an image of that name at all."""
    return _docker("image", "inspect", image).returncode == 0


def can_be_had(image: str) -> bool:
    """Whether the real one is here, or was just pulled."""
    if not is_here(image):
        try:
            _docker("pull", "--quiet", image, timeout_s=PULL_S)
        except subprocess.TimeoutExpired:
            return False
    return is_real(image)


def provide(images: Iterable[str]) -> list[str]:
    """See to it that these are here; those that are stand-ins. Raises NoImage."""
    replaced = [image for image in images if not can_be_had(image)]
    missing = [image for image in replaced if not is_here(image)]
    if missing:
        command = shlex.split(os.environ.get(STAND_INS, ""))
        if not command:
            raise NoImage(
                f"{', '.join(missing)} cannot be pulled. Set {STAND_INS} to a command that is given such names and makes "
                "images of these names."
            )
        subprocess.run([*command, *missing], check=True)
    return replaced


def _docker(*arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=timeout_s)

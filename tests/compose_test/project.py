"""One project of Compose: its commands, its containers and what is known of them; imports the standard library and attrs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

from compose_test.images import ROOT

T = TypeVar("T")
#: Longest wait for anything, in s.
PATIENCE_S = 240
#: Compose 1 is a Python program: it must not find what is ours.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


class NotShown(Exception):
    """Something is not as it should be."""


def say(line: str) -> None:
    """A line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def until(look: Callable[[], T | None], what: str, patience_s: float = PATIENCE_S) -> T:
    """The first answer that is one. Raises NotShown."""
    end = time.monotonic() + patience_s
    while (answer := look()) is None or answer is False:
        if time.monotonic() > end:
            raise NotShown(f"{what} did not come within {patience_s:.0f} s")
        time.sleep(0.3)
    return answer


@attrs.frozen
class Container:
    """What Docker knows of a container."""

    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.facts["Name"]).lstrip("/")

    @property
    def state(self) -> str:
        """healthy, unhealthy, starting, or how it ended: `exited 0`."""
        state = self.facts["State"]
        if state["Status"] != "running":
            return f"{state['Status']} {state['ExitCode']}"
        return str(state.get("Health", {}).get("Status", "running"))


@attrs.frozen(kw_only=True)
class Project:
    """A project whose settings are these."""

    command: tuple[str, ...]
    environment: Mapping[str, str]

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One command of Compose, as a person types it. Raises NotShown when it fails."""
        say(f"$ {' '.join((*self.command, *arguments))}")
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=ROOT,
            env={**_ENVIRONMENT, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise NotShown(f"it ended with {done.returncode}:\n{done.stdout[-3000:]}")
        return done

    def containers(self, service: str) -> list[Container]:
        """All containers of a service, those that ended too."""
        label = f"com.docker.compose.project={self.environment['COMPOSE_PROJECT_NAME']}"
        ids = _docker(
            "ps",
            "--all",
            "--quiet",
            "--filter",
            f"label={label}",
            "--filter",
            f"label=com.docker.compose.service={service}",
        ).split()
        return [Container(facts) for facts in json.loads(_docker("inspect", *ids))] if ids else []

    def become(self, service: str, state: str = "healthy", count: int = 1) -> list[Container]:
        """The containers of a service, once there are that many and all are in that state. Raises NotShown."""

        def there() -> list[Container] | None:
            found = self.containers(service)
            return found if [one.state for one in found] == [state] * count else None

        try:
            return until(there, f"{service}: {count} {state}")
        except NotShown as error:
            states = ", ".join(f"{one.name} is {one.state}" for one in self.containers(service))
            raise NotShown(f"{error}: {states}\n{self.logs(service)}") from None

    def logs(self, service: str) -> str:
        """The last lines of a service."""
        return self.run("logs", "--no-color", "--tail", "40", service, check=False).stdout


def compose_command() -> tuple[str, ...]:
    """Compose 2 as a plugin of Docker, else the program of its own. Raises NotShown."""
    for command in (("docker", "compose"), ("docker-compose",)):
        try:
            done = subprocess.run([*command, "version"], env=_ENVIRONMENT, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            continue
        if done.returncode == 0:
            say(done.stdout.splitlines()[0])
            return command
    raise NotShown("there is neither `docker compose` nor `docker-compose`")


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout

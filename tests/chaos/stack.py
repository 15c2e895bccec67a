"""What a scenario runs against: Redis, the engines' doubles, an API and workers, each a process of its own.

May import the standard library and the test doubles beside this package.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from chaos.proxy import SwallowingProxy
from chaos.supervised import Unit
from fakes.sdwebui import FakeWebUI
from fakes.stability import StabilityProcess
from imaging_process import clean_environment, free_port
from redis_server import RedisServer

#: Leases of the short runs, in s; the full ones use the service's own defaults.
SHORT_LEASE = {"IMAGING_LEASE_S": "3", "IMAGING_HEARTBEAT_S": "0.6", "IMAGING_SWEEP_S": "0.5"}
DEFAULT_LEASE_S = 15.0


class Stack:
    """Everything that runs, from entry to exit. What it wrote stays in `folder`."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str],
        workers: int = 3,
        delay_s: float = 1.0,
        picture_bytes: int = 0,
        webui: bool = False,
        embedded: bool = False,
        bell_of: str = "",
        jobs_proxied: bool = False,
    ) -> None:
        """`delay_s` is how long the fake Stability takes for a picture. `workers` does not count in embedded mode.

        `bell_of` is "api" or "all": whose doorbell goes through a proxy; `jobs_proxied` puts one before all else.
        """
        self.folder = folder
        self.lease_s = float(settings.get("IMAGING_LEASE_S", DEFAULT_LEASE_S))
        self.settings = dict(settings)
        self.port = free_port()
        #: How long a call takes, in s.
        self.call_s = delay_s
        self.stability = StabilityProcess(log=folder / "stability.jsonl", delay=delay_s, picture_bytes=picture_bytes)
        self.webui = FakeWebUI("--step-seconds", "0.05", log=folder / "webui.jsonl") if webui else None
        self.redis = None if embedded else RedisServer()
        self.bell = SwallowingProxy(self.redis.port) if self.redis is not None else None
        self.jobs = SwallowingProxy(self.redis.port) if self.redis is not None else None
        self._bell_of, self._jobs_proxied = bell_of, jobs_proxied
        self.units: dict[str, Unit] = {}
        self._worker_names = [f"worker-{n}" for n in range(1, workers + 1)]
        self._open = ExitStack()

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> Path:
        """Where the pictures are."""
        chosen = self.settings.get("IMAGING_STORAGE_URL")
        return Path(chosen) if chosen else self.folder / "data" / "pictures"

    @property
    def database(self) -> Path:
        """The jobs of the embedded mode."""
        return self.folder / "data" / "imaging.db"

    @property
    def api(self) -> Unit:
        """The process that answers clients."""
        return self.units["up"] if "up" in self.units else self.units["api"]

    @property
    def workers(self) -> list[Unit]:
        """The processes that make paid calls."""
        return [unit for name, unit in self.units.items() if name != "api"]

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self._start(opening)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _start(self, opening: ExitStack) -> None:
        opening.enter_context(self.stability)
        if self.webui is not None:
            opening.enter_context(self.webui)
        if self.redis is None:
            self.add(opening, "up", "up", "--no-gui", says="is up")
        else:
            opening.enter_context(self.redis)
            for proxy in (self.bell, self.jobs):
                if proxy is not None:
                    opening.enter_context(proxy)
            self.add(opening, "api", "api", says="API ready")
            for name in self._worker_names:
                self.add(opening, name, "worker", says="Worker ready")
        for unit in self.units.values():
            unit.wait_ready()

    def add(self, opening: ExitStack, name: str, *command: str, says: str, **more: str) -> Unit:
        """Start one more process of the service; each worker has a key of its own, by which the fake tells them apart."""
        number = f"{len(self.units):04d}"
        settings = {
            "IMAGING_PORT": str(self.port),
            "IMAGING_DATA_DIR": str(self.folder / "data"),
            "STABILITY_KEY": f"sk-chaos-{number}",
            "IMAGING_STABILITY_BASE_URL": self.stability.url,
            **self._redis_settings(name),
        }
        if self.webui is not None:
            settings["IMAGING_SDWEBUI_URLS"] = self.webui.url
        settings |= self.settings | more
        caller = "" if name == "api" else number
        unit = Unit(name, *command, says=says, folder=self.folder, settings=settings, caller=caller)
        self.units[name] = unit
        opening.callback(unit.close)
        return unit.start()

    def stop(self) -> None:
        """End the service's processes, politely and for good; its Redis and the doubles stay."""
        for unit in reversed(self.units.values()):
            unit.close()

    def orphans(self) -> list[str]:
        """What `imaging repair --check` finds once nobody writes any more, in sentences. RuntimeError when it cannot look."""
        settings = {"IMAGING_DATA_DIR": str(self.folder / "data"), **self.settings}
        if self.redis is not None:
            settings |= {"IMAGING_REDIS_URL": self.redis.url, "IMAGING_BROKER_URL": self.redis.broker_url}
        done = subprocess.run(
            [str(Path(sys.executable).parent / "imaging"), "repair", "--check", "--now", "--json"],
            cwd=self.folder,
            env=clean_environment(settings),
            capture_output=True,
            text=True,
            check=False,
        )
        if not done.stdout:
            raise RuntimeError(f"imaging repair ended with status {done.returncode}: {done.stderr[-2000:]}")
        return [
            f"{found['kind']} {found['subject']}: {found['message']}" for found in json.loads(done.stdout)["findings"]
        ]

    def _redis_settings(self, name: str) -> dict[str, str]:
        if self.redis is None or self.bell is None or self.jobs is None:
            return {}
        bell = self.bell.port if self._bell_of in ("all", name) else self.redis.port
        jobs = self.jobs.port if self._jobs_proxied else self.redis.port
        return {
            "IMAGING_REDIS_URL": f"redis://127.0.0.1:{jobs}/0",
            "IMAGING_BROKER_URL": f"redis://127.0.0.1:{bell}/1",
        }

    def add_worker(self, name: str, **settings: str) -> Unit:
        """One more worker, with settings of its own."""
        return self.add(self._open, name, "worker", says="Worker ready", **settings)

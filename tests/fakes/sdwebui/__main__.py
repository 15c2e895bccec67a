"""Starts the fake server: `python -m fakes.sdwebui --port 0` prints `READY port=<n>` once it accepts.

May import the standard library, starlette, uvicorn and this package.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import Request

from fakes.sdwebui.app import Flags, create_app
from fakes.sdwebui.engine import Engine
from fakes.sdwebui.faults import Faults
from fakes.sdwebui.journal import Journal


class Server(uvicorn.Server):
    """A uvicorn server that says when it accepts, and can refuse connections for a while."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self._listener = listener
        self.port: int = listener.getsockname()[1]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, then tell the test that waits on stdout."""
        await super().startup(sockets=[self._listener])
        print(f"READY port={self.port}", flush=True)  # noqa: T201

    async def refuse(self, seconds: float) -> None:
        """Close the listener and every connection, and open the same port again after that time."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(seconds)
        self._listener = listen(self.port)
        await super().startup(sockets=[self._listener])


def listen(port: int, host: str = "127.0.0.1") -> socket.socket:
    """A listening socket, on the loopback interface unless told otherwise."""
    # Named as TCP, or asyncio leaves Nagle's algorithm on and every answer waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


class Control:
    """The test's hand on the server, at /__control: POST turns switches, both verbs answer with a snapshot."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.server: Server | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Apply what was sent."""
        if request.method == "POST":
            self._apply(await request.json())
        return self.engine.snapshot()

    def _apply(self, values: dict[str, Any]) -> None:
        engine = self.engine
        for key, value in values.items():
            match key:
                case "load_seconds":
                    engine.memory.load_seconds = value
                case "options":
                    for name, setting in value.items():
                        engine.settings.set(name, setting)
                case "reset_options":
                    engine.settings.present.clear()
                    engine.settings.present["sd_checkpoint_hash"] = ""
                case "hashed":
                    for checkpoint in engine.catalog.checkpoints:
                        checkpoint.hashed = checkpoint.name in value
                case "loaded":
                    engine.memory.loaded = engine.catalog.find(value)
                case "delete_checkpoint":
                    found = engine.catalog.find(value)
                    if found is not None:
                        found.deleted = True
                case "refuse_seconds":
                    assert self.server is not None
                    task = asyncio.ensure_future(self.server.refuse(value))
                    self._background.add(task)
                    task.add_done_callback(self._background.discard)
                case _:
                    engine.faults.set({key: value})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fakes.sdwebui", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 within a container")
    parser.add_argument("--version", default="1.10.1", choices=["1.10.1", "1.9.4", "1.8.0"])
    parser.add_argument("--nowebui", action="store_true", help="no /internal routes")
    parser.add_argument("--api-auth", default=None, help="user:password[,user:password]")
    parser.add_argument("--checkpoints", default="tinyA,tinyB", help="names; 'truncated' and 'text' cannot be loaded")
    parser.add_argument("--step-seconds", type=float, default=0.01)
    parser.add_argument("--load-seconds", type=float, default=0.05)
    parser.add_argument("--log", type=Path, default=None, help="file for JSON lines")
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    engine = Engine(
        arguments.version,
        [name for name in arguments.checkpoints.split(",") if name],
        Journal(arguments.log),
        Faults(arguments.step_seconds),
    )
    await engine.memory.start()
    engine.memory.load_seconds = arguments.load_seconds
    listener = listen(arguments.port, arguments.host)
    control = Control(engine)
    flags = Flags(nowebui=arguments.nowebui, api_auth=arguments.api_auth, port=listener.getsockname()[1])
    config = uvicorn.Config(
        create_app(engine, flags, control), lifespan="off", log_level="warning", timeout_graceful_shutdown=1
    )
    control.server = Server(config, listener)
    await control.server.serve()


if __name__ == "__main__":
    asyncio.run(_serve(_arguments()))

"""Serves the API on uvicorn under our own stop signal; imports uvicorn and the entrypoints' settings."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import uvicorn

from entrypoints.api.closing import closing_of
from entrypoints.guarded_http import ConnectionLimits, guarded
from entrypoints.settings import SettingsError

if TYPE_CHECKING:
    from fastapi import FastAPI

#: How long open requests get at a stop, in s; event streams and half-sent bodies are cut then.
REQUEST_GRACE_S = 10
#: How long a connection may idle between two requests, in s.
KEEP_ALIVE_S = 30
#: Open files that are asked for; each connection is one.
MOST_FILES = 65_536


class PortTaken(SettingsError):
    """Somebody else listens there."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens, and says so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to `stop_signals`: uvicorn's own handling would raise them again after the shutdown."""
        yield


def listening_socket(host: str, port: int, setting: str) -> socket.socket:
    """A bound socket, so that a taken port is said before anything is started. Raises PortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio, where uvloop is not to be had, leaves Nagle's algorithm on: answers would wait 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise PortTaken(
            f"Cannot listen on {host}:{port} ({error.strerror}). Free the port or set {setting}."
        ) from error
    return sock


async def serve(
    app: "FastAPI",
    sock: socket.socket,
    stop: asyncio.Event,
    *,
    ready: Callable[[], None],
    limits: ConnectionLimits | None = None,
    trusted_proxies: Sequence[str] = (),
    root_path: str = "",
) -> None:
    """Serve until `stop` is set; then the listener closes at once and open requests end or are cut."""
    _make_room_for_connections()
    config = uvicorn.Config(
        app,
        http=guarded(limits or ConnectionLimits()),
        log_config=None,
        access_log=False,
        server_header=False,
        # uvicorn would believe whatever any program on this machine says of where it comes from.
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        root_path=root_path,
        lifespan="off",
        timeout_graceful_shutdown=REQUEST_GRACE_S,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    server = _Server(config, ready)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        # Streams end first, and whole, while everything behind them still works.
        closing_of(app).begin()
        server.should_exit = True
        await serving
    finally:
        stopping.cancel()


def _make_room_for_connections() -> None:
    """Many systems begin a process with 1,024 open files at most, and let it ask for far more."""
    try:
        import resource  # noqa: PLC0415  # not on every system
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

"""`python -m fakes.stability`: serves the fake on a port and says when it is ready.

May import the standard library, uvicorn and the fake itself.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from pathlib import Path

import uvicorn

from fakes.stability.app import FakeStability
from fakes.stability.settings import Settings


def main() -> None:
    """Parse the command line, bind, serve until a signal."""
    options = vars(_parser().parse_args())
    port = options.pop("port")
    options["rate_limit"] = options["rate_limit"] == "on"
    options["keys"] = tuple(options["keys"] or ())
    # Named as TCP, or asyncio leaves Nagle's algorithm on, and now and then the end of a picture waits 40 ms for an
    # acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(2048)
    config = uvicorn.Config(
        FakeStability(Settings(**options)),
        lifespan="off",
        access_log=False,
        log_level="error",
        proxy_headers=False,
        timeout_graceful_shutdown=0,
        timeout_keep_alive=60,
    )
    # With uvloop, where it is installed: a call takes half of what it does with asyncio's own loop.
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(uvicorn.Server(config), listener))


async def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():  # noqa: ASYNC110 -- uvicorn has a flag, no event
        await asyncio.sleep(0.005)
    sys.stdout.write(f"READY port={listener.getsockname()[1]}\n")
    sys.stdout.flush()
    await serving


def _parser() -> argparse.ArgumentParser:
    default = Settings()
    parser = argparse.ArgumentParser(prog="python -m fakes.stability", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 = choose a free one")
    parser.add_argument("--log", type=Path, help="file that calls and charges are appended to, as JSON lines")
    parser.add_argument("--keys", action="append", metavar="KEY", help="a valid key; repeat for more")
    parser.add_argument("--rate-limit", choices=["on", "off"], default="on")
    parser.add_argument("--charge-at", choices=["start", "end"], default=default.charge_at)
    parser.add_argument("--result-key", choices=["result", "image"], default=default.result_key)
    parser.add_argument("--retry-after", default=default.retry_after)
    for name, kind in (
        ("delay", float),
        ("picture-bytes", int),
        ("picture-side", int),
        ("balance", float),
        ("rate-requests", int),
        ("rate-period", float),
        ("rate-lockout", float),
        ("deferred-delay", float),
        ("deferred-polls", int),
    ):
        parser.add_argument(f"--{name}", type=kind, default=getattr(default, name.replace("-", "_")))
    return parser


if __name__ == "__main__":
    main()

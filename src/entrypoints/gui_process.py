"""Runs the Streamlit page as a child of this process, so that one never outlives the other; imports stdlib and settings."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from entrypoints.host_names import bare
from entrypoints.settings import Settings

FRONT = Path(__file__).parent / "gui" / "front.py"


def command(settings: Settings) -> list[str]:
    """The command line of the page's server. Protection against foreign origins stays on; nothing phones home."""
    options = {
        "server.address": settings.host,
        "server.port": settings.gui_port,
        "server.headless": "true",
        "server.enableCORS": "true",
        "server.enableXsrfProtection": "true",
        "server.maxUploadSize": 20,
        "server.fileWatcherType": "none",
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        "browser.gatherUsageStats": "false",
        # Streamlit would otherwise ask a server on the internet what this machine is called there.
        "browser.serverAddress": "localhost",
        "global.developmentMode": "false",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    # Against a page that has its own name point at this machine; Streamlit wants IPv6 addresses without brackets.
    names = [f"--server.allowedHosts={name}" for name in bare(settings.our_names)]
    return [sys.executable, "-m", "entrypoints.gui_child", str(FRONT), *flags, *names]


def environment(settings: Settings) -> dict[str, str]:
    """What the page may know: where the API is, and the key for it. Never a backend's key."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("IMAGING_", "STABILITY_", "REDIS_", "AWS_"))}
    key = key_of(settings)
    return {**kept, "IMAGING_API_URL": api_url(settings)} | ({"IMAGING_API_KEY": key} if key else {})


def key_of(settings: Settings) -> str | None:
    """The key that this machine's processes send."""
    return settings.api_key.get_secret_value() if settings.api_key else None


def api_url(settings: Settings) -> str:
    """Where this machine's processes find the API."""
    if settings.api_url:
        return settings.api_url.rstrip("/")
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "localhost") else settings.host  # noqa: S104
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


@asynccontextmanager
async def gui_running(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """The page's server while in the block. It also ends when this process is killed: its end of the pipe closes."""
    process = await asyncio.create_subprocess_exec(
        *command(settings),
        env=environment(settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        # A Ctrl-C goes to the whole group of the terminal; the page ends when we say so.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()

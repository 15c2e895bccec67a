"""Whether a part on this machine is alive, for container health checks; imports stdlib only, since it runs often."""

import asyncio
import time
import urllib.error
import urllib.request
from pathlib import Path

from entrypoints.settings import Settings, SettingsError

#: A worker whose loop has not turned for this long is not alive, in s.
SILENCE_S = 30.0


def life_sign(settings: Settings) -> Path:
    """The file a worker touches while its loop turns."""
    return settings.run_dir / "worker.alive"


async def check_health(settings: Settings, part: str) -> int:
    """0 if that part is alive, else 1."""
    if part == "worker":
        try:
            return 0 if time.time() - life_sign(settings).stat().st_mtime < SILENCE_S else 1
        except OSError:
            return 1
    paths = {"api": f":{settings.port}/livez", "gui": f":{settings.gui_port}/_stcore/health"}
    if part not in paths:
        raise SettingsError(f"health: there is no part of that name. There are: {', '.join([*paths, 'worker'])}.")
    return await asyncio.to_thread(_answers, f"http://127.0.0.1{paths[part]}")


def _answers(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # loopback, and ours
            return 0 if answer.status == 200 else 1
    except (urllib.error.URLError, OSError):
        return 1

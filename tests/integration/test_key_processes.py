"""`imaging keys` and services with a lock, as people run them: embedded and over Redis."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from fakes.sdwebui import launch as launch_webui
from imaging_process import Imaging, clean_environment, until
from redis_server import RedisServer

UP = ("up", "--no-gui")


def run(folder: Path, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """`imaging COMMAND` to its end."""
    return subprocess.run(
        [Path(sys.executable).parent / "imaging", *command],
        env=clean_environment({"IMAGING_DATA_DIR": str(folder / "data"), **settings}),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def made(folder: Path, *options: str, **settings: str) -> str:
    """A new key, as a script takes it."""
    done = run(folder, "keys", "create", *options, **settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() not in done.stderr
    return done.stdout.strip()


def bearer(key: str) -> dict[str, str]:
    """The header with a key."""
    return {"authorization": f"Bearer {key}"}


def listed(folder: Path, **settings: str) -> list[dict[str, Any]]:
    """What `imaging keys list` shows."""
    done = run(folder, "keys", "list", "--json", **settings)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_keys_of_a_folder_are_managed_while_it_is_served_and_while_it_is_not(tmp_path: Path) -> None:
    with Imaging(*UP, folder=tmp_path, IMAGING_DEMO_STEP_S="0") as imaging:
        imaging.started("is up")
        assert "imaging keys create" in imaging.output
        where = {"IMAGING_PORT": str(imaging.port)}
        assert "no keys" in run(tmp_path, "keys", "list", **where).stdout

        # The running service has the folder, and is asked; the first key needs no other.
        admin = made(tmp_path, "boss", **where)
        assert httpx.get(f"{imaging.url}/jobs").status_code == 401
        assert httpx.get(f"{imaging.url}/livez").status_code == 200
        assert httpx.get(f"{imaging.url}/jobs", headers=bearer(admin)).status_code == 200

        refused = run(tmp_path, "keys", "create", "sneak", **where)
        assert refused.returncode == 1
        assert "IMAGING_API_KEY" in refused.stderr
        guest = made(tmp_path, "guest", "--scope", "read", IMAGING_API_KEY=admin, **where)
        assert httpx.post(f"{imaging.url}/images", headers=bearer(guest), json={"prompt": "x"}).status_code == 403
        keys = listed(tmp_path, IMAGING_API_KEY=admin, **where)
        assert [(key["name"], key["scopes"]) for key in keys] == [
            ("boss", ["admin", "read", "submit"]),
            ("guest", ["read"]),
        ]
        imaging.signal(signal.SIGINT)
        assert imaging.ended() == 0

    # At rest, whoever may read the folder manages its keys.
    (guest_id,) = [key["id"] for key in listed(tmp_path) if key["name"] == "guest"]
    assert run(tmp_path, "keys", "revoke", guest_id).returncode == 0
    assert run(tmp_path, "keys", "revoke", "0" * 12).returncode == 1

    with Imaging(*UP, folder=tmp_path) as imaging:
        imaging.started("A key is needed")
        assert httpx.get(f"{imaging.url}/jobs", headers=bearer(guest)).status_code == 401
        assert httpx.get(f"{imaging.url}/jobs", headers=bearer(admin)).status_code == 200
        done = run(
            tmp_path, "generate", "a hill", "-o", "out", "--json", IMAGING_API_KEY=admin, IMAGING_PORT=str(imaging.port)
        )
        assert done.returncode == 0, done.stderr
        for secret in (admin, guest):
            assert secret not in imaging.output
            assert secret.encode() not in b"".join(p.read_bytes() for p in (tmp_path / "data").glob("imaging.db*"))


def test_a_network_gets_in_only_with_a_key(tmp_path: Path) -> None:
    with Imaging(*UP, folder=tmp_path, IMAGING_HOST="0.0.0.0") as imaging:
        imaging.start()
        assert imaging.ended() == 1
        assert "imaging keys create" in imaging.output
        assert "Traceback" not in imaging.output

        key = made(tmp_path, "first")
        imaging.started("A key is needed")
        assert httpx.get(f"{imaging.url}/jobs").status_code == 401
        assert httpx.get(f"{imaging.url}/jobs", headers=bearer(key)).status_code == 200
    # The page asks nobody for a key.
    with Imaging("up", folder=tmp_path, IMAGING_HOST="0.0.0.0") as imaging:
        imaging.start()
        assert imaging.ended() == 1
        assert "--no-gui" in imaging.output


def test_a_key_from_a_setting_needs_no_store(tmp_path: Path) -> None:
    key = "my-own-secret-of-enough-length"
    with Imaging(*UP, folder=tmp_path, IMAGING_HOST="0.0.0.0", IMAGING_API_KEYS=f"{key}, {key}2") as imaging:
        imaging.started("A key is needed")
        for good in (key, f"{key}2"):
            assert httpx.get(f"{imaging.url}/keys", headers=bearer(good)).status_code == 200
        assert httpx.get(f"{imaging.url}/keys", headers=bearer(f"{key}3")).status_code == 401
        assert key not in imaging.output
    doctor = run(tmp_path, "doctor", IMAGING_API_KEYS=key, IMAGING_API_KEY=key)
    assert key not in doctor.stdout + doctor.stderr


def test_two_apis_over_one_redis_know_the_same_keys_and_links(tmp_path: Path) -> None:
    with RedisServer() as redis, launch_webui() as webui:
        settings = {"IMAGING_REDIS_URL": redis.url, "IMAGING_SDWEBUI_URLS": webui.url}
        with Imaging("api", folder=tmp_path, **settings, IMAGING_HOST="0.0.0.0") as shut:
            shut.start()
            assert shut.ended() == 1
            assert "imaging keys create" in shut.output
        with (
            Imaging("api", folder=tmp_path, **settings) as one,
            Imaging("api", folder=tmp_path, **settings) as other,
        ):
            one.started("API ready")
            other.started("API ready")
            assert httpx.get(f"{one.url}/jobs").status_code == httpx.get(f"{other.url}/jobs").status_code == 200

            admin = made(tmp_path, "boss", **settings)
            for api in (one, other):
                # Neither made it, so each learns of it in its own time.
                until(lambda api=api: httpx.get(f"{api.url}/jobs").status_code == 401, "a shut door", 10)  # type: ignore[misc]
                assert httpx.get(f"{api.url}/jobs", headers=bearer(admin)).status_code == 200
            guest = made(tmp_path, "guest", **settings)
            assert httpx.get(f"{other.url}/jobs", headers=bearer(guest)).status_code == 200
            guest_id = guest.split("_")[1]
            assert httpx.delete(f"{one.url}/keys/{guest_id}", headers=bearer(admin)).status_code == 200
            assert httpx.get(f"{one.url}/jobs", headers=bearer(guest)).status_code == 401
            until(lambda: httpx.get(f"{other.url}/jobs", headers=bearer(guest)).status_code == 401, "the revocation", 5)

"""`imaging keys` and services with a lock, as people run them: embedded and over Redis."""

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from fakes.sdwebui import launch as launch_webui
from fakes.stability import launch as launch_stability
from imaging_command import imaging
from imaging_process import Imaging, clean_environment, end_of, free_port, until
from redis_server import RedisServer

UP = ("up", "--no-gui")


def made(folder: Path, *options: str, **settings: str) -> str:
    """A new key, as a script takes it."""
    done = imaging(folder, "keys", "create", *options, **settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() not in done.stderr
    return done.stdout.strip()


def made_by_a_process(folder: Path, name: str, **settings: str) -> str:
    """The same by a command of its own."""
    env = clean_environment({"IMAGING_DATA_DIR": str(folder / "data"), **settings})
    command: list[str | Path] = [Path(sys.executable).parent / "imaging", "keys", "create", name]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() not in done.stderr
    return done.stdout.strip()


def page_answers(port: int) -> bool:
    """Whether the page's server does."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/_stcore/health").status_code == 200
    except httpx.TransportError:
        return False


def bearer(key: str) -> dict[str, str]:
    """The header with a key."""
    return {"authorization": f"Bearer {key}"}


def listed(folder: Path, **settings: str) -> list[dict[str, Any]]:
    """What `imaging keys list` shows."""
    done = imaging(folder, "keys", "list", "--json", **settings)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_keys_of_a_folder_are_managed_while_it_is_served_and_while_it_is_not(tmp_path: Path) -> None:
    with Imaging(*UP, folder=tmp_path, IMAGING_DEMO_STEP_S="0") as up:
        up.started("is up")
        assert "imaging keys create" in up.output
        where = {"IMAGING_PORT": str(up.port)}
        assert "no keys" in imaging(tmp_path, "keys", "list", **where).stdout

        # The running service has the folder, and is asked; the first key needs no other.
        admin = made_by_a_process(tmp_path, "boss", **where)
        assert httpx.get(f"{up.url}/jobs").status_code == 401
        assert httpx.get(f"{up.url}/livez").status_code == 200
        assert httpx.get(f"{up.url}/jobs", headers=bearer(admin)).status_code == 200

        refused = imaging(tmp_path, "keys", "create", "sneak", **where)
        assert refused.returncode == 1
        assert "IMAGING_API_KEY" in refused.stderr
        guest = made(tmp_path, "guest", "--scope", "read", IMAGING_API_KEY=admin, **where)
        assert httpx.post(f"{up.url}/images", headers=bearer(guest), json={"prompt": "x"}).status_code == 403
        keys = listed(tmp_path, IMAGING_API_KEY=admin, **where)
        assert [(key["name"], key["scopes"]) for key in keys] == [
            ("boss", ["admin", "read", "submit"]),
            ("guest", ["read"]),
        ]
        # Whose keys they are: at another port, another service might have been asked.
        told = imaging(tmp_path, "keys", "create", "third", IMAGING_API_KEY=admin, **where).stderr
        assert f"for the service at {up.url}" in told
        up.signal(signal.SIGINT)
        assert up.ended() == 0

    # At rest, whoever may read the folder manages its keys.
    (guest_id,) = [key["id"] for key in listed(tmp_path) if key["name"] == "guest"]
    assert imaging(tmp_path, "keys", "revoke", guest_id).returncode == 0
    assert imaging(tmp_path, "keys", "revoke", "0" * 12).returncode == 1

    with Imaging(*UP, folder=tmp_path) as up:
        up.started("A key is needed")
        assert httpx.get(f"{up.url}/jobs", headers=bearer(guest)).status_code == 401
        assert httpx.get(f"{up.url}/jobs", headers=bearer(admin)).status_code == 200
        done = imaging(
            tmp_path, "generate", "a hill", "-o", "out", "--json", IMAGING_API_KEY=admin, IMAGING_PORT=str(up.port)
        )
        assert done.returncode == 0, done.stderr
        for secret in (admin, guest):
            assert secret not in up.output
            assert secret.encode() not in b"".join(p.read_bytes() for p in (tmp_path / "data").glob("imaging.db*"))


def test_a_network_gets_in_only_with_a_key(tmp_path: Path) -> None:
    shut = imaging(tmp_path, *UP, IMAGING_HOST="0.0.0.0", IMAGING_PORT=str(free_port()))
    assert shut.returncode == 1
    assert "imaging keys create" in shut.stderr
    key = made(tmp_path, "first")
    with Imaging(*UP, folder=tmp_path, IMAGING_HOST="0.0.0.0") as up:
        up.started("A key is needed")
        assert httpx.get(f"{up.url}/jobs").status_code == 401
        assert httpx.get(f"{up.url}/jobs", headers=bearer(key)).status_code == 200
    # The page would send this key for everybody who comes.
    with_page = imaging(tmp_path, "up", IMAGING_HOST="0.0.0.0", IMAGING_PORT=str(free_port()), IMAGING_API_KEY=key)
    assert with_page.returncode == 1
    assert "Unset it" in with_page.stderr
    assert key not in with_page.stderr
    elsewhere = imaging(tmp_path, "gui", IMAGING_HOST="0.0.0.0", IMAGING_GUI_PORT=str(free_port()))
    assert elsewhere.returncode == 1
    assert "IMAGING_ALLOW_OPEN" in elsewhere.stderr


def test_a_network_gets_the_page_where_each_visitor_enters_a_key(tmp_path: Path) -> None:
    made(tmp_path, "first")
    page = free_port()
    with Imaging("up", folder=tmp_path, IMAGING_HOST="0.0.0.0", IMAGING_GUI_PORT=str(page)) as up:
        up.started("A key is needed")
        until(lambda: page_answers(page), "the page answers")


def test_a_key_from_a_setting_needs_no_store(tmp_path: Path) -> None:
    key = "my-own-secret-of-enough-length"
    with Imaging(*UP, folder=tmp_path, IMAGING_HOST="0.0.0.0", IMAGING_API_KEYS=f"{key}, {key}2") as up:
        up.started("A key is needed")
        for good in (key, f"{key}2"):
            assert httpx.get(f"{up.url}/keys", headers=bearer(good)).status_code == 200
        assert httpx.get(f"{up.url}/keys", headers=bearer(f"{key}3")).status_code == 401
        assert key not in up.output
    doctor = imaging(tmp_path, "doctor", IMAGING_API_KEYS=key, IMAGING_API_KEY=key)
    assert key not in doctor.stdout + doctor.stderr


def test_the_credits_of_a_day_outlive_a_crash_and_are_settled_by_what_jobs_cost(tmp_path: Path) -> None:
    with launch_stability() as stability:
        settings = {
            "STABILITY_KEY": "sk-a-key-for-tests-0123456789",
            "IMAGING_STABILITY_BASE_URL": stability.url,
            "IMAGING_CREDITS_PER_DAY": "7",
        }
        with Imaging(*UP, folder=tmp_path, **settings) as up:
            up.started("is up")

            def submit_one() -> httpx.Response:
                return httpx.post(f"{up.url}/images", json={"prompt": "a hill", "model": "core"}, timeout=30)

            ids = [answer.json()["image_id"] for answer in (submit_one(), submit_one())]
            refusal = submit_one()
            assert (refusal.status_code, refusal.json()["limit"]) == (429, "service")
            up.kill()
            up.started("is up")
            assert submit_one().status_code == 429

            costs = [end_of(up.url, image_id)["cost_credits"] for image_id in ids]
            assert costs == [3.0, 3.0]
            assert submit_one().status_code == 429


def test_two_apis_take_exactly_as_many_jobs_as_the_credits_of_a_day_allow(tmp_path: Path) -> None:
    with RedisServer() as redis:
        settings = {
            "IMAGING_REDIS_URL": redis.url,
            "STABILITY_KEY": "sk-a-key-for-tests-0123456789",
            "IMAGING_CREDITS_PER_DAY": "16",
        }
        with (
            Imaging("api", folder=tmp_path, **settings) as one,
            Imaging("api", folder=tmp_path, **settings) as other,
            ThreadPoolExecutor(8) as pool,
        ):
            one.started("API ready")
            other.started("API ready")

            def submit_one(number: int) -> int:
                url = (one, other)[number % 2].url
                return httpx.post(f"{url}/images", json={"prompt": "x", "model": "core"}, timeout=30).status_code

            answers = sorted(pool.map(submit_one, range(16)))
            # 3 credits each; nobody works on them.
            assert answers == [202] * 5 + [429] * 11
            (first, *_) = httpx.get(f"{one.url}/jobs").json()["jobs"]
            httpx.post(f"{one.url}/jobs/{first['image_id']}/cancel").raise_for_status()
            # What it did not use is there again.
            until(lambda: submit_one(1) == 202, "a place within the limit", 10)
            assert submit_one(0) == 429


def test_two_apis_over_one_redis_know_the_same_keys_and_links(tmp_path: Path) -> None:
    with RedisServer() as redis, launch_webui() as webui:
        settings = {"IMAGING_REDIS_URL": redis.url, "IMAGING_SDWEBUI_URLS": webui.url}
        shut = imaging(tmp_path, "api", **settings, IMAGING_HOST="0.0.0.0", IMAGING_PORT=str(free_port()))
        assert shut.returncode == 1
        assert "imaging keys create" in shut.stderr
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

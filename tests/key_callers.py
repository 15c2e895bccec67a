"""A locked service and the callers at its door: an admin, two with keys of their own, and a stranger.

May import httpx, pytest and the neighbouring modules of the tests.
"""

from collections.abc import Iterator

import httpx
import pytest

from api_setting import until
from key_setting import LockedApi


@pytest.fixture(scope="module")
def api() -> Iterator[LockedApi]:
    with LockedApi(wrong_keys_per_minute=10_000).serving() as api:
        api.release()
        api.make_admin()
        yield api


@pytest.fixture(scope="module")
def admin(api: LockedApi) -> Iterator[httpx.Client]:
    with api.asked(api.make_admin()) as client:
        yield client


@pytest.fixture(scope="module")
def alice(api: LockedApi) -> Iterator[httpx.Client]:
    with api.asked(api.make_key("alice")) as client:
        yield client


@pytest.fixture(scope="module")
def bob(api: LockedApi) -> Iterator[httpx.Client]:
    with api.asked(api.make_key("bob")) as client:
        yield client


@pytest.fixture
def stranger(api: LockedApi) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


def finished(client: httpx.Client, prompt: str = "a hill") -> str:
    """The id of a job of that client's that has its picture."""
    image_id: str = client.post("/images", json={"prompt": prompt}).raise_for_status().json()["image_id"]
    until(lambda: client.get(f"/status/{image_id}").json(), lambda told: told["status"] == "finished")
    return image_id

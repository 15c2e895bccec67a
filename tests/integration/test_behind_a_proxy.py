"""What a proxy in front may say about a request, and what anybody else may not; on the server that is really run."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from adapters.pillow.intake import PillowIntake
from adapters.pillow.rendering import PillowRenderer
from api_setting import ObedientGenerator
from entrypoints.api import ApiConfig, create_app
from entrypoints.api.access import Access
from entrypoints.serving import listening_socket, serve
from imaging_core.capabilities import Capabilities
from imaging_core.embedded import open_imaging
from imaging_core.keyring import Keyring
from imaging_core.memory import MemoryKeyRepository
from imaging_core.parameters import Parameter, ParameterKind

KEY = "a-given-key-of-enough-length"
_PROMPT = Parameter(name="prompt", kind=ParameterKind.TEXT, required=True)


@contextmanager
def served(*, root_path: str = "", trusted: tuple[str, ...] = ()) -> Iterator[str]:
    """The address of a served API that one key opens."""
    sock = listening_socket("127.0.0.1", 0, "IMAGING_PORT")
    ready, ended = threading.Event(), threading.Event()
    stops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        stop = asyncio.Event()
        stops.append((asyncio.get_running_loop(), stop))
        keyring = Keyring(MemoryKeyRepository(), given=[KEY])
        generator = ObedientGenerator(Capabilities(backend="stability", title="A cloud", parameters=(_PROMPT,)))
        async with open_imaging(generator, grace_s=0.1) as service:
            access = Access(keyring=keyring, wrong_keys_per_minute=1)
            app = create_app(service, config=ApiConfig(access=access, renderer=PillowRenderer(), intake=PillowIntake()))
            await serve(app, sock, stop, ready=ready.set, trusted_proxies=trusted, root_path=root_path)
        ended.set()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(20)
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        loop, stop = stops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        sock.close()
        assert ended.is_set()


def wrong(url: str, forwarded_for: str) -> int:
    """The answer to a wrong key that a proxy says comes from there."""
    headers = {"x-api-key": "wrong", "x-forwarded-for": forwarded_for}
    return httpx.get(f"{url}/jobs", headers=headers).status_code


def test_a_trusted_proxy_tells_where_a_request_comes_from() -> None:
    with served(trusted=("127.0.0.0/8",)) as url:
        assert wrong(url, "192.0.2.1") == 401
        assert wrong(url, "192.0.2.1") == 429
        assert wrong(url, "192.0.2.2") == 401
        # Whole networks of IPv6 are one address.
        assert wrong(url, "2001:db8:1:2::3") == 401
        assert wrong(url, "2001:db8:1:2:ffff::4") == 429


@pytest.mark.parametrize("trusted", [(), ("192.0.2.9",)])
def test_nobody_else_tells_where_a_request_comes_from(trusted: tuple[str, ...]) -> None:
    with served(trusted=trusted) as url:
        assert wrong(url, "192.0.2.1") == 401
        assert wrong(url, "192.0.2.2") == 429


def test_below_a_path_of_the_proxys_everything_works_and_locations_lead_back() -> None:
    with served(root_path="/imaging") as url:
        headers = {"authorization": f"Bearer {KEY}"}
        # The proxy takes its path off.
        assert httpx.get(f"{url}/jobs").status_code == 401
        assert httpx.get(f"{url}/livez").status_code == 200
        answer = httpx.post(f"{url}/images", json={"prompt": "x"}, headers=headers)
        assert answer.status_code == 202
        assert answer.headers["location"] == f"/imaging/status/{answer.json()['image_id']}"
        assert httpx.get(f"{url}/status/{answer.json()['image_id']}", headers=headers).status_code == 200
        reader = httpx.post(f"{url}/keys", json={"name": "r", "scopes": ["read"]}, headers=headers).json()["key"]
        refused = httpx.get(f"{url}/keys", headers={"x-api-key": reader})
        assert refused.status_code == 403


def test_the_address_of_a_picture_is_the_one_the_proxy_is_asked_under() -> None:
    with served(root_path="/imaging", trusted=("127.0.0.0/8",)) as url:
        headers = {"authorization": f"Bearer {KEY}", "host": "studio.example", "x-forwarded-proto": "https"}
        body = {"prompt": "x", "response_format": "url"}
        answer = httpx.post(f"{url}/v1/images/generations", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        address = answer.json()["data"][0]["url"]
        assert address.startswith("https://studio.example/imaging/image/")
        # The proxy takes its path off.
        shown = httpx.get(address.replace("https://studio.example/imaging", url))
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")
        refused = httpx.get(f"{url}/v1/models")
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")

"""The OpenAI façade of a running service, and its answers read as a client reads them; for tests over the wire.

May import httpx, pytest, Pillow, the demo backend and the neighbouring modules of the tests.
"""

import base64
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from adapters.demo import DemoGenerator
from api_setting import RunningApi

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    aliases = {"house": "local/tinyB", "nowhere": "local2/x"}
    with RunningApi(DemoGenerator(step_s=0), openai_aliases=aliases, keep_alive_s=0.2).serving() as running:
        yield running


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


def generate(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post(GENERATIONS, json={"prompt": "a lighthouse", **fields})


def error(answer: httpx.Response, status: int = 400) -> dict[str, Any]:
    """What is wrong, once the envelope is right."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert set(answer.json()) == {"error"}
    details: dict[str, Any] = answer.json()["error"]
    assert set(details) == {"message", "type", "param", "code"}
    assert details["message"]
    return details


def picture(answer: httpx.Response, index: int = 0) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(base64.b64decode(answer.json()["data"][index]["b64_json"])))


def job_of(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """The job behind an answer, as everybody else sees it."""
    found: dict[str, Any] = client.get(f"/jobs/{answer.headers['x-job-id']}").raise_for_status().json()
    return found

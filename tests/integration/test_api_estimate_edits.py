"""What an edit or an enlargement would come to, over real HTTP."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from adapters.demo import DemoGenerator
from api_setting import RunningApi, ended, submit


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with RunningApi(DemoGenerator(step_s=0)).serving() as api, api.client() as client:
        yield client


def estimated(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    """The answer for something that can be made."""
    answer = client.post("/estimate", json={"backend": "demo", **fields})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_an_edit_is_priced_without_a_picture(client: httpx.Client) -> None:
    body = estimated(client, operation="edit", prompt="a lake", strength=0.6, with_mask=True, n=2)
    assert (body["calls"], body["count"], body["credits"], body["accepted"]) == (2, 2, 0.0, True)
    asked = body["request"]
    assert (asked["operation"], asked["strength"], asked["init_image"], asked["mask"]) == ("edit", 0.6, None, None)


def test_an_earlier_picture_gives_the_size(client: httpx.Client) -> None:
    image_id = submit(client, backend="demo", steps=2, width=512, height=768)
    assert ended(client, image_id)["status"] == "finished"
    asked = estimated(client, operation="edit", prompt="a lake", image_id=image_id)["request"]
    assert (asked["width"], asked["height"]) == (512, 768)
    assert estimated(client, operation="upscale", image_id=image_id, scale=2)["request"]["operation"] == "upscale"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"operation": "invent", "prompt": "x"}, "operation"),
        ({"operation": "edit", "prompt": "x", "image": "QUJD"}, "image"),
        ({"operation": "edit", "prompt": "x", "image_id": "0" * 32}, "image_id"),
        ({"operation": "edit", "prompt": "x", "index": 1}, "index"),
        ({"operation": "edit", "prompt": "x", "strength": 7}, "strength"),
        ({"operation": "edit"}, "prompt"),
        ({"operation": "upscale", "with_mask": True}, "with_mask"),
        ({"prompt": "x", "with_mask": True}, "with_mask"),
        ({"prompt": "x", "backend": "stability", "operation": "upscale"}, "backend"),
        ({}, "prompt"),
    ],
)
def test_a_wrong_field_is_named(client: httpx.Client, body: dict[str, Any], field: str) -> None:
    answer = client.post("/estimate", json={"backend": "demo", **body})
    assert answer.status_code == 422, answer.text
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_a_backend_that_cannot_says_which_can(client: httpx.Client) -> None:
    answer = client.post("/estimate", json={"prompt": "x", "backend": "stability", "operation": "edit"})
    (error,) = answer.json()["errors"]
    assert error == {"field": "backend", "message": "Backend 'stability' cannot edit pictures. These can: demo."}

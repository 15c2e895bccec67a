"""The pictures that edits began with, over the wire: whose they are, in which size, and when there are none."""

import base64
import io
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image

from adapters.demo import DemoGenerator
from api_setting import RunningApi, ended, submit
from contracts.picture_work import file_of, four_colours, right_half

PICTURE, MASK = four_colours(256, 192), right_half(256, 192)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with RunningApi(DemoGenerator(step_s=0)).serving() as api, api.client() as client:
        yield client


@pytest.fixture(scope="module")
def edited(client: httpx.Client) -> str:
    """An edit's id, with a picture of its own and a mask."""
    image, mask = (base64.b64encode(file_of(picture)).decode() for picture in (PICTURE, MASK))
    body = {"image": image, "mask": mask, "prompt": "a lake", "backend": "demo", "steps": 2}
    answer = client.post("/images/edits", json=body)
    assert answer.status_code == 202, answer.text
    image_id: str = answer.json()["image_id"]
    assert ended(client, image_id)["status"] == "finished"
    return image_id


def test_an_edit_shows_what_it_began_with(client: httpx.Client, edited: str) -> None:
    for name, sent in (("image", PICTURE), ("mask", MASK)):
        answer = client.get(f"/image/{edited}/input", params={"name": name})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert Image.open(io.BytesIO(answer.content)).convert("RGB").tobytes() == sent.convert("RGB").tobytes()
        assert "private" in answer.headers["cache-control"]


def test_a_small_copy_comes_as_the_client_likes_it(client: httpx.Client, edited: str) -> None:
    answer = client.get(f"/image/{edited}/input?size=64", headers={"accept": "image/jpeg"})
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (64, 48)


def test_who_has_it_gets_it_only_once(client: httpx.Client, edited: str) -> None:
    etag = client.get(f"/image/{edited}/input").headers["etag"]
    assert client.get(f"/image/{edited}/input", headers={"if-none-match": etag}).status_code == 304
    assert client.get(f"/image/{edited}/input?size=64").headers["etag"] != etag


def test_a_job_that_began_with_none_says_so(client: httpx.Client) -> None:
    image_id = submit(client, backend="demo", prompt="a lake", steps=2)
    for name in ("picture", "mask"):
        answer = client.get(f"/image/{image_id}/input", params={"name": name.replace("picture", "image")})
        assert (answer.status_code, answer.json()["detail"]) == (404, f"The job did not begin with a {name}.")


def test_an_unknown_name_is_told_what_there_is(client: httpx.Client, edited: str) -> None:
    answer = client.get(f"/image/{edited}/input?name=init_image")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "name", "message": "must be image or mask."}]

"""Pictures over real HTTP: every state a job can be in, caching, parts, previews."""

import hashlib
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from api_setting import PREVIEW, RunningApi, ended, status_of, submit, until
from imaging_core.errors import ImageNotAvailable
from imaging_core.images import ImageRef


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    with RunningApi().serving() as api:
        yield api


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    api.hold()
    with api.client() as client:
        yield client
    api.release()


@pytest.fixture(scope="module")
def small(api: RunningApi) -> str:
    with api.client() as client:
        image_id = submit(client, count=2)
        ended(client, image_id)
        return image_id


@pytest.fixture(scope="module")
def large(api: RunningApi) -> str:
    with api.client() as client:
        image_id = submit(client, prompt="large")
        assert ended(client, image_id)["images"][0]["size"] > 8_000_000
        return image_id


@pytest.mark.parametrize("which", ["small", "large"])
def test_a_picture_is_what_its_record_says(client: httpx.Client, which: str, request: pytest.FixtureRequest) -> None:
    image_id = request.getfixturevalue(which)
    record = status_of(client, image_id)["images"][0]
    answer = client.get(record["url"])
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == record["sha256"]
    assert len(answer.content) == record["size"] == int(answer.headers["content-length"])
    assert answer.headers["content-type"] == record["media_type"] == "image/png"
    assert answer.headers["etag"] == f'"{record["sha256"]}"'
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_picture_of_a_job_has_an_index(client: httpx.Client, small: str) -> None:
    first, second = (client.get(f"/image/{small}", params={"index": index}).content for index in (0, 1))
    assert first != second
    assert client.get(f"/image/{small}").content == first
    answer = client.get(f"/image/{small}", params={"index": 2})
    assert (answer.status_code, answer.json()["detail"]) == (404, "The job has 2 pictures, index 0 to 1.")


@pytest.mark.parametrize("index", ["-1", "x", "1.0", "", "9" * 5000, "%00", "٣"])
def test_an_index_that_is_none_is_refused(client: httpx.Client, small: str, index: str) -> None:
    answer = client.get(f"/image/{small}?index={index}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "index")


def test_a_picture_that_is_known_is_not_sent_again(client: httpx.Client, small: str) -> None:
    etag = client.get(f"/image/{small}").headers["etag"]
    answer = client.get(f"/image/{small}", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)


@pytest.mark.parametrize("which", ["small", "large"])
def test_head_tells_all_but_the_bytes(client: httpx.Client, which: str, request: pytest.FixtureRequest) -> None:
    image_id = request.getfixturevalue(which)
    get, head = client.get(f"/image/{image_id}"), client.head(f"/image/{image_id}")
    assert (head.status_code, head.content) == (200, b"")
    same = ("content-length", "content-type", "etag", "cache-control", "accept-ranges")
    assert {name: head.headers[name] for name in same} == {name: get.headers[name] for name in same}


@pytest.mark.parametrize("which", ["small", "large"])
@pytest.mark.parametrize("span", ["0-0", "5-9", "10-", "-7", "0-99999999999", "3-3"])
def test_one_part_can_be_asked_for(client: httpx.Client, which: str, span: str, request: pytest.FixtureRequest) -> None:
    image_id = request.getfixturevalue(which)
    whole = client.get(f"/image/{image_id}").content
    first, _, last = span.partition("-")
    start = int(first) if first else len(whole) - int(last)
    stop = min(int(last) + 1, len(whole)) if first and last else len(whole)
    answer = client.get(f"/image/{image_id}", headers={"Range": f"bytes={span}"})
    assert answer.status_code == 206
    assert answer.content == whole[start:stop]
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(whole)}"


def test_a_part_across_the_pieces_of_a_stream_is_whole(client: httpx.Client, large: str) -> None:
    whole = client.get(f"/image/{large}").content
    answer = client.get(f"/image/{large}", headers={"Range": "bytes=999990-2000010"})
    assert answer.content == whole[999_990:2_000_011]


@pytest.mark.parametrize(
    "span",
    [
        "bytes=" + ",".join(f"{n}-{n}" for n in range(1000)),
        "bytes=9-5",
        "bytes=-",
        "bytes=x-y",
        "lines=1-2",
        "bytes=" + "9" * 30 + "-",
        "",
    ],
)
def test_a_range_that_is_not_one_part_gives_the_whole(client: httpx.Client, small: str, span: str) -> None:
    answer = client.get(f"/image/{small}", headers={"Range": span})
    assert answer.status_code == 200
    assert answer.content == client.get(f"/image/{small}").content


@pytest.mark.parametrize("span", ["bytes=1000000-", "bytes=-0"])
def test_a_part_behind_the_end_is_refused(client: httpx.Client, small: str, span: str) -> None:
    answer = client.get(f"/image/{small}", headers={"Range": span})
    assert (answer.status_code, answer.json()["type"]) == (416, "/problems/range-not-satisfiable")
    assert answer.headers["content-range"].startswith("bytes */")


def test_a_part_is_only_sent_of_the_picture_that_was_meant(client: httpx.Client, small: str) -> None:
    etag = client.get(f"/image/{small}").headers["etag"]
    right = client.get(f"/image/{small}", headers={"Range": "bytes=0-1", "If-Range": etag})
    wrong = client.get(f"/image/{small}", headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (right.status_code, wrong.status_code) == (206, 200)


def test_an_unfinished_picture_is_202_with_the_status_and_a_preview(client: httpx.Client, api: RunningApi) -> None:
    image_id = submit(client, prompt="hold")
    until(lambda: status_of(client, image_id), lambda status: status["preview_url"])
    answer = client.get(f"/image/{image_id}")
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "2")
    assert answer.json() == status_of(client, image_id)
    preview = client.get(f"/image/{image_id}/preview")
    assert (preview.status_code, preview.content) == (200, PREVIEW)
    assert preview.headers["content-type"] == "image/png"
    assert preview.headers["cache-control"] == "no-store"
    api.release()
    assert ended(client, image_id)["preview_url"] is None
    assert client.get(f"/image/{image_id}/preview").status_code == 404


def test_a_failed_jobs_picture_is_409_with_the_reason(client: httpx.Client) -> None:
    image_id = submit(client, prompt="refuse")
    ended(client, image_id)
    answer = client.get(f"/image/{image_id}")
    body = answer.json()
    assert (answer.status_code, body["type"]) == (409, "/problems/image-not-available")
    assert body["detail"] == "The job failed: The provider's filter said no."
    assert (body["job_status"], body["failure"]["code"]) == ("failed", "content_moderated")


def test_a_cancelled_jobs_picture_is_409(client: httpx.Client) -> None:
    image_id = submit(client, prompt="hold")
    client.post(f"/jobs/{image_id}/cancel")
    ended(client, image_id)
    answer = client.get(f"/image/{image_id}")
    assert (answer.status_code, answer.json()["detail"]) == (409, "The job was cancelled.")


def test_a_picture_that_is_gone_from_the_store_is_409(
    client: httpx.Client, api: RunningApi, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(_: ImageRef) -> bytes:
        raise ImageNotAvailable("That picture is no longer stored.")

    monkeypatch.setattr(api.service.store, "open", gone)
    answer = client.get(f"/image/{small}")
    assert (answer.status_code, answer.json()["detail"]) == (409, "That picture is no longer stored.")


def test_a_stream_that_breaks_is_not_taken_for_a_whole_picture(
    client: httpx.Client, api: RunningApi, large: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        raise ImageNotAvailable("That picture is no longer stored.")

    async def breaking(_: ImageRef) -> AsyncIterator[bytes]:
        return pieces()

    monkeypatch.setattr(api.service.store, "open", breaking)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(f"/image/{large}")
    assert client.get("/livez").status_code == 200

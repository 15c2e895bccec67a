"""Thumbnails and converted pictures over real HTTP: what they are, what they say, and how they are cached."""

import io
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image

from api_setting import RunningApi, ended, status_of, submit
from imaging_core.provenance import provenance_of


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
        image_id = submit(client, count=2, negative_prompt="fog", seed=5)
        ended(client, image_id)
        return image_id


@pytest.fixture(scope="module")
def large(api: RunningApi) -> str:
    with api.client() as client:
        image_id = submit(client, prompt="large")
        assert ended(client, image_id)["images"][0]["size"] > 8_000_000
        return image_id


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_a_thumbnail_is_a_small_webp_without_a_word_of_how_it_was_made(client: httpx.Client, large: str) -> None:
    answer = client.get(f"/image/{large}/thumbnail")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["content-disposition"] == f'inline; filename="{large}-0.webp"'
    assert int(answer.headers["content-length"]) == len(answer.content) < 50_000
    with opened(answer.content) as image:
        assert (image.format, image.size) == ("WEBP", (256, 256))
    assert provenance_of(answer.content).parameters is None
    assert b"large" not in answer.content


@pytest.mark.parametrize("side", [64, 300, 1024])
def test_a_thumbnail_has_the_size_asked_for(client: httpx.Client, large: str, side: int) -> None:
    with opened(client.get(f"/image/{large}/thumbnail", params={"size": side}).content) as image:
        assert image.size == (side, side)


def test_a_thumbnail_is_never_larger_than_its_picture(client: httpx.Client, small: str) -> None:
    with opened(client.get(f"/image/{small}/thumbnail", params={"index": 1}).content) as image:
        assert image.size == (16, 16)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("image/avif,image/webp,image/apng,image/*,*/*;q=0.8", "image/webp"),
        ("image/jpeg", "image/jpeg"),
        ("image/webp;q=0.5, image/jpeg", "image/jpeg"),
        ("image/webp;q=0, */*", "image/jpeg"),
        ("image/*;q=0.5, image/png", "image/webp"),
        ("*/*", "image/webp"),
        ("image/png", "image/webp"),
        (";;q=,", "image/webp"),
    ],
)
def test_accept_chooses_the_format_of_a_thumbnail(
    client: httpx.Client, small: str, accept: str, media_type: str
) -> None:
    answer = client.get(f"/image/{small}/thumbnail", headers={"Accept": accept})

    assert answer.headers["content-type"] == media_type
    with opened(answer.content) as image:
        assert f"image/{(image.format or '').lower()}" == media_type


@pytest.mark.parametrize(
    ("name", "media_type"), [("webp", "image/webp"), ("jpeg", "image/jpeg"), ("jpg", "image/jpeg")]
)
def test_a_converted_picture_still_says_how_it_was_made(
    client: httpx.Client, small: str, name: str, media_type: str
) -> None:
    file = client.get(f"/image/{small}", params={"index": 1}).content
    answer = client.get(f"/image/{small}", params={"index": 1, "format": name})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    with opened(answer.content) as image:
        assert f"image/{(image.format or '').lower()}" == media_type
        assert image.size == (16, 16)
    told = provenance_of(answer.content)
    assert told == provenance_of(file)
    assert told.settings is not None
    assert (told.settings["seed"], told.settings["negative_prompt"]) == (6, "fog")


def test_the_format_that_a_picture_has_gives_the_very_file(client: httpx.Client, small: str) -> None:
    file, asked = client.get(f"/image/{small}"), client.get(f"/image/{small}", params={"format": "png"})

    assert asked.content == file.content
    assert asked.headers["etag"] == file.headers["etag"] == f'"{status_of(client, small)["images"][0]["sha256"]}"'


def test_quality_makes_a_file_smaller(client: httpx.Client, large: str) -> None:
    sizes = [
        len(client.get(f"/image/{large}", params={"format": "jpeg", "quality": quality}).content)
        for quality in (1, 50, 100)
    ]

    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("?format=gif", "format"),
        ("?format=", "format"),
        ("?format=WEBP", "format"),
        ("?quality=50", "quality"),
        ("?format=png&quality=50", "quality"),
        ("?format=webp&quality=0", "quality"),
        ("?format=webp&quality=101", "quality"),
        ("?format=webp&quality=x", "quality"),
        ("?format=webp&quality=" + "9" * 5000, "quality"),
        ("/thumbnail?size=63", "size"),
        ("/thumbnail?size=1025", "size"),
        ("/thumbnail?size=-1", "size"),
        ("/thumbnail?size=", "size"),
        ("/thumbnail?size=٣٠٠", "size"),
        ("/thumbnail?index=x", "index"),
    ],
)
def test_a_shape_that_is_none_is_refused(client: httpx.Client, small: str, path: str, field: str) -> None:
    answer = client.get(f"/image/{small}{path}")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


SHAPES = ["/thumbnail", "/thumbnail?size=64", "?format=webp", "?format=webp&quality=90", "?format=jpeg&quality=30"]


@pytest.mark.parametrize("path", SHAPES)
def test_a_copy_that_is_known_is_not_sent_again(client: httpx.Client, small: str, path: str) -> None:
    first = client.get(f"/image/{small}{path}")
    again = client.get(f"/image/{small}{path}")
    known = client.get(f"/image/{small}{path}", headers={"If-None-Match": first.headers["etag"]})

    assert again.content == first.content
    assert again.headers["etag"] == first.headers["etag"]
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", first.headers["etag"])


def test_every_shape_has_a_strong_validator_of_its_own(client: httpx.Client, small: str) -> None:
    paths = ["", *SHAPES, "?index=1", "/thumbnail?index=1", "?format=jpeg"]
    tags = {client.get(f"/image/{small}{path}").headers["etag"] for path in paths}
    tags.add(client.get(f"/image/{small}/thumbnail", headers={"Accept": "image/jpeg"}).headers["etag"])

    assert len(tags) == len(paths) + 1
    assert all(tag.startswith('"') and tag.endswith('"') for tag in tags)


@pytest.mark.parametrize("path", ["/thumbnail", "?format=jpeg"])
def test_head_and_parts_work_on_copies(client: httpx.Client, large: str, path: str) -> None:
    url = f"/image/{large}{path}"
    whole, head = client.get(url), client.head(url)
    some = client.get(url, headers={"Range": "bytes=10-29"})
    stale = client.get(url, headers={"Range": "bytes=10-29", "If-Range": '"another"'})
    beyond = client.get(url, headers={"Range": "bytes=99999999-"})

    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag"):
        assert head.headers[name] == whole.headers[name]
    assert (some.status_code, some.content) == (206, whole.content[10:30])
    assert some.headers["content-range"] == f"bytes 10-29/{len(whole.content)}"
    assert (stale.status_code, stale.content) == (200, whole.content)
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole.content)}")


@pytest.mark.parametrize("path", ["/thumbnail", "?format=webp"])
def test_a_job_that_has_no_picture_answers_as_it_does_for_the_picture(client: httpx.Client, path: str) -> None:
    waiting, refused = submit(client, prompt="hold"), submit(client, prompt="refuse")
    ended(client, refused)

    assert client.get(f"/image/{waiting}{path}").status_code == 202
    assert client.get(f"/image/{refused}{path}").json()["type"] == "/problems/image-not-available"
    assert client.get(f"/image/{'0' * 32}{path}").status_code == 404
    client.post(f"/jobs/{waiting}/cancel")


def test_many_who_want_the_same_thumbnail_get_it(api: RunningApi, large: str) -> None:
    async def all_at_once() -> list[httpx.Response]:
        import asyncio

        async with httpx.AsyncClient(base_url=api.url, timeout=20, trust_env=False, verify=False) as client:  # noqa: S501
            return await asyncio.gather(*(client.get(f"/image/{large}/thumbnail?size=333") for _ in range(30)))

    import asyncio

    answers = asyncio.run(all_at_once())

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1

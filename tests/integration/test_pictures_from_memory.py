"""Pictures that a folder gives in memory which it uses again, over real HTTP."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from adapters.directory import DirectoryImageStore
from adapters.directory.warm import MOST_ROOMS
from api_setting import RunningApi, ended, submit
from contracts.samples import png
from imaging_core.ids import new_job_id
from imaging_core.images import Generated, GeneratedImage
from kernel_memory import all_in_memory

SIDE = 800
PICTURES = [png(SIDE, SIDE, shade=shade, packed=False) for shade in (1, 2)]


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    running = RunningApi()
    # Else the kernel takes all of a picture from the service at once, whether or not its reader reads.
    running._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)
    with running.serving() as api:
        yield api


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


@pytest.fixture
def image_id(api: RunningApi, client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A job whose pictures lie in a folder, and in memory."""
    all_in_memory(monkeypatch)
    folder = DirectoryImageStore(tmp_path)
    made = [GeneratedImage(data=data, media_type="image/png", width=SIDE, height=SIDE, seed=1) for data in PICTURES]
    stored = api.within(lambda: folder.put(new_job_id(), 0, Generated(images=tuple(made)), first_image=0))
    monkeypatch.setattr(api.service.store, "open", folder.open)
    monkeypatch.setattr(api.service, "image_ref", lambda _job, index: stored.images[index])
    assert isinstance(api.within(lambda: folder.open(stored.images[0])), memoryview)
    job_id = submit(client)
    ended(client, job_id)
    return job_id


def test_a_picture_and_its_parts_are_what_was_stored(client: httpx.Client, image_id: str) -> None:
    for index, data in enumerate(PICTURES):
        answer = client.get(f"/image/{image_id}", params={"index": index})
        assert (answer.status_code, answer.content) == (200, data)
        for start, stop in ((0, 10), (1000, len(data) - 1000), (len(data) - 1, len(data))):
            answer = client.get(
                f"/image/{image_id}", params={"index": index}, headers={"Range": f"bytes={start}-{stop - 1}"}
            )
            assert (answer.status_code, answer.content) == (206, data[start:stop])


def test_it_can_be_had_small_and_in_another_format(client: httpx.Client, image_id: str) -> None:
    for path, media_type in (("/thumbnail", "image/webp"), ("?format=jpeg", "image/jpeg")):
        answer = client.get(f"/image/{image_id}{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)


def test_slow_readers_get_their_picture_whatever_others_read_meanwhile(
    api: RunningApi, client: httpx.Client, image_id: str
) -> None:
    with ExitStack() as stack:
        slow = []
        for _ in range(MOST_ROOMS + 1):
            wire = stack.enter_context(socket.socket())
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.settimeout(10)
            wire.connect(("127.0.0.1", api.port))
            wire.sendall(f"GET /image/{image_id} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            # Its answer is under way.
            slow.append((wire, wire.recv(100)))
        for _ in range(MOST_ROOMS + 1):
            assert client.get(f"/image/{image_id}", params={"index": 1}).content == PICTURES[1]

        for wire, begun in slow:
            with wire.makefile("rb") as rest:
                answer = begun + rest.read()
            assert answer.partition(b"\r\n\r\n")[2] == PICTURES[0]

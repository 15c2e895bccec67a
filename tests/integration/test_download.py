"""The download of models: whole, checked, resumed, skipped; over real HTTP."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import attrs
import pytest

from entrypoints.download import DownloadError, ListedFile, fetch, read_list

BODY = bytes(range(256)) * 4096


class _Handler(BaseHTTPRequestHandler):
    ranges: ClassVar[list[str | None]] = []
    cut_after: int | None = None
    body = BODY

    def do_GET(self) -> None:  # the name http.server calls
        given = self.headers.get("Range")
        type(self).ranges.append(given)
        start = int(given.removeprefix("bytes=").rstrip("-")) if given else 0
        rest = self.body[start:]
        self.send_response(206 if given else 200)
        self.send_header("Content-Length", str(len(rest)))
        if given:
            self.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        self.end_headers()
        cut, type(self).cut_after = self.cut_after, None
        self.wfile.write(rest if cut is None else rest[:cut])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    _Handler.ranges, _Handler.cut_after, _Handler.body = [], None, BODY
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def listed(server: ThreadingHTTPServer) -> ListedFile:
    url = f"http://127.0.0.1:{server.server_address[1]}/model"
    return ListedFile(name="m", url=url, file="m.safetensors", size=len(BODY), sha256=hashlib.sha256(BODY).hexdigest())


def test_a_file_comes_whole_and_a_second_run_asks_for_nothing(listed: ListedFile, tmp_path: Path) -> None:
    fetch(listed, tmp_path, lambda _: None)
    assert (tmp_path / listed.file).read_bytes() == BODY
    fetch(listed, tmp_path, lambda _: None)
    assert _Handler.ranges == [None]


def test_a_download_that_was_cut_is_resumed_where_it_stopped(listed: ListedFile, tmp_path: Path) -> None:
    _Handler.cut_after = 300_000
    waited: list[float] = []
    fetch(listed, tmp_path, lambda _: None, sleep=waited.append)
    assert (tmp_path / listed.file).read_bytes() == BODY
    assert waited == [1.0]
    assert _Handler.ranges[0] is None
    assert _Handler.ranges[1] is not None
    assert _Handler.ranges[1].startswith("bytes=")


def test_a_file_with_another_hash_is_never_put_in_place(listed: ListedFile, tmp_path: Path) -> None:
    _Handler.body = BODY[:-1] + b"x"
    with pytest.raises(DownloadError, match=r"m\.safetensors.*sha256"):
        fetch(listed, tmp_path, lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_in_place_is_fetched_anew(listed: ListedFile, tmp_path: Path) -> None:
    (tmp_path / listed.file).write_bytes(b"x" * len(BODY))
    fetch(listed, tmp_path, lambda _: None)
    assert (tmp_path / listed.file).read_bytes() == BODY


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, listed: ListedFile) -> None:
    fields = attrs.asdict(listed) | {"file": "../x"}
    path = tmp_path / "models.toml"
    path.write_text("[[model]]\n" + "\n".join(f"{k} = {v!r}" for k, v in fields.items()))
    with pytest.raises(DownloadError, match="cannot be read"):
        read_list(path)


def test_the_list_of_the_repository_is_well_formed() -> None:
    assert [entry.file for entry in read_list(Path("docker/models.toml"))] == ["v1-5-pruned-emaonly.safetensors"]

"""A thousand open streams on one process: what each costs, and how soon all of them hear of an end."""

import json
import resource
import selectors
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imaging_process import Imaging, submit

STREAMS = 1000
#: Most memory of one stream, in bytes, and longest time from the first reader's hearing of an end to the last's, in s.
MOST_BYTES = 50_000
LONGEST_S = 1.0


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for the sockets of both sides, whatever the shell allows by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _resident(pid: int) -> int:
    """Memory that a process holds, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _open(port: int, count: int) -> list[socket.socket]:
    wires = []
    for _ in range(count):
        wire = socket.create_connection(("127.0.0.1", port), timeout=20)
        wire.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wires.append(wire)
    for wire in wires:
        seen = b""
        while b"event: ready" not in seen:
            seen += wire.recv(65_536)
    return wires


def _heard(wires: list[socket.socket], words: bytes) -> list[float]:
    """When each of them had these words."""
    seen = {wire.fileno(): b"" for wire in wires}
    times: list[float] = []
    with selectors.DefaultSelector() as selector:
        for wire in wires:
            selector.register(wire, selectors.EVENT_READ)
        deadline = time.monotonic() + 60
        while len(times) < len(wires):
            assert time.monotonic() < deadline, f"{len(times)} of {len(wires)} heard of it"
            for key, _ in selector.select(1):
                assert isinstance(key.fileobj, socket.socket)
                seen[key.fd] += key.fileobj.recv(65_536)
                if words in seen[key.fd]:
                    times.append(time.monotonic())
                    selector.unregister(key.fileobj)
    return times


def test_a_thousand_streams_are_cheap_and_quick(tmp_path: Path, many_files: None) -> None:
    with Imaging("up", "--no-gui", folder=tmp_path, IMAGING_DEMO_STEP_S="0.05") as imaging:
        imaging.started("is up")
        warm = _open(imaging.port, 20)
        before = _resident(imaging.pid)
        wires = _open(imaging.port, STREAMS)
        each = (_resident(imaging.pid) - before) / STREAMS
        image_id = submit(imaging.url, prompt="a lighthouse")
        times = _heard(wires, f'"image_id":"{image_id}","status":"finished"'.encode())
        spread = max(times) - min(times)
        for wire in (*warm, *wires):
            wire.close()
    print(json.dumps({"streams": STREAMS, "bytes_each": round(each), "fan_out_s": round(spread, 3)}))  # noqa: T201
    assert each <= MOST_BYTES
    assert spread <= LONGEST_S

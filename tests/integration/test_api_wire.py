"""What only a raw socket can send: bodies that are too long, too slow, or never end."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from api_setting import RunningApi

_LIMIT = 2_000
_DEADLINE_S = 0.4


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    with RunningApi(max_json_bytes=_LIMIT, body_deadline_s=_DEADLINE_S).serving() as api:
        api.release()
        yield api


@pytest.fixture
def wire(api: RunningApi) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", api.port), timeout=5) as wire:
        yield wire


def _head(*lines: str, path: str = "/images", method: str = "POST") -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: x", *lines, "", "")).encode()


_JSON = "Content-Type: application/json"
_CHUNKED = "Transfer-Encoding: chunked"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _to_the_end(wire: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    parts = []
    while part := wire.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def _is_problem(answer: bytes, status: int, kind: str) -> None:
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer.lower()
    assert f'"/problems/{kind}"'.encode() in answer


def test_a_declared_body_that_is_too_long_is_413(wire: socket.socket) -> None:
    wire.sendall(_head(_JSON, f"Content-Length: {_LIMIT + 1}") + b" " * (_LIMIT + 1))
    answer = wire.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"/problems/body-too-large"' in answer


@pytest.mark.parametrize("length", [str(10**9), "9" * 18])
def test_a_huge_declared_body_is_413_before_it_is_sent(wire: socket.socket, length: str) -> None:
    wire.sendall(_head(_JSON, f"Content-Length: {length}", "Expect: 100-continue"))
    _is_problem(_to_the_end(wire), 413, "body-too-large")


def test_a_chunked_body_that_is_too_long_is_cut_off(wire: socket.socket) -> None:
    wire.sendall(_head(_JSON, _CHUNKED))
    sent = 0
    with contextlib.suppress(OSError):
        # Without end: the server must be the one that makes it stop.
        while sent < 100_000_000:
            wire.sendall(_chunk(b" " * 10_000))
            sent += 10_000
    assert sent < 100_000_000


def test_the_sender_of_a_chunked_body_that_is_a_little_too_long_reads_why(wire: socket.socket) -> None:
    wire.sendall(_head(_JSON, _CHUNKED) + _chunk(b" " * 100_000) + _chunk(b""))
    wire.settimeout(3)
    answer = wire.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"/problems/body-too-large" in answer


@pytest.mark.parametrize("framing", [_CHUNKED, "Content-Length: 50"])
def test_a_body_that_never_ends_is_408(wire: socket.socket, framing: str) -> None:
    begun = time.monotonic()
    wire.sendall(_head(_JSON, framing) + (_chunk(b"{") if framing == _CHUNKED else b"{"))
    _is_problem(_to_the_end(wire), 408, "body-too-slow")
    assert _DEADLINE_S * 0.9 < time.monotonic() - begun < _DEADLINE_S + 2


def test_a_body_that_drips_does_not_put_its_deadline_off(wire: socket.socket) -> None:
    begun = time.monotonic()
    wire.sendall(_head(_JSON, "Content-Length: 2000"))
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.05):
            try:
                wire.sendall(b" ")
            except OSError:
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        answer = wire.recv(65_536)
    finally:
        stop.set()
        dripping.join()
    _is_problem(answer, 408, "body-too-slow")
    assert time.monotonic() - begun < _DEADLINE_S + 2


def test_a_body_where_none_belongs_closes_the_connection_instead_of_holding_it(wire: socket.socket) -> None:
    wire.sendall(_head("Content-Length: 1000000", path="/livez", method="GET") + b"x")
    answer = _to_the_end(wire)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer.lower()


def test_a_client_that_goes_away_in_the_middle_is_no_fault(
    api: RunningApi, wire: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    wire.sendall(_head(_JSON, "Content-Length: 100") + b"{")
    wire.close()
    with api.client() as client:
        assert client.get("/livez").status_code == 200
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


def test_a_connection_serves_many_requests(wire: socket.socket) -> None:
    for _ in range(3):
        body = b'{"prompt": "x"}'
        wire.sendall(_head(_JSON, f"Content-Length: {len(body)}") + body)
        answer = b""
        while b"image_id" not in answer:
            answer += wire.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 202 ")
        assert b"connection: close" not in answer.lower()

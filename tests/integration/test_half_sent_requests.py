"""Clients that send half a request, or read half an answer, hold up nobody, and not for ever."""

import json
import select
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from api_setting import RunningApi, submit, until
from api_setting import ended as job_ended
from entrypoints.guarded_http import ConnectionLimits
from imaging_process import Imaging

_HEAD_S = 1.0
_BODY_S = 1.5

HALF_HEAD = b"POST /images HTTP/1.1\r\nHost: x\r\nX-Half: "
HALF_BODY = b"POST /images HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
WHOLE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    limits = ConnectionLimits(head_deadline_s=_HEAD_S, max_head_bytes=20_000, stalled_reader_s=0.5)
    with RunningApi(limits=limits, body_deadline_s=_BODY_S).serving() as api:
        api.release()
        yield api


@contextmanager
def connected(port: int, *, receive_buffer: int | None = None) -> Iterator[socket.socket]:
    with closing(socket.socket()) as wire:
        if receive_buffer is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        wire.settimeout(10)
        wire.connect(("127.0.0.1", port))
        yield wire


@pytest.fixture
def wire(api: RunningApi) -> Iterator[socket.socket]:
    with connected(api.port) as wire:
        yield wire


@contextmanager
def half_sent(port: int, *, bodies: int, heads: int) -> Iterator[list[socket.socket]]:
    """So many requests that do not go on."""
    with ExitStack() as stack:
        wires = [stack.enter_context(connected(port)) for _ in range(bodies + heads)]
        for n, wire in enumerate(wires):
            wire.sendall(HALF_BODY if n < bodies else HALF_HEAD)
        yield wires


def to_the_end(wire: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    parts = []
    while part := wire.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def answered(wire: socket.socket) -> bytes:
    """One whole answer with a short body."""
    answer = b""
    while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < 2:
        part = wire.recv(65_536)
        assert part, answer
        answer += part
    return answer


def is_problem(answer: bytes, status: int, kind: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"content-type: application/problem+json" in head.lower()
    assert b"connection: close" in head.lower()
    assert (json.loads(body)["type"], json.loads(body)["status"]) == (f"/problems/{kind}", status)


def readable(wires: Sequence[socket.socket]) -> int:
    """How many of them have something to read, if only their end."""
    poll = select.poll()
    for wire in wires:
        poll.register(wire, select.POLLIN)
    return len(poll.poll(0))


def test_hundreds_of_half_sent_requests_hold_up_nobody() -> None:
    patient = ConnectionLimits(head_deadline_s=300, max_head_bytes=20_000, stalled_reader_s=300)
    with RunningApi(limits=patient, body_deadline_s=300).serving() as api:
        api.release()
        with half_sent(api.port, bodies=500, heads=60) as wires, api.client() as client:
            for _ in range(50):
                client.get("/livez").raise_for_status()
            assert job_ended(client, submit(client))["status"] == "finished"
            assert not readable(wires), "all of them were held meanwhile"


def test_hundreds_of_half_sent_requests_are_cut_off(api: RunningApi) -> None:
    with half_sent(api.port, bodies=500, heads=60) as wires:
        answers = [to_the_end(wire) for wire in wires]

    for answer in answers[:500]:
        is_problem(answer, 408, "body-too-slow")
    for answer in answers[500:]:
        is_problem(answer, 408, "head-too-slow")


def test_a_head_that_drips_does_not_put_its_deadline_off(wire: socket.socket) -> None:
    begun = time.monotonic()
    wire.sendall(HALF_HEAD)
    while not select.select([wire], [], [], 0.05)[0]:
        wire.sendall(b"x")
        assert time.monotonic() - begun < _HEAD_S + 5
    is_problem(to_the_end(wire), 408, "head-too-slow")
    assert time.monotonic() - begun > _HEAD_S * 0.9


def test_a_connection_that_never_says_a_word_is_closed_without_one(wire: socket.socket) -> None:
    assert to_the_end(wire) == b""


@pytest.mark.parametrize("begins", [HALF_HEAD, b"G"])
def test_the_head_of_a_second_request_has_the_same_deadline(wire: socket.socket, begins: bytes) -> None:
    wire.sendall(WHOLE)
    assert answered(wire).startswith(b"HTTP/1.1 200 ")
    wire.sendall(begins)
    is_problem(to_the_end(wire), 408, "head-too-slow")


def test_the_head_that_comes_with_the_request_before_has_the_same_deadline(wire: socket.socket) -> None:
    wire.sendall(WHOLE + HALF_HEAD)
    first, _, second = to_the_end(wire).partition(b"HTTP/1.1 408 ")
    assert first.startswith(b"HTTP/1.1 200 ")
    assert b"head-too-slow" in second


def test_blank_lines_do_not_keep_an_idle_connection(wire: socket.socket) -> None:
    wire.sendall(WHOLE)
    answered(wire)
    begun = time.monotonic()
    while not select.select([wire], [], [], 0.05)[0]:
        wire.sendall(b"\r\n")
        assert time.monotonic() - begun < _HEAD_S + 5
    assert to_the_end(wire) == b""


def test_a_connection_that_goes_on_with_whole_requests_outlives_the_deadline(wire: socket.socket) -> None:
    begun = time.monotonic()
    while time.monotonic() - begun < _HEAD_S * 1.5:
        wire.sendall(WHOLE)
        assert answered(wire).startswith(b"HTTP/1.1 200 ")
        assert not select.select([wire], [], [], 0.1)[0]


def test_a_head_without_end_is_refused_long_before_it_fills_the_memory(wire: socket.socket) -> None:
    wire.sendall(HALF_HEAD)
    for _ in range(21):
        wire.sendall(b"x" * 1_000)
    is_problem(to_the_end(wire), 431, "head-too-large")


def test_a_client_that_asks_for_a_large_picture_and_never_reads_it_is_cut_off(api: RunningApi) -> None:
    with api.client() as client, connected(api.port, receive_buffer=4_096) as wire:
        image_id = submit(client, prompt="large")
        assert job_ended(client, image_id)["status"] == "finished"
        wire.sendall(f"GET /image/{image_id} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert wire.recv(15) == b"HTTP/1.1 200 OK"
        until(lambda: _reset(wire), bool)


def _reset(wire: socket.socket) -> bool:
    """Whether the other side has cut the connection off, without reading anything."""
    return wire.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def test_the_api_ends_soon_whatever_is_half_sent(tmp_path: Path) -> None:
    with Imaging("up", "--no-gui", folder=tmp_path, IMAGING_DEMO_STEP_S="0") as imaging:
        imaging.started("is up")
        with half_sent(imaging.port, bodies=200, heads=60), connected(imaging.port):
            assert httpx.get(f"{imaging.url}/livez").status_code == 200
            begun = time.monotonic()
            imaging.signal(signal.SIGTERM)
            until(lambda: _refused(imaging.port), bool, within_s=3)

            assert imaging.ended() == 0
            assert time.monotonic() - begun < 10
        assert "Traceback" not in imaging.output


def _refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


def test_a_body_that_is_nearly_whole_when_the_server_stops_is_still_answered() -> None:
    api = RunningApi(limits=ConnectionLimits(closing_body_s=5))
    with api.serving(), connected(api.port) as wire:
        body = b'{"prompt": "x"}'
        wire.sendall(HALF_BODY[: HALF_BODY.index(b"100")] + b"%d\r\n\r\n" % len(body) + body[:5])
        with api.client() as client:
            client.get("/livez")
        api.stop()
        until(lambda: _refused(api.port), bool)
        wire.sendall(body[5:])

        assert to_the_end(wire).startswith(b"HTTP/1.1 202 ")

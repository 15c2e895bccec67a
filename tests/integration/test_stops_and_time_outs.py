"""Real processes that are told to stop, and backends that never come to an end.

May import the standard library, httpx, pytest and the neighbouring modules that start processes.
"""

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from fakes.stability import StabilityProcess
from fakes.stability import launch as launch_stability
from imaging_process import Imaging, end_of, submit, until

KEY = "sk-a-key-for-tests-0123456789"


@pytest.fixture
def stability() -> Iterator[StabilityProcess]:
    with launch_stability() as stability:
        yield stability


def on(stability: StabilityProcess, **settings: str) -> dict[str, str]:
    return {"STABILITY_KEY": KEY, "IMAGING_STABILITY_BASE_URL": stability.url, **settings}


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


def under_way(stability: StabilityProcess) -> bool:
    return any(line["event"] == "charge" for line in stability.log())


# --- stops -----------------------------------------------------------------------------------------------


def test_a_second_signal_ends_a_drain_at_once(tmp_path: Path, stability: StabilityProcess) -> None:
    stability.control(delay=3600)
    with Imaging("up", "--no-gui", folder=tmp_path, **on(stability)) as imaging:
        imaging.started("is up")
        submit(imaging.url, prompt="a boat")
        until(lambda: under_way(stability), "the call")
        imaging.signal(signal.SIGTERM)
        until(lambda: refused(imaging.port), "the closed door")
        # A paid call is under way, so it would wait.
        with pytest.raises(subprocess.TimeoutExpired):
            imaging.ended(0.5)

        imaging.signal(signal.SIGINT)

        assert imaging.ended(5) == 128 + signal.SIGINT


def test_the_service_stops_soon_whoever_still_listens_and_waits(tmp_path: Path) -> None:
    settings = {"IMAGING_DEMO_STEP_S": "10", "IMAGING_GRACE_S": "1"}
    with Imaging("up", "--no-gui", folder=tmp_path, **settings) as imaging, ExitStack() as wires:
        imaging.started("is up")
        image_id = submit(imaging.url, prompt="a boat")
        streams = [_asked(imaging.port, f"GET {path}") for path in ("/events", f"/jobs/{image_id}/events")]
        for stream in streams:
            wires.enter_context(closing(stream))
            assert b"HTTP/1.1 200" in stream.recv(65_536)
        waiting = [
            _asked(imaging.port, f"GET /status/{image_id}?wait=60"),
            _asked(imaging.port, "POST /images", b'{"prompt": "x"}', length=100),
            _asked(imaging.port, "POST /v1/images/generations", b'{"prompt": "x"}'),
            _asked(imaging.port, "POST /sdapi/v1/txt2img", b'{"prompt": "x"}'),
        ]
        for wire in waiting:
            wires.enter_context(closing(wire))
        jobs = f"{imaging.url}/jobs"
        with httpx.Client(verify=False, trust_env=False) as client:  # noqa: S501
            until(lambda: len(client.get(jobs).json()["jobs"]) == 3, "the jobs of the calls that wait")
        begun = time.monotonic()

        imaging.signal(signal.SIGTERM)

        assert imaging.ended(30) == 0
        assert time.monotonic() - begun < 15
        # A stream that ends whole is one that its reader may come back to.
        for stream in streams:
            assert _rest(stream).endswith(b"0\r\n\r\n")
        for wire in (waiting[0], *waiting[2:]):
            assert _rest(wire).startswith(b"HTTP/1.1 ")
        assert "Traceback" not in imaging.output


def _asked(port: int, line: str, body: bytes = b"", length: int | None = None) -> socket.socket:
    """A connection on which that was asked; with a `length` beyond the body, the rest never comes."""
    wire = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = f"{line} HTTP/1.1\r\nHost: localhost\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {length or len(body)}\r\n"
    wire.sendall(head.encode() + b"\r\n" + body)
    return wire


def _rest(wire: socket.socket) -> bytes:
    data = b""
    while piece := wire.recv(65_536):
        data += piece
    return data


# --- time-outs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [{"IMAGING_STABILITY_TIMEOUT_S": "2"}, {"IMAGING_RUN_TIMEOUT_S": "2"}],
    ids=["call", "attempt"],
)
def test_a_backend_that_drips_or_never_answers_fails_its_jobs_in_time(
    tmp_path: Path, stability: StabilityProcess, settings: dict[str, str]
) -> None:
    with Imaging("up", "--no-gui", folder=tmp_path, **on(stability, **settings)) as imaging:
        imaging.started("is up")
        begun = time.monotonic()
        made = [submit(imaging.url, prompt=f"a boat [{fault}]") for fault in ("trickle=1", "never")]

        ends = [end_of(imaging.url, image_id) for image_id in made]

        assert time.monotonic() - begun < 2 + 5
        for end in ends:
            assert (end["status"], end["failure"]["code"]) == ("failed", "timeout")
        # Nobody is left behind in the slot.
        assert end_of(imaging.url, submit(imaging.url, prompt="a boat"))["status"] == "finished"


def test_a_job_that_waits_too_long_behind_others_fails_as_well(tmp_path: Path, stability: StabilityProcess) -> None:
    settings = on(stability, IMAGING_STABILITY_SLOTS="1", IMAGING_SWEEP_S="0.5")
    stability.control(delay=3600)
    with Imaging("up", "--no-gui", folder=tmp_path, IMAGING_MAX_WAIT_S="3", **settings) as imaging:
        imaging.started("is up")
        begun = time.monotonic()
        # In one step, so that all have the same deadline.
        body = {"requests": [{"prompt": f"a boat {n}"} for n in range(4)]}
        jobs = httpx.post(f"{imaging.url}/images/batch", json=body, timeout=30).raise_for_status().json()["jobs"]

        ends = [end_of(imaging.url, job["image_id"]) for job in jobs]

        assert time.monotonic() - begun < 3 + 5
        assert {(end["status"], end["failure"]["code"]) for end in ends} == {("failed", "timeout")}
        assert sum(paid["calls"] for paid in stability.charges().values()) == 1


# --- many who ask ----------------------------------------------------------------------------------------

POLLERS = 200


def test_many_who_ask_every_second_do_not_hold_up_a_claim(tmp_path: Path) -> None:
    with Imaging("up", "--no-gui", folder=tmp_path, IMAGING_DEMO_STEP_S="0") as imaging, ExitStack() as wires:
        imaging.started("is up")
        image_id = submit(imaging.url, prompt="a boat", width=64, height=64, steps=1)
        end_of(imaging.url, image_id)
        etag = httpx.get(f"{imaging.url}/status/{image_id}").headers["etag"]
        asked = f"GET /status/{image_id} HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {etag}\r\n\r\n".encode()
        pollers = [socket.create_connection(("127.0.0.1", imaging.port), timeout=20) for _ in range(POLLERS)]
        for poller in pollers:
            wires.enter_context(closing(poller))
        stop, statuses = threading.Event(), set[bytes]()

        def poll() -> None:
            while not stop.is_set():
                due = time.monotonic() + 1.0
                for poller in pollers:
                    poller.sendall(asked)
                for poller in pollers:
                    statuses.add(poller.recv(65_536)[:12])
                stop.wait(due - time.monotonic())

        polling = threading.Thread(target=poll)
        polling.start()
        try:
            made = [submit(imaging.url, prompt=f"a boat {n}", width=64, height=64, steps=1) for n in range(10)]
            ends = [end_of(imaging.url, one) for one in made]
        finally:
            stop.set()
            polling.join()

        assert statuses == {b"HTTP/1.1 304"}
        waits = sorted(_seconds(end["started_at"]) - _seconds(end["created_at"]) for end in ends)
        assert waits[len(waits) // 2] < 1.0, waits


def _seconds(text: str) -> float:
    hours, minutes, seconds = text.rstrip("Z").partition("T")[2].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)

"""Processes that are told to stop while they still start: they end as politely as later, and have begun nothing.

May import the standard library, pytest and the neighbouring modules that start processes.
"""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from imaging_process import Imaging, catches, until
from redis_server import RedisServer, shared_server


class Mute:
    """A server that takes connections and never answers."""

    def __init__(self, listening: socket.socket, until_the_end: ExitStack) -> None:
        self._listening = listening
        self._until_the_end = until_the_end
        self.url = f"redis://127.0.0.1:{listening.getsockname()[1]}/0"

    def wait_for_a_caller(self) -> None:
        self._until_the_end.enter_context(self._listening.accept()[0])


@pytest.fixture
def mute() -> Iterator[Mute]:
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listening.settimeout(60)
        yield Mute(listening, stack)


@pytest.fixture
def redis(request: pytest.FixtureRequest) -> RedisServer:
    return shared_server(request.config)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells which signals a process catches")
@pytest.mark.parametrize("command", [("worker",), ("api",), ("up", "--no-gui")], ids=" ".join)
def test_a_process_that_has_hardly_begun_ends_with_0(tmp_path: Path, command: tuple[str, ...]) -> None:
    # There is no Redis: who went on to look for it would end with 1.
    with Imaging(*command, folder=tmp_path, IMAGING_REDIS_URL="redis://127.0.0.1:1/0").start() as process:
        until(lambda: catches(process.pid, signal.SIGTERM), "a handler of SIGTERM")

        process.signal(signal.SIGTERM)

        assert process.ended() == 0
        assert process.output == ""


@pytest.mark.parametrize("command", ["worker", "api"])
def test_a_process_that_waits_for_its_redis_ends_with_0(tmp_path: Path, mute: Mute, command: str) -> None:
    with Imaging(command, folder=tmp_path, IMAGING_REDIS_URL=mute.url, IMAGING_DEMO="1").start() as process:
        mute.wait_for_a_caller()

        process.signal(signal.SIGTERM)

        assert process.ended() == 0
        assert process.output == ""


def test_a_worker_that_waits_for_its_broker_ends_with_0(tmp_path: Path, mute: Mute, redis: RedisServer) -> None:
    settings = {"IMAGING_REDIS_URL": redis.url, "IMAGING_BROKER_URL": mute.url, "IMAGING_DEMO": "1"}
    with Imaging("worker", folder=tmp_path, **settings).start() as process:
        mute.wait_for_a_caller()

        process.signal(signal.SIGTERM)

        assert process.ended() == 0
        assert process.output == ""


def test_a_worker_that_has_just_said_that_it_is_ready_ends_with_0(tmp_path: Path, redis: RedisServer) -> None:
    with Imaging("worker", folder=tmp_path, IMAGING_REDIS_URL=redis.url, IMAGING_DEMO="1") as process:
        process.started("Worker ready")

        process.signal(signal.SIGTERM)

        assert process.ended() == 0
        assert "Traceback" not in process.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_last_moment_does_not_look_like_a_crash(number: signal.Signals) -> None:
    code = f"""
import os, sys
class Last:
    # Called when next to nothing is left, the names of this module neither.
    def __del__(self, kill=os.kill, mine=os.getpid()):
        kill(mine, {number.value})
sys.last = Last()
sys.argv = ["imaging", "worker", "--help"]
from entrypoints.command import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=100)

    assert done.returncode == 0, done.stderr
    assert "worker" in done.stdout


def test_a_thread_that_gets_no_answer_does_not_hold_up_the_end() -> None:
    code = """
import sys, threading
threading.Thread(target=threading.Event().wait).start()
sys.argv = ["imaging", "worker", "--help"]
from entrypoints.command import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=100)

    assert done.returncode == 0, done.stderr
    assert "worker" in done.stdout

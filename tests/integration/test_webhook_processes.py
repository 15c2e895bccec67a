"""Webhooks of real processes: embedded and over Redis, killed between a receiver's answer and the record of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook as Verifier

from imaging_process import Imaging, end_of, free_port, submit, until
from redis_server import RedisServer
from webhook_receiver import Receiver, hang, receiving

SETTINGS = {
    "IMAGING_DEMO": "1",
    "IMAGING_DEMO_STEP_S": "0",
    "IMAGING_WEBHOOK_ALLOW": "127.0.0.1",
    "IMAGING_WEBHOOK_TIMEOUT_S": "2",
    "IMAGING_WEBHOOK_RETRY_S": "0.1,0.1,0.1,0.1",
}


@contextmanager
def embedded(folder: Path) -> Iterator[Imaging]:
    """The one process, which also tells webhooks."""
    with Imaging("up", "--no-gui", folder=folder, **SETTINGS) as process:
        yield process.started("is up")


@contextmanager
def distributed(folder: Path) -> Iterator[Imaging]:
    """The API, which tells webhooks, beside a worker that does not."""
    with RedisServer() as redis, ExitStack() as stack:
        settings = {**SETTINGS, "IMAGING_REDIS_URL": redis.url}
        api = stack.enter_context(Imaging("api", folder=folder, **settings))
        worker = stack.enter_context(Imaging("worker", folder=folder, **settings))
        api.start()
        worker.started("Worker ready")
        api.says("API ready")
        yield api


MODES = pytest.mark.parametrize(
    ("mode", "ready"), [(embedded, "is up"), (distributed, "API ready")], ids=["embedded", "distributed"]
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def delivery(api: Imaging, image_id: str) -> dict[str, Any]:
    """The job's delivery, once it is delivered or given up."""

    def found() -> dict[str, Any] | None:
        try:
            answer = httpx.get(f"{api.url}/jobs/{image_id}/deliveries", timeout=30).raise_for_status()
        except httpx.TransportError:
            return None
        (first, *_) = answer.json()["deliveries"] or [{"state": "pending"}]
        return first if first["state"] != "pending" else None

    told: dict[str, Any] = until(found, "the end of the delivery")
    return told


@MODES
def test_a_message_is_told_once_whatever_dies(mode: Any, ready: str, receiver: Receiver, tmp_path: Path) -> None:
    with mode(tmp_path) as api:
        receiver.plan(500, 500, 500)
        first = submit(api.url, backend="demo", prompt="a hill", webhook=f"{receiver.url}/token")
        assert [attempt["status"] for attempt in delivery(api, first)["attempts"]] == [500, 500, 500, 204]
        counted = [
            f'imaging_webhook_messages_total{{outcome="{word}"}} {n}.0'
            for word, n in (("delivered", 1), ("repeated", 3))
        ]
        until(lambda: set(counted) <= set(httpx.get(f"{api.url}/metrics").text.splitlines()), "the count of it")

        def answer_and_kill(handler: Any) -> None:
            os.kill(api.pid, signal.SIGKILL)
            handler.send_response(200)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        receiver.plan(answer_and_kill)
        second = submit(api.url, backend="demo", prompt="a lake", webhook=f"{receiver.url}/token")
        until(lambda: len(receiver.received) == 5, "the message that kills its sender")
        api.kill()
        api.started(ready)

        told = delivery(api, second)
        assert told["state"] == "delivered"
        assert [attempt["status"] for attempt in told["attempts"]] == [204], "nobody recorded the answer of 200"
        assert end_of(api.url, second)["status"] == "finished"
        secret = httpx.get(f"{api.url}/webhooks/secret").json()["secret"]
        assert "token" not in api.output
        assert secret not in api.output

    messages = [got for got in receiver.received if got.headers["webhook-id"] == f"msg_{second}"]
    assert len(receiver.received) == 6
    assert len(messages) == 2
    assert len({got.body for got in messages}) == 1
    for got in receiver.received:
        assert Verifier(secret).verify(got.body, got.headers)["type"] == "job.finished"


def test_stops_while_a_message_is_being_sent_cost_it_no_try_and_no_wait(receiver: Receiver, tmp_path: Path) -> None:
    settings = {**SETTINGS, "IMAGING_WEBHOOK_TIMEOUT_S": "30", "IMAGING_WEBHOOK_RETRY_S": "3600"}
    receiver.plan(hang, hang, hang)

    stopped = 0.0

    def came(count: int) -> bool:
        return len(receiver.received) == count

    with (
        RedisServer() as redis,
        Imaging("api", folder=tmp_path, **settings, IMAGING_REDIS_URL=redis.url) as api,
    ):
        api.started("API ready")
        image_id = submit(api.url, backend="demo", prompt="a hill", webhook=f"{receiver.url}/token")
        httpx.post(f"{api.url}/jobs/cancel", json={}).raise_for_status()
        for count in range(1, 4):
            until(partial(came, count), "the message")
            api.signal(signal.SIGTERM)
            assert api.ended() == 0
            stopped = time.monotonic()
            api.started("API ready")

        told = delivery(api, image_id)

        # Unless it was handed back it is due again when 45 s are over.
        assert time.monotonic() - stopped < 40
    assert (told["state"], [attempt["status"] for attempt in told["attempts"]]) == ("delivered", [204])


def test_the_receiver_of_the_documentation_receives(tmp_path: Path) -> None:
    port, example = free_port(), Path(__file__).parents[2] / "examples" / "receive_webhooks.py"
    with embedded(tmp_path) as api, (tmp_path / "said").open("w+") as said:
        secret = httpx.get(f"{api.url}/webhooks/secret").json()["secret"]
        environment = {**os.environ, "WEBHOOK_SECRET": secret}
        example_process = subprocess.Popen([sys.executable, example, str(port)], env=environment, stdout=said)
        try:
            image_id = submit(api.url, backend="demo", prompt="a hill", webhook=f"http://127.0.0.1:{port}/")

            assert delivery(api, image_id)["attempts"][-1]["status"] == 204
            line = until((tmp_path / "said").read_text, "the receiver's line")
            assert line == f"job.finished {image_id} /image/{image_id}?index=0\n"
            assert httpx.post(f"http://127.0.0.1:{port}/", content=b"{}").status_code == 401
        finally:
            example_process.terminate()
            example_process.wait(20)


def test_a_wrong_entry_of_the_allow_list_stops_the_start(tmp_path: Path) -> None:
    settings = {**SETTINGS, "IMAGING_WEBHOOK_ALLOW": "10.0.0.0/99"}
    with Imaging("up", "--no-gui", folder=tmp_path, **settings) as process:
        process.start()

        assert process.ended() != 0
        assert "IMAGING_WEBHOOK_ALLOW: '10.0.0.0/99' is no host name, address or network." in process.output
        assert "Traceback" not in process.output

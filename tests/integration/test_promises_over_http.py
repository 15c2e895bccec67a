"""What is promised to many callers at once, in both modes: one job per key, no start after a cancel, a bounded queue.

May import the standard library, pytest and the neighbouring modules that start processes.
"""

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest

from fakes.stability import StabilityProcess
from fakes.stability import launch as launch_stability
from imaging_process import Imaging, until
from redis_server import RedisServer

T = TypeVar("T")

SLOTS, MAX_QUEUED = 4, 250
#: Refused posts after which a process has grown as large as it may, and by how much it may grow after that, in bytes.
WARM, FLAT = 500, 8 << 20


@attrs.frozen(kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: dict[str, Any]
    #: By their names in small letters.
    headers: dict[str, str]


@attrs.frozen(kw_only=True)
class Service:
    """A running service and the provider behind it."""

    api: Imaging
    stability: StabilityProcess

    def rss(self) -> int:
        """The API's memory, in bytes."""
        for line in Path(f"/proc/{self.api.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")


@pytest.fixture(scope="module", params=["embedded", "distributed"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("promises")
    with ExitStack() as stack:
        stability = stack.enter_context(launch_stability(rate_limit=False))
        settings = {
            "STABILITY_KEY": "sk-a-key-for-tests-0123456789",
            "IMAGING_STABILITY_BASE_URL": stability.url,
            "IMAGING_STABILITY_SLOTS": str(SLOTS),
            "IMAGING_STABILITY_RATE": "100000",
            "IMAGING_MAX_QUEUED": str(MAX_QUEUED),
            "IMAGING_MAX_QUEUED_PER_KEY": "100000",
        }
        if request.param == "distributed":
            settings["IMAGING_REDIS_URL"] = stack.enter_context(RedisServer()).url
            worker = stack.enter_context(Imaging("worker", folder=folder, **settings))
            api = stack.enter_context(Imaging("api", folder=folder, **settings))
            worker.start()
            api.started("API ready")
            worker.says("Worker ready")
            stack.callback(worker.kill)
        else:
            api = stack.enter_context(Imaging("up", "--no-gui", folder=folder, **settings)).started("is up")
        # The last test leaves calls behind that never end, and a graceful stop would wait for them.
        stack.callback(api.kill)
        yield Service(api=api, stability=stability)


def together(actions: Sequence[Callable[[], T]], threads: int) -> list[T]:
    """What they give, from so many threads that begin at the same time."""
    barrier = threading.Barrier(threads)
    with ThreadPoolExecutor(threads, initializer=barrier.wait) as pool:
        return [future.result() for future in [pool.submit(action) for action in actions]]


class Caller:
    """A connection per thread: httpx takes longer for a request than the service."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._own = threading.local()
        self._wires: list[http.client.HTTPConnection] = []

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """The answer to a request with a JSON body."""
        if not hasattr(self._own, "wire"):
            self._own.wire = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            self._wires.append(self._own.wire)
        data = None if body is None else json.dumps(body).encode()
        named = {"Content-Type": "application/json", **{name.replace("_", "-"): v for name, v in headers.items()}}
        self._own.wire.request(method, path, data, named)
        answer = self._own.wire.getresponse()
        return Answer(
            status=answer.status,
            body=json.loads(answer.read()),
            headers={name.lower(): value for name, value in answer.getheaders()},
        )

    def close(self) -> None:
        for wire in self._wires:
            wire.close()

    def end_of(self, image_id: str) -> dict[str, Any]:
        """The job once it has ended."""

        def ended() -> dict[str, Any] | None:
            job = self("GET", f"/jobs/{image_id}").body
            return job if job["status"] in ("finished", "failed", "cancelled") else None

        job: dict[str, Any] = until(ended, f"the end of job {image_id}")
        return job


@pytest.fixture
def call(service: Service) -> Iterator[Caller]:
    with closing(Caller(service.api.port)) as call:
        yield call


def test_fifty_posts_with_one_key_at_once_are_one_job(service: Service, call: Caller) -> None:
    prompt = "one key, fifty posts"

    answers = together(
        [lambda: call("POST", "/images", {"prompt": prompt}, Idempotency_Key="the-one") for _ in range(50)], 25
    )

    assert {answer.status for answer in answers} == {202}
    (image_id,) = {answer.body["image_id"] for answer in answers}
    assert call.end_of(image_id)["status"] == "finished"
    assert service.stability.charges()[prompt]["calls"] == 1
    other = call("POST", "/images", {"prompt": "another"}, Idempotency_Key="the-one")
    assert (other.status, other.body["type"]) == (422, "/problems/idempotency-mismatch")
    again = call("POST", "/images", {"prompt": prompt}, Idempotency_Key="the-one")
    assert (again.status, again.body["image_id"]) == (202, image_id)


def test_no_job_starts_after_its_cancel_was_answered(service: Service, call: Caller) -> None:
    prompts = [f"to be cancelled {n}" for n in range(200)]
    service.stability.control(delay=0.01)
    batches = [{"requests": [{"prompt": prompt} for prompt in prompts[at : at + 50]]} for at in range(0, 200, 50)]
    made = [job["image_id"] for batch in batches for job in call("POST", "/images/batch", batch).body["jobs"]]
    of = dict(zip(made, prompts, strict=True))
    random.Random(7).shuffle(made)

    answers = dict(zip(made, together([partial(call, "POST", f"/jobs/{i}/cancel") for i in made], 8), strict=True))

    ends = {image_id: call.end_of(image_id) for image_id in made}
    counts = Counter(answer.status for answer in answers.values())
    # It was a race: some were cancelled in time, and some had been claimed.
    assert 10 <= counts[200] < 200, counts
    assert counts.keys() <= {200, 202, 409}, counts
    paid = service.stability.charges()
    for image_id, answer in answers.items():
        end, calls = ends[image_id], paid.get(of[image_id], {"calls": 0})["calls"]
        if answer.status == 200:
            assert end["status"] == "cancelled"
        if answer.status == 409:
            assert end["status"] == "finished"
        assert calls <= (end["started_at"] is not None)


def test_a_full_queue_takes_exactly_what_it_may_and_no_memory_for_the_rest(service: Service, call: Caller) -> None:
    service.stability.control(delay=3600)
    for n in range(SLOTS):
        call("POST", "/images", {"prompt": f"never ends {n}"})
    until(
        lambda: len(call("GET", "/jobs?status=started&backend=stability").body["jobs"]) == SLOTS,
        "the calls that never end",
    )

    def posts(count: int) -> list[Answer]:
        return together([lambda: call("POST", "/images", {"prompt": "one more"}) for _ in range(count)], 8)

    answers = posts(WARM)
    before = service.rss()
    answers += posts(2000 - WARM)
    grown = service.rss() - before

    assert Counter(answer.status for answer in answers) == {202: MAX_QUEUED, 503: 2000 - MAX_QUEUED}
    assert grown < FLAT, f"{grown} bytes"
    for answer in answers:
        if answer.status == 503:
            assert answer.body["type"] == "/problems/queue-full"
            assert 1 <= int(answer.headers["retry-after"]) <= 300

"""`imaging api` and `imaging worker` as processes of their own over a real Redis, with the engines' doubles on real ports."""

import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import httpx
import pytest
from PIL import Image

from fakes.sdwebui import FakeWebUI
from fakes.sdwebui import launch as launch_webui
from fakes.stability import StabilityProcess
from fakes.stability import launch as launch_stability
from imaging_process import Imaging, clean_environment, end_of, submit, until
from redis_server import RedisServer

KEY = "sk-a-key-for-tests-0123456789"


@attrs.frozen(kw_only=True)
class Stack:
    """What runs."""

    api: Imaging
    worker: Imaging
    redis: RedisServer
    stability: StabilityProcess
    webui: FakeWebUI
    folder: Path
    settings: dict[str, str]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """API and worker over a Redis, a Stability API and a WebUI; a test leaves them running as it found them."""
    tmp_path = tmp_path_factory.mktemp("stack")
    with RedisServer() as redis, launch_stability() as stability, launch_webui() as webui:
        settings = {
            "IMAGING_REDIS_URL": redis.url,
            "STABILITY_KEY": KEY,
            "IMAGING_STABILITY_BASE_URL": stability.url,
            "IMAGING_SDWEBUI_URLS": webui.url,
            "IMAGING_LEASE_S": "2",
            "IMAGING_HEARTBEAT_S": "0.5",
            "IMAGING_SWEEP_S": "0.5",
        }
        with (
            Imaging("api", folder=tmp_path, **settings) as api,
            Imaging("worker", folder=tmp_path, **settings) as worker,
        ):
            api.start()
            worker.started("Worker ready")
            api.says("API ready")
            yield Stack(
                api=api,
                worker=worker,
                redis=redis,
                stability=stability,
                webui=webui,
                folder=tmp_path,
                settings=settings,
            )


def decoded(url: str, image_id: str) -> Image.Image:
    """A job's first picture."""
    image = Image.open(io.BytesIO(httpx.get(f"{url}/image/{image_id}").raise_for_status().content))
    image.load()
    return image


def test_the_original_flow_on_both_engines(stack: Stack) -> None:
    remote = submit(stack.api.url, prompt="a lighthouse", aspect_ratio="16:9", model="core", seed=9)
    local = submit(stack.api.url, "/local/images", prompt="a lighthouse", steps=3, width=64, height=64, seed=9)

    for image_id, backend in ((remote, "stability"), (local, "local")):
        status = end_of(stack.api.url, image_id)
        assert status["status"] == "finished", status
        assert status["backend"] == backend
        assert status["seed"] == 9
        assert decoded(stack.api.url, image_id).format == "PNG"


def test_a_pause_holds_for_a_worker_elsewhere_and_one_that_comes_later(stack: Stack) -> None:
    with httpx.Client(base_url=stack.api.url, timeout=20) as client:

        def alone() -> object:
            # One that was killed before is listed for some seconds more.
            workers = client.get("/workers").json()["workers"]
            return [set(worker["slots"]) for worker in workers] == [{"stability", "local"}]

        until(alone, "a worker that says it is alive")
        client.post("/backends/stability/pause", json={"reason": "The bill"}).raise_for_status()
        waiting = submit(stack.api.url, prompt="a job that waits")
        stack.worker.signal(signal.SIGTERM)
        assert stack.worker.ended() == 0
        assert client.get("/workers").json()["workers"] == []
        stack.worker.started("Worker ready")
        # The newcomer rings for nothing that is paused, and goes on with what is not.
        other = submit(stack.api.url, "/local/images", prompt="another", steps=3, width=64, height=64)
        assert end_of(stack.api.url, other)["status"] == "finished"
        status = client.get(f"/status/{waiting}").json()
        assert (status["status"], status["paused"]["reason"]) == ("queued", "The bill")

        client.post("/backends/stability/resume").raise_for_status()
        assert end_of(stack.api.url, waiting)["status"] == "finished"


def started(stack: Stack, ids: list[str]) -> bool:
    """Whether any of these jobs is under way."""
    return any(httpx.get(f"{stack.api.url}/status/{i}").json()["status"] == "started" for i in ids)


def test_ten_jobs_survive_the_kill_of_their_worker(stack: Stack) -> None:
    stack.stability.control(delay=60)
    try:
        ids = [submit(stack.api.url, prompt=f"a hill {n}") for n in range(10)]
        until(lambda: started(stack, ids), "a started job")
        stack.worker.kill()
    finally:
        stack.stability.control(delay=0)
    stack.worker.started("Worker ready")

    assert [end_of(stack.api.url, image_id)["status"] for image_id in ids] == ["finished"] * 10


def test_a_second_signal_ends_a_worker_at_once_and_another_takes_the_job_over(stack: Stack) -> None:
    stack.stability.control(delay=3600)
    try:
        image_id = submit(stack.api.url, prompt="a job that is cut off twice")
        until(lambda: started(stack, [image_id]), "the start")
        stack.worker.signal(signal.SIGTERM)
        stack.worker.says("Stopping")
        # A paid call is under way, so it would wait.
        with pytest.raises(subprocess.TimeoutExpired):
            stack.worker.ended(0.5)

        stack.worker.signal(signal.SIGTERM)

        assert stack.worker.ended(5) == 128 + signal.SIGTERM
    finally:
        stack.stability.control(delay=0)
    stack.worker.started("Worker ready")

    assert end_of(stack.api.url, image_id)["status"] == "finished"
    job = httpx.get(f"{stack.api.url}/jobs/{image_id}").json()
    assert (job["attempt"], job["crashes"]) == (2, 1)


def test_a_graceful_stop_lets_paid_calls_end_and_repeats_none(stack: Stack) -> None:
    stack.stability.control(delay=8)
    try:
        ids = [submit(stack.api.url, prompt=f"a boat {n}") for n in range(6)]
        until(lambda: started(stack, ids), "a started job")
        stack.worker.signal(signal.SIGTERM)
        assert stack.worker.ended() == 0
    finally:
        stack.stability.control(delay=0)
    stack.worker.started("Worker ready")

    ends = [end_of(stack.api.url, image_id) for image_id in ids]
    assert {end["status"] for end in ends} == {"finished"}
    calls = [httpx.get(f"{stack.api.url}/jobs/{i}").json()["calls"] for i in ids]
    assert [len(made) for made in calls] == [1] * 6


def test_a_cancel_reaches_the_worker_and_the_webui(stack: Stack) -> None:
    stack.webui.control(step_seconds=0.5)
    try:
        _cancel_in_the_middle(stack)
    finally:
        stack.webui.control(step_seconds=0.01)


def _cancel_in_the_middle(stack: Stack) -> None:
    image_id = submit(stack.api.url, "/local/images", prompt="a slow one", steps=100, width=64, height=64)
    until(lambda: httpx.get(f"{stack.api.url}/status/{image_id}").json()["progress"], "some progress")

    answer = httpx.post(f"{stack.api.url}/jobs/{image_id}/cancel")

    assert answer.status_code in (200, 202)
    assert end_of(stack.api.url, image_id)["status"] == "cancelled"
    until(lambda: httpx.get(f"{stack.webui.url}/sdapi/v1/progress").json()["progress"] == 0, "an idle WebUI")


def test_a_redis_that_goes_away_is_a_503_and_nothing_is_lost(stack: Stack) -> None:
    image_id = submit(stack.api.url, prompt="before")
    end_of(stack.api.url, image_id)
    stack.redis.kill()

    def refused() -> bool:
        answer = httpx.post(f"{stack.api.url}/images", json={"prompt": "meanwhile"}, timeout=30)
        assert answer.status_code in (202, 503), answer.text
        return answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1

    until(refused, "a 503 while Redis is away")
    assert httpx.get(f"{stack.api.url}/readyz").status_code == 503
    assert httpx.get(f"{stack.api.url}/livez").status_code == 200
    stack.redis.start()

    until(lambda: httpx.get(f"{stack.api.url}/readyz").status_code == 200, "readiness")
    assert end_of(stack.api.url, image_id)["status"] == "finished"
    assert end_of(stack.api.url, submit(stack.api.url, prompt="after"))["status"] == "finished"


def test_a_redis_that_may_lose_jobs_is_refused_with_what_mends_it(tmp_path: Path) -> None:
    with (
        RedisServer("--appendonly", "no") as redis,
        Imaging("api", folder=tmp_path, IMAGING_REDIS_URL=redis.url) as api,
    ):
        api.start()

        assert api.ended() == 1
        assert "appendonly yes" in api.output
        assert "Traceback" not in api.output


def test_a_redis_that_is_down_at_the_start_is_one_sentence(tmp_path: Path) -> None:
    with Imaging("worker", folder=tmp_path, IMAGING_REDIS_URL="redis://127.0.0.1:1/0", STABILITY_KEY=KEY) as worker:
        worker.start()

        assert worker.ended() == 1
        assert "127.0.0.1:1" in worker.output
        assert "Traceback" not in worker.output


def test_the_key_is_nowhere_to_be_seen(stack: Stack) -> None:
    image_id = submit(stack.api.url, prompt="a secret lighthouse")
    end_of(stack.api.url, image_id)
    script = Path(sys.executable).parent / "imaging"
    doctor = subprocess.run(
        [script, "doctor"],
        env=clean_environment(stack.settings),
        cwd=stack.folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "credits" in doctor.stdout
    told = doctor.stdout + doctor.stderr + stack.api.output + stack.worker.output
    told += httpx.get(f"{stack.api.url}/jobs/{image_id}").text + httpx.get(f"{stack.api.url}/backends").text
    assert KEY not in told
    assert "lighthouse" not in stack.api.output + stack.worker.output

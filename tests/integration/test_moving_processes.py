"""Real processes and the engines' doubles: what one backend cannot make another makes, and nothing is paid for twice."""

from pathlib import Path
from typing import Any

import httpx

from fakes.sdwebui import launch as launch_webui
from fakes.stability import launch as launch_stability
from imaging_process import Imaging, end_of, submit, until
from redis_server import RedisServer

KEY = "sk-a-key-for-tests-0123456789"


def job_of(api: Imaging, image_id: str) -> dict[str, Any]:
    """A whole job."""
    job: dict[str, Any] = httpx.get(f"{api.url}/jobs/{image_id}").raise_for_status().json()
    return job


def local_answers(api: Imaging) -> bool:
    """Whether the service takes the WebUI for one that answers."""
    backends = httpx.get(f"{api.url}/backends").raise_for_status().json()["backends"]
    return any(backend["name"] == "local" and backend["answers"] for backend in backends)


def test_jobs_leave_a_webui_that_was_switched_off_as_far_as_the_days_credits_go(tmp_path: Path) -> None:
    with RedisServer() as redis, launch_stability() as stability, launch_webui() as webui:
        # Each worker knows its own engine only; the API alone knows both, and the limit of money.
        both = {"IMAGING_REDIS_URL": redis.url, "IMAGING_SWEEP_S": "0.2"}
        local = {**both, "IMAGING_SDWEBUI_URLS": webui.url}
        cloud = {**both, "STABILITY_KEY": KEY, "IMAGING_STABILITY_BASE_URL": stability.url}
        money = {**local, **cloud, "IMAGING_CREDITS_PER_DAY": "7"}
        with Imaging("api", folder=tmp_path, **money, IMAGING_AUTO_MAX_WAIT_S="600") as patient:
            patient.started("API ready")
            jobs = [submit(patient.url, backend="auto", prompt=f"lighthouse {n}") for n in range(4)]
            assert {job_of(patient, job)["backend"] for job in jobs} == {"local"}
        webui.kill()
        with (
            Imaging("api", folder=tmp_path, **money, IMAGING_AUTO_MAX_WAIT_S="1") as api,
            Imaging("worker", "--backend", "local", folder=tmp_path, **local) as at_home,
            Imaging("worker", "--backend", "stability", folder=tmp_path, **cloud) as away,
        ):
            api.started("API ready")
            away.started("Worker ready")

            assert [end_of(api.url, job)["status"] for job in jobs[:2]] == ["finished"] * 2
            too_dear = "'stability' costs more than is left of the 7 credits that this service may use a day."
            until(lambda: all(too_dear in job_of(api, job)["route"] for job in jobs[2:]), "why the others stay")

            for job in (job_of(api, job) for job in jobs[:2]):
                assert (job["backend"], job["cost_credits"]) == ("stability", 3.0)
                assert [(move["left"], move["backend"]) for move in job["moves"]] == [("local", "stability")]
                assert "Moved from 'local' to 'stability'. 'local' does not answer." in job["route"]
            stayed = [job_of(api, job) for job in jobs[2:]]
            assert [(job["backend"], job["status"]) for job in stayed] == [("local", "queued")] * 2
            webui.start()
            at_home.start()
            assert [end_of(api.url, job)["status"] for job in jobs[2:]] == ["finished"] * 2
            assert {job_of(api, job)["backend"] for job in jobs[2:]} == {"local"}
            paid = {prompt: charge["calls"] for prompt, charge in stability.charges().items()}
            assert paid == {"lighthouse 0": 1, "lighthouse 1": 1}


def test_an_empty_account_leaves_its_job_to_the_webui_that_comes_back(tmp_path: Path) -> None:
    with launch_stability() as stability, launch_webui() as webui:
        settings = {
            "IMAGING_SDWEBUI_URLS": webui.url,
            "STABILITY_KEY": KEY,
            "IMAGING_STABILITY_BASE_URL": stability.url,
            "IMAGING_SWEEP_S": "0.2",
        }
        with Imaging("up", "--no-gui", folder=tmp_path, **settings) as service:
            service.started("is up")
            assert local_answers(service)
            webui.kill()
            # Too little for this picture, which nobody knows before it is asked for.
            stability.control(balance=1.0)
            until(lambda: not local_answers(service), "that the WebUI is away")
            job = submit(service.url, backend="auto", prompt="a lighthouse", seed=7)

            until(lambda: job_of(service, job)["moves"], "the move")
            webui.start()
            ended = end_of(service.url, job)

            assert (ended["status"], ended["backend"], ended["seed"]) == ("finished", "local", 7)
            assert ended["cost_credits"] == 0.0
            assert ended["previous_failures"][0]["code"] == "insufficient_credits"
            assert "'stability' cannot make it now (insufficient_credits)." in ended["route"]
            assert stability.charges() == {}

"""Two workers, each a process of its own, and two WebUIs: none ever has two calls, and one worker's death costs no job.

The whole of it, with hosts that are cut off, is `make hosts-test`.
"""

from pathlib import Path

import httpx

from fakes.sdwebui import launch
from hosts.verdict import made, most_switches, overlapping, switches
from imaging_process import Imaging, end_of, until
from redis_server import RedisServer


def test_two_workers_share_two_webuis_without_ever_meeting_at_one(tmp_path: Path) -> None:
    with (
        RedisServer() as redis,
        launch("--checkpoints", "tinyA,tinyB,onlyone", "--step-seconds", "0.02") as one,
        launch("--checkpoints", "tinyA,tinyB", "--step-seconds", "0.02") as two,
    ):
        settings = {
            "IMAGING_REDIS_URL": redis.url,
            "IMAGING_SDWEBUI_URLS": f"{one.url},{two.url}",
            "IMAGING_LEASE_S": "2",
            "IMAGING_HEARTBEAT_S": "0.5",
            "IMAGING_SWEEP_S": "0.5",
        }
        webuis = [one, two]
        with (
            Imaging("api", folder=tmp_path, **settings) as api,
            Imaging("worker", folder=tmp_path, **settings) as first,
            Imaging("worker", folder=tmp_path, **settings) as second,
        ):
            api.started("API ready")
            wanted = ["tinyA", "tinyB", "onlyone", "tinyB"] * 5
            shared = {"backend": "local", "prompt": "a lighthouse", "steps": 4, "width": 64, "height": 64}
            answer = httpx.post(
                f"{api.url}/images/batch", json={"shared": shared, "requests": [{"model": name} for name in wanted]}
            )
            ids = [job["image_id"] for job in answer.raise_for_status().json()["jobs"]]
            for worker in (first, second):
                worker.start()
            until(lambda: sum(made(webuis)) >= 4, "the first pictures")
            first.kill()

            statuses = {end_of(api.url, image_id)["status"] for image_id in ids}

            assert statuses == {"finished"}
            assert overlapping(webuis) == []
            assert min(made(webuis)) > 0
            assert sum(made(webuis)) <= len(ids) + 2, "only what the dead worker had begun was made again"
            # A call that is made again may need its checkpoint again.
            assert switches(webuis) <= most_switches(len(ids), 2, 3) + 2

            def at_rest() -> bool:
                local = next(b for b in httpx.get(f"{api.url}/backends").json()["backends"] if b["name"] == "local")
                return [(i["answers"], i["busy"]) for i in local["instances"]] == [(True, False)] * 2

            # A worker that has ended the last job looks for another one before it rests.
            until(at_rest, "both instances at rest")

"""`python -m benchmarks.workers`: pictures per second with 1, 2 and 4 workers, each with a WebUI that takes 0.5 s; prints JSON.

Imports the tests' process keepers and fakes.
"""

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import httpx

from fakes.sdwebui import FakeWebUI, launch
from imaging_process import Imaging, end_of
from redis_server import RedisServer

#: What a picture takes on one WebUI, in s.
STEPS, STEP_S = 10, 0.05


def rate(workers: int, jobs_each: int) -> float:
    """Pictures per second of so many workers over as many WebUIs, from the first call to the last answer."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imaging-workers-")))
        redis = stack.enter_context(RedisServer())
        webuis = [
            stack.enter_context(launch("--checkpoints", "tinyA", "--step-seconds", str(STEP_S))) for _ in range(workers)
        ]
        settings = {
            "IMAGING_REDIS_URL": redis.url,
            "IMAGING_SDWEBUI_URLS": ",".join(webui.url for webui in webuis),
        }
        api = stack.enter_context(Imaging("api", folder=folder, **settings)).started("API ready")
        for _ in range(workers):
            stack.enter_context(Imaging("worker", folder=folder, **settings)).started("Worker ready")
        return _measured(api.url, webuis, jobs_each * workers)


def _measured(url: str, webuis: list[FakeWebUI], jobs: int) -> float:
    shared = {"backend": "local", "prompt": "a lighthouse", "steps": STEPS, "width": 64, "height": 64}
    body = {"shared": shared, "requests": [{} for _ in range(jobs)]}
    answer = httpx.post(f"{url}/images/batch", json=body, timeout=60).raise_for_status()
    for job in answer.json()["jobs"]:
        assert end_of(url, job["image_id"])["status"] == "finished"
    calls = [call for webui in webuis for call in webui.log()]
    last = max(call.ended or call.received for call in calls)
    return jobs / (last - min(call.received for call in calls))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument("--jobs", type=int, default=24, help="for each worker, 25 at most: they are one batch")
    options = parser.parse_args()
    rates = {count: rate(count, options.jobs) for count in (1, 2, 4)}
    told = [
        {"workers": count, "pictures_per_s": round(found, 3), "of_linear": round(found / count / rates[1], 3)}
        for count, found in rates.items()
    ]
    print(json.dumps(told, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

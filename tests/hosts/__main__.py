"""`python -m hosts`: 500 mixed jobs over two worker hosts and three WebUIs, while one host is cut off and one WebUI dies.

Run it as root. It builds the network, starts itself again inside the hub, and prints what it saw as JSON; 1 when a
promise was broken.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from fakes.sdwebui import launch
from hosts.network import HUB, Network
from hosts.verdict import made, most_switches, overlapping, switches
from imaging_process import Imaging, until
from redis_server import RedisServer

_INSIDE = "IMAGING_HOSTS_NETWORK"
CHECKPOINTS = ("tinyA,tinyB,rare", "tinyA,tinyB,rare", "tinyA,tinyB")
WANTED = ("tinyA", "tinyB", "rare")


def main() -> int:
    """Build the network around this program, or run the trial inside it."""
    parser = argparse.ArgumentParser(prog="python -m hosts", description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    options = parser.parse_args()
    if _INSIDE in os.environ:
        return trial(options.jobs)
    with Network(hosts=2).up() as network:
        command = [*network.within(network.hub), sys.executable, "-m", "hosts", "--jobs", str(options.jobs)]
        names = json.dumps([network.hub, *network.hosts])
        return subprocess.run(command, check=False, env={**os.environ, _INSIDE: names}).returncode


def trial(jobs: int) -> int:
    """Everything but the workers runs in the hub, where this is."""
    network = Network(hosts=2)
    network.hub, *network.hosts = json.loads(os.environ.pop(_INSIDE))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="imaging-hosts-")))
        redis = stack.enter_context(RedisServer("--bind", "0.0.0.0", "--protected-mode", "no"))  # of the hub alone
        webuis = [
            stack.enter_context(launch("--host", "0.0.0.0", "--checkpoints", names, "--step-seconds", "0.02"))
            for names in CHECKPOINTS
        ]
        settings = {
            "IMAGING_REDIS_URL": redis.url.replace("127.0.0.1", HUB),
            "IMAGING_SDWEBUI_URLS": ",".join(f"http://{HUB}:{webui.port}" for webui in webuis),
            "IMAGING_LEASE_S": "3",
            "IMAGING_HEARTBEAT_S": "1",
            "IMAGING_SWEEP_S": "0.5",
        }
        api = stack.enter_context(Imaging("api", folder=folder, **settings))
        api.started("API ready")
        queued = _submit(api.url, jobs)
        workers = [
            stack.enter_context(Imaging("worker", folder=folder, within=network.within(host), **settings))
            for host in network.hosts
        ]
        began = time.monotonic()
        for worker in workers:
            worker.started("Worker ready")
        _down_to(api.url, 4 * jobs // 5)
        network.cut(network.hosts[0])
        _down_to(api.url, 3 * jobs // 5)
        webuis[2].kill()
        _down_to(api.url, 2 * jobs // 5)
        network.mend(network.hosts[0])
        statuses = _all_ended(api.url, queued)
        switched, most = switches(webuis), most_switches(jobs, len(webuis), len(WANTED))
        beside, cut_off = overlapping(webuis), "did not answer" in workers[0].output
        facts = {
            "jobs": jobs,
            "seconds": round(time.monotonic() - began, 1),
            "statuses": dict(Counter(statuses.values())),
            "pictures_by_webui": made(webuis),
            "calls_beside_another": beside,
            "host_knew_it_was_cut_off": cut_off,
            "switches": switched,
            "switches_at_most": most,
        }
        print(json.dumps(facts, indent=2))  # noqa: T201
        kept = set(statuses.values()) == {"finished"} and cut_off and not beside and switched <= most
        return 0 if kept else 1


def _submit(url: str, jobs: int) -> list[str]:
    draw = random.Random(6)  # the same mixture each time
    shared = {"backend": "local", "prompt": "a lighthouse", "steps": 5, "width": 64, "height": 64}
    ids: list[str] = []
    while len(ids) < jobs:
        requests = [{"model": draw.choice(WANTED)} for _ in range(min(100, jobs - len(ids)))]
        answer = httpx.post(f"{url}/images/batch", json={"shared": shared, "requests": requests}, timeout=60)
        ids += [job["image_id"] for job in answer.raise_for_status().json()["jobs"]]
    return ids


def _down_to(url: str, count: int) -> None:
    def enough() -> bool:
        state = httpx.get(f"{url}/backends", timeout=60).json()["backends"]
        queue = next(backend["queue"] for backend in state if backend["name"] == "local")
        return bool(queue["waiting"] + queue["started"] <= count)

    until(enough, f"no more than {count} open jobs", timeout_s=300)


def _all_ended(url: str, ids: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}

    def ended() -> bool:
        with httpx.Client(base_url=url, timeout=60) as client:
            for image_id in ids:
                if image_id not in found:
                    status = client.get(f"/status/{image_id}").json()["status"]
                    if status not in ("finished", "failed", "cancelled"):
                        return False
                    found[image_id] = status
        return True

    until(ended, "the end of every job", timeout_s=300)
    return found


if __name__ == "__main__":
    sys.exit(main())

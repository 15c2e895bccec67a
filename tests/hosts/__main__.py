"""`python -m hosts`: 500 mixed jobs over two worker hosts, three WebUIs and a bucket, of which one after the other is away.

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
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import httpx

from fakes.sdwebui import FakeWebUI, launch
from hosts.network import HUB, Network
from hosts.verdict import decoded, made, most_switches, overlapping, repair_finds, switches
from imaging_process import Imaging, until
from redis_server import RedisServer
from s3_endpoint import KEY, SECRET, S3Endpoint

_INSIDE = "IMAGING_HOSTS_NETWORK"
#: Hosts of workers, and one of the bucket.
_WORKERS = 2
CHECKPOINTS = ("tinyA,tinyB,rare", "tinyA,tinyB,rare", "tinyA,tinyB")
WANTED = ("tinyA", "tinyB", "rare")
#: What a worker says of a bucket that is away.
_NO_BUCKET = "No work can be taken now: The bucket"


def main() -> int:
    """Build the network around this program, or run the trial inside it."""
    parser = argparse.ArgumentParser(prog="python -m hosts", description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    options = parser.parse_args()
    if _INSIDE in os.environ:
        with ExitStack() as stack:
            return trial(_Scene.built(stack, Network.known(json.loads(os.environ.pop(_INSIDE)))), options.jobs)
    with Network(hosts=_WORKERS + 1).up() as network:
        command = [*network.within(network.hub), sys.executable, "-m", "hosts", "--jobs", str(options.jobs)]
        return subprocess.run(command, check=False, env={**os.environ, _INSIDE: json.dumps(network.names)}).returncode


@attrs.frozen(kw_only=True)
class _Scene:
    """Redis, WebUIs and API in the hub, where this program is; the workers and the bucket on hosts of their own."""

    network: Network
    folder: Path
    webuis: Sequence[FakeWebUI]
    settings: dict[str, str]
    api: Imaging
    workers: Sequence[Imaging]

    @classmethod
    def built(cls, stack: ExitStack, network: Network) -> "_Scene":
        """Everything but the workers is up, until the stack is closed."""
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="imaging-hosts-")))
        redis = stack.enter_context(RedisServer("--bind", "0.0.0.0", "--protected-mode", "no"))  # of the hub alone
        *hosts, far = network.hosts
        bucket = stack.enter_context(S3Endpoint(network.address(far), within=network.within(far)))
        webuis = [
            stack.enter_context(launch("--host", "0.0.0.0", "--checkpoints", names, "--step-seconds", "0.02"))
            for names in CHECKPOINTS
        ]
        settings = {
            "IMAGING_REDIS_URL": redis.url.replace("127.0.0.1", HUB),
            "IMAGING_SDWEBUI_URLS": ",".join(f"http://{HUB}:{webui.port}" for webui in webuis),
            "IMAGING_STORAGE_URL": f"s3://{bucket.bucket('pictures')}/of/hosts",
            "IMAGING_S3_ENDPOINT": bucket.url,
            "IMAGING_S3_REGION": "us-east-1",
            "IMAGING_S3_ACCESS_KEY_ID": KEY,
            "IMAGING_S3_SECRET_ACCESS_KEY": SECRET,
            "IMAGING_LEASE_S": "3",
            "IMAGING_HEARTBEAT_S": "1",
            "IMAGING_SWEEP_S": "0.5",
        }
        api = stack.enter_context(Imaging("api", folder=folder, **settings))
        workers = [
            stack.enter_context(Imaging("worker", folder=folder, within=network.within(host), **settings))
            for host in hosts
        ]
        api.started("API ready")
        return cls(network=network, folder=folder, webuis=webuis, settings=settings, api=api, workers=workers)


def trial(scene: _Scene, jobs: int) -> int:
    """The jobs, what befalls them, and whether every promise was kept."""
    queued = _submit(scene.api.url, jobs)
    began = time.monotonic()
    for worker in scene.workers:
        worker.start()
    for worker in scene.workers:
        worker.says("Worker ready")
    _befall(scene, jobs)
    statuses = _all_ended(scene.api.url, queued)
    took_s = time.monotonic() - began
    finished = [image_id for image_id, status in statuses.items() if status == "finished"]
    facts = {
        "jobs": jobs,
        "seconds": round(took_s, 1),
        "statuses": dict(Counter(statuses.values())),
        "pictures_decoded": decoded(scene.api.url, finished),
        "repair_finds": repair_finds(scene.folder, scene.settings),
        "pictures_by_webui": made(scene.webuis),
        "calls_beside_another": overlapping(scene.webuis),
        "host_knew_it_was_cut_off": "did not answer" in scene.workers[0].output,
        "switches": switches(scene.webuis),
        "switches_at_most": most_switches(jobs, len(scene.webuis), len(WANTED)),
    }
    print(json.dumps(facts, indent=2))  # noqa: T201
    kept = (
        len(finished) == facts["pictures_decoded"] == jobs
        and not facts["repair_finds"]
        and not facts["calls_beside_another"]
        and facts["host_knew_it_was_cut_off"]
        and switches(scene.webuis) <= most_switches(jobs, len(scene.webuis), len(WANTED))
    )
    return 0 if kept else 1


def _befall(scene: _Scene, jobs: int) -> None:
    """One worker's host is cut off for a fifth of the jobs, a WebUI dies, and the bucket is away until both workers say so."""
    url, network = scene.api.url, scene.network
    first, *_, bucket = network.hosts
    _down_to(url, 4 * jobs // 5)
    network.cut(first)
    _down_to(url, 7 * jobs // 10)
    scene.webuis[2].kill()
    _down_to(url, 3 * jobs // 5)
    network.mend(first)
    _down_to(url, 2 * jobs // 5)
    away = [_says_again(worker, _NO_BUCKET) for worker in scene.workers]
    network.cut(bucket)
    for told in away:
        until(told, "a worker that misses the bucket")
    network.mend(bucket)


def _says_again(worker: Imaging, sentence: str) -> Callable[[], bool]:
    times = worker.output.count(sentence)
    return lambda: worker.output.count(sentence) > times


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

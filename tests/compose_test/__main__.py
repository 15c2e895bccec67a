"""`make compose-test`: the two commands of the README on the real Docker, from nothing to decoded pictures, and what befalls a stack.

May import the standard library, httpx, Pillow and this package.
"""

import contextlib
import hashlib
import io
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import httpx
from PIL import Image

from compose_test.images import ROOT, NoImage, can_be_had, provide
from compose_test.project import Container, NotShown, Project, compose_command, say, until
from live_service import visiting

PROJECT = "imaging-compose-test"
FILES = ROOT / "build" / "compose-test"
#: The WebUI and its checkpoint are gigabytes, and are always stood in for.
WEBUI = "the WebUI itself and its checkpoint (the tests' double and a small file instead)"
S3_IMAGE = "chrislusf/seaweedfs:4.44"


@attrs.define
class Run:
    """One run: the project, and where its doors are."""

    project: Project
    api: str
    gui: str

    # --- what a person does ------------------------------------------------------------------------------

    def submit(self, path: str, **body: object) -> str:
        """The id of an accepted job; a service that is away for a moment is asked again."""
        key = secrets.token_hex(8)

        def accepted() -> str | None:
            with contextlib.suppress(httpx.TransportError):
                answer = httpx.post(self.api + path, json=body, headers={"idempotency-key": key}, timeout=30)
                if answer.status_code == 503:
                    return None
                if answer.status_code != 202:
                    raise NotShown(f"POST {path} answered {answer.status_code}: {answer.text}")
                return str(answer.json()["image_id"])
            return None

        return until(accepted, f"the acceptance of POST {path}")

    def ended(self, image_id: str) -> dict[str, object]:
        """The job once it has ended."""

        def end() -> dict[str, object] | None:
            with contextlib.suppress(httpx.TransportError):
                answer = httpx.get(f"{self.api}/status/{image_id}", timeout=30)
                status: dict[str, object] = answer.json() if answer.status_code == 200 else {}
                if status.get("status") in {"finished", "failed", "cancelled"}:
                    return status
            return None

        return until(end, f"the end of job {image_id}")

    def decoded(self, image_id: str) -> str:
        """What a finished job's picture is, once it was decoded. Raises NotShown."""
        status = self.ended(image_id)
        if status["status"] != "finished":
            raise NotShown(f"job {image_id} ended otherwise: {status}")
        answer = httpx.get(f"{self.api}/image/{image_id}", timeout=30).raise_for_status()
        picture = Image.open(io.BytesIO(answer.content))
        picture.load()
        return f"{picture.format} {picture.width}x{picture.height}, {len(answer.content)} bytes, by {status['backend']}"

    def several(self, count: int, path: str = "/images", **body: object) -> list[str]:
        """That many jobs, of which at least one has begun."""
        ids = [self.submit(path, prompt=f"a hill at dusk, {n}", **body) for n in range(count)]
        until(lambda: self._states(ids) & {"started"} or None, "a job that is under way")
        return ids

    def _states(self, ids: Sequence[str]) -> set[str]:
        return {httpx.get(f"{self.api}/status/{image_id}", timeout=30).json()["status"] for image_id in ids}

    def all_decoded(self, ids: Sequence[str]) -> None:
        """All of these jobs finish, each with its picture."""
        for image_id in ids:
            self.decoded(image_id)


# --- what is shown, in this order ------------------------------------------------------------------------


def the_first_command(run: Run) -> str:
    run.project.run("up", "-d", "redis", "fastapi", "frontend")
    for service in ("redis", "worker", "fastapi", "frontend"):
        run.project.become(service)
    return run.decoded(run.submit("/images", prompt="a lighthouse at dusk"))


def the_page(run: Run) -> str:
    with visiting(run.gui) as visit:
        visit.open()
        visit.generate("A lighthouse at dusk")
        visit.picture("A lighthouse at dusk")
        if visit.faults:
            raise NotShown(f"the page has faults: {visit.faults}")
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    key = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
    stranger = {"host": "rebound.example", "origin": "http://rebound.example"}
    answer = httpx.get(f"{run.gui}/_stcore/stream", headers={**upgrade, **key, **stranger}, timeout=30)
    if answer.status_code < 400:
        raise NotShown(f"the page answers to a stranger's name: {answer.status_code}")
    return "a picture made on it in a browser; a stranger's name is refused"


def the_second_command(run: Run) -> str:
    run.project.run("--profile", "stablediffusion", "up", "-d")
    run.project.become("stable-diffusion-webui")
    run.project.become("download", "exited 0")
    told = run.decoded(run.submit("/local/images", prompt="a lighthouse at dusk", steps=4, width=64, height=64))
    again = run.project.run("run", "--rm", "download").stdout
    if "is there and whole" not in again or "%" in again:
        raise NotShown(f"a second download does not skip what is there:\n{again}")
    return f"{told}; a second download skips what is there"


def a_killed_worker(run: Run) -> str:
    ids = run.several(6)
    run.project.run("kill", "worker")
    run.project.run("up", "-d", "worker")
    run.all_decoded(ids)
    return f"{len(ids)} jobs finished"


def a_restarted_redis(run: Run) -> str:
    ids = run.several(6)
    run.project.run("restart", "redis")
    ids += [run.submit("/images", prompt="a hill by night")]
    run.all_decoded(ids)
    return f"{len(ids)} jobs finished, one of them submitted while it was away"


def three_workers(run: Run) -> str:
    run.project.run("up", "-d", "--scale", "worker=3", "worker")
    workers = run.project.become("worker", count=3)
    ids = run.several(4) + run.several(4, "/local/images", steps=10, width=64, height=64)
    run.all_decoded(ids)
    run.project.run("up", "-d", "--scale", "worker=1", "worker")
    return f"{len(workers)} healthy, {len(ids)} jobs finished"


def hardening(run: Run) -> str:
    for service in ("worker", "fastapi", "frontend"):
        for one in run.project.containers(service):
            _must_be_confined(one)
    if any(run.project.containers("redis")[0].facts["HostConfig"]["PortBindings"] or {}):
        raise NotShown("Redis has a published port")
    published = [
        binding["HostIp"]
        for service in ("fastapi", "frontend")
        for bindings in run.project.containers(service)[0].facts["HostConfig"]["PortBindings"].values()
        for binding in bindings
    ]
    if set(published) != {"127.0.0.1"}:
        raise NotShown(f"ports are published to {published}")
    return "no root, no capability, read-only, ports on loopback only"


def _must_be_confined(one: Container) -> None:
    host, config = one.facts["HostConfig"], one.facts["Config"]
    facts = {
        "runs as a user of its own": config["User"] == "10001:10001",
        "has a read-only root": host["ReadonlyRootfs"],
        "has no capability": [cap.removeprefix("CAP_") for cap in host["CapDrop"]] == ["ALL"] and not host["CapAdd"],
        "gains no privilege": any("no-new-privileges" in option for option in host["SecurityOpt"] or ()),
    }
    for fact, holds in facts.items():
        if not holds:
            raise NotShown(f"{one.name}: it is not so that it {fact}")


def pictures_in_a_bucket(run: Run) -> str:
    bucket = {
        "IMAGING_STORAGE_URL": "s3://pictures",
        "IMAGING_S3_ENDPOINT": "http://s3:8333",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "imaging",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
    }
    run.project = attrs.evolve(run.project, environment={**run.project.environment, **bucket})
    run.project.run("--profile", "s3", "up", "-d", "s3")
    run.project.become("s3")
    run.project.run("--profile", "s3", "up", "-d", "redis", "fastapi", "frontend")
    for service in ("worker", "fastapi"):
        run.project.become(service)
    told = run.decoded(run.submit("/images", prompt="a lighthouse at dusk"))
    doctor = run.project.run("exec", "-T", "worker", "imaging", "doctor").stdout
    if "ok   Pictures: s3://pictures can be written." not in doctor:
        raise NotShown(f"the doctor does not find the bucket:\n{doctor}")
    return told


def a_stop_in_time(run: Run) -> str:
    began = time.monotonic()
    run.project.run("--profile", "s3", "--profile", "stablediffusion", "stop")
    ends = {service: run.project.containers(service)[0].state for service in ("worker", "fastapi", "frontend")}
    if set(ends.values()) != {"exited 0"}:
        raise NotShown(f"the containers ended otherwise: {ends}")
    return f"all ended with 0 within {time.monotonic() - began:.0f} s"


STEPS: dict[str, Callable[[Run], str]] = {
    "up -d redis fastapi frontend, then POST /images": the_first_command,
    "the page": the_page,
    "--profile stablediffusion up -d, then POST /local/images": the_second_command,
    "a worker killed in the middle of jobs": a_killed_worker,
    "Redis restarted in the middle of jobs": a_restarted_redis,
    "three workers": three_workers,
    "hardening": hardening,
    "profile s3": pictures_in_a_bucket,
    "stop": a_stop_in_time,
}


def main() -> int:
    """Do it all; 0 when everything was shown."""
    try:
        command = compose_command()
        replaced = provide(["python:3.12-slim", "redis:8-alpine"])
        overlays = ["compose.yaml", "tests/compose_test/webui.yaml"]
        not_shown = [WEBUI, *(f"the image {image} (made here instead of pulled)" for image in replaced)]
        if not can_be_had(S3_IMAGE):
            overlays.append("tests/compose_test/s3.yaml")
            not_shown.append(f"the image {S3_IMAGE} (moto's server instead)")
    except (NoImage, NotShown) as error:
        say(f"Nothing was shown: {error}")
        return 1
    _write_files(FILES)
    api, gui = _port(8000), _port(8501)
    environment = {
        "COMPOSE_PROJECT_NAME": PROJECT,
        "COMPOSE_FILE": ":".join(overlays),
        "COMPOSE_TEST_FILES": str(FILES),
        "API_PORT": str(api),
        "GUI_PORT": str(gui),
        # Compose 1 builds by the old builder, which every engine has.
        **({} if command[0] == "docker" else {"DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "0"}),
    }
    run = Run(Project(command=command, environment=environment), f"http://127.0.0.1:{api}", f"http://localhost:{gui}")
    return _shown(run, not_shown)


def _shown(run: Run, not_shown: Sequence[str]) -> int:
    everything = ("--profile", "s3", "--profile", "stablediffusion")
    run.project.run("build", "fastapi")
    # What an earlier run left behind would make this one's first start another's second.
    run.project.run(*everything, "down", "--volumes", "--remove-orphans")
    failed = False
    try:
        for title, step in STEPS.items():
            say(f"shown: {title}: {step(run)}")
    except NotShown as error:
        say(f"FAILED: {error}")
        failed = True
    finally:
        run.project.run(*everything, "down", "--volumes", "--remove-orphans", check=False)
        shutil.rmtree(FILES)
    for what in not_shown:
        say(f"not shown: {what}")
    return 1 if failed else 0


def _write_files(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    data = secrets.token_bytes(1 << 20)
    (folder / "tinyA.safetensors").write_bytes(data)
    (folder / "models.toml").write_text(
        '[[model]]\nname = "A small file"\nurl = "http://files:8080/tinyA.safetensors"\nfile = "tinyA.safetensors"\n'
        f'size = {len(data)}\nsha256 = "{hashlib.sha256(data).hexdigest()}"\n'
    )


def _port(usual: int) -> int:
    """The usual port, or a free one where somebody else listens on it."""
    for port in (usual, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise NotShown("there is no free port")


if __name__ == "__main__":
    sys.exit(main())

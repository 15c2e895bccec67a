"""The fake WebUI behaves over time as the recorded real one: progress, interrupts, the queue, and what waits for it.

tests/data/sdwebui/timelines.json holds what the recorded time lines show, without the times.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.sdwebui import FakeWebUI, launch

TIMELINES = json.loads(
    (Path(__file__).resolve().parents[1] / "data" / "sdwebui" / "timelines.json").read_text(encoding="utf-8")
)
SMALL = {"prompt": "x", "width": 64, "height": 64, "seed": 1}


@pytest.fixture(scope="module")
def webui() -> Iterator[FakeWebUI]:
    with launch("--step-seconds", "0.01", "--load-seconds", "0.2") as server:
        yield server


@pytest.fixture
async def client(webui: FakeWebUI) -> AsyncIterator[httpx.AsyncClient]:
    webui.control(step_seconds=0.01, stall=False, deaf=False)
    async with httpx.AsyncClient(base_url=webui.url, timeout=60) as client:
        yield client


async def received(server: FakeWebUI, calls: int) -> None:
    """Wait until that many generation calls have arrived since the start."""
    await asyncio.to_thread(server.wait, lambda snapshot: snapshot["received"] == calls)


class Watch:
    """Polls a server while its jobs run, acts once when a recorded action is due, and keeps what was seen."""

    def __init__(self, client: httpx.AsyncClient, recorded: dict[str, Any]) -> None:
        self.client = client
        self.phases: list[list[Any]] = []
        self.tasks: dict[str, list[list[Any]]] = {name: [] for name in recorded.get("tasks", {})}
        self.first_image_at: int | None = None
        self._due = list(recorded["actions"])

    async def until_done(self, jobs: "list[asyncio.Task[httpx.Response]]") -> None:
        while not all(job.done() for job in jobs):
            await self._look()
            await asyncio.sleep(0.002)

    async def _look(self) -> None:
        progress = (await self.client.get("/sdapi/v1/progress")).json()
        state = progress["state"]
        append_new(self.phases, [state["job"], state["job_count"], state["job_no"]])
        if progress["current_image"] and self.first_image_at is None:
            self.first_image_at = state["sampling_step"]
        for name, seen in self.tasks.items():
            answer = await self.client.post("/internal/progress", json={"id_task": name})
            facts = answer.json()
            append_new(seen, [facts["active"], facts["queued"], facts["textinfo"]])
        if self._due and state["job"] and [state["job_no"], state["sampling_step"]] >= self._due[0]["after"]:
            assert (await self.client.post(self._due.pop(0)["do"])).status_code == 200


def append_new(seen: list[list[Any]], item: list[Any]) -> None:
    if not seen or seen[-1] != item:
        seen.append(item)


def lasting(phases: list[list[Any]]) -> list[list[Any]]:
    """Without phases that pass within one step, which a poll may or may not meet."""
    several = any(job.startswith("Batch") for job, _, _ in phases)
    kept: list[list[Any]] = []
    for job, count, number in phases:
        if job and count > 0 and not (several and job.startswith("scripts")):
            append_new(kept, [job, count, number])
    return kept


@pytest.mark.parametrize("name", TIMELINES)
async def test_a_recorded_time_line_is_followed(name: str) -> None:
    recorded = TIMELINES[name]
    with launch(*recorded["server"], "--step-seconds", "0.015", "--load-seconds", "0.3") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            watch = Watch(client, recorded)
            jobs = []
            for result in recorded["results"].values():
                jobs.append(asyncio.create_task(client.post("/sdapi/v1/txt2img", json=result["request"])))
                await received(server, len(jobs))
            await watch.until_done(jobs)
            after = (await client.get("/sdapi/v1/progress")).json()

    for result, job in zip(recorded["results"].values(), jobs, strict=True):
        info = json.loads(job.result().json()["info"])
        assert job.result().status_code == result["status"]
        assert len(job.result().json()["images"]) == result["images"]
        assert (len(info["all_seeds"]), len(info["infotexts"])) == (result["seeds"], result["infotexts"])
    assert lasting(watch.phases) == lasting(recorded["phases"])
    assert (watch.first_image_at is None) == (recorded["first_image_at_step"] is None)
    if watch.first_image_at is not None:
        assert watch.first_image_at >= 10
    for task, states in recorded.get("tasks", {}).items():
        assert watch.tasks[task][: len(states)] == states
    del after["state"]["job_timestamp"]
    assert {"progress": after["progress"], "state": after["state"]} == recorded["after"]


async def test_progress_falls_to_zero_and_a_model_that_loads_is_told_by_minus_one(
    webui: FakeWebUI, client: httpx.AsyncClient
) -> None:
    body = {**SMALL, "steps": 30, "override_settings": {"sd_model_checkpoint": "tinyB"}}
    job = asyncio.create_task(client.post("/sdapi/v1/txt2img", json=body))
    counts, fractions = [], []
    while not job.done():
        answer = (await client.get("/sdapi/v1/progress")).json()
        counts.append(answer["state"]["job_count"])
        fractions.append(answer["progress"])

    assert -1 in counts
    assert counts.index(-1) < counts.index(1)
    running = [fraction for fraction in fractions if fraction > 0]
    assert min(running) == pytest.approx(0.01)
    assert 0.9 < max(running) < 1
    assert (await client.get("/sdapi/v1/progress")).json()["progress"] == 0.0


async def test_closing_the_connection_does_not_cancel(webui: FakeWebUI, client: httpx.AsyncClient) -> None:
    async with httpx.AsyncClient(base_url=webui.url) as impatient:
        with pytest.raises(httpx.ReadTimeout):
            await impatient.post("/sdapi/v1/txt2img", json={**SMALL, "steps": 50}, timeout=0.2)

    assert (await client.get("/sdapi/v1/progress")).json()["state"]["job"] == "scripts_txt2img"
    await asyncio.to_thread(webui.wait, lambda state: state["in_flight"] == 0)
    assert webui.log()[-1].outcome == "ok"


async def test_calls_run_one_at_a_time_in_order_of_arrival_and_starve_the_rest_beyond_forty(
    webui: FakeWebUI, client: httpx.AsyncClient
) -> None:
    webui.control(stall=True)
    before = webui.control()["received"]
    ended: list[int] = []

    async def call(number: int) -> None:
        await client.post("/sdapi/v1/txt2img", json={**SMALL, "steps": 1})
        ended.append(number)

    calls = []
    for number in range(39):
        calls.append(asyncio.create_task(call(number)))
        await received(webui, before + number + 1)
    assert (await client.get("/sdapi/v1/progress", timeout=1)).status_code == 200

    # The fortieth takes the last thread of the real server's pool: from now on nothing is answered.
    calls.append(asyncio.create_task(call(39)))
    await received(webui, before + 40)
    with pytest.raises(httpx.ReadTimeout):
        await client.get("/sdapi/v1/progress", timeout=0.3)

    webui.control(stall=False, step_seconds=0.0)
    await asyncio.gather(*calls)
    logged = webui.log()[-40:]
    assert all(one.ended <= two.started for one, two in itertools.pairwise(logged) if one.ended and two.started)
    assert sorted(ended) == list(range(40))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sdapi/v1/refresh-checkpoints", None),
        ("/sdapi/v1/refresh-vae", None),
        ("/sdapi/v1/options", {"sd_model_checkpoint": "tinyA"}),
    ],
)
async def test_some_orders_wait_for_the_running_job(
    webui: FakeWebUI, client: httpx.AsyncClient, path: str, body: dict[str, str] | None
) -> None:
    job = asyncio.create_task(client.post("/sdapi/v1/txt2img", json={**SMALL, "steps": 150}))
    await asyncio.to_thread(webui.wait, lambda state: state["running"] is not None)
    assert (await client.get("/sdapi/v1/sd-models")).status_code == 200
    assert not job.done()

    assert (await client.post(path, json=body)).status_code == 200

    await asyncio.to_thread(webui.wait, lambda state: state["in_flight"] == 0)
    await job


async def test_named_tasks_are_queued_then_active_then_completed_and_a_used_name_is_completed_at_once(
    webui: FakeWebUI, client: httpx.AsyncClient
) -> None:
    async def state(name: str, **more: object) -> dict[str, Any]:
        answer: dict[str, Any] = (await client.post("/internal/progress", json={"id_task": name, **more})).json()
        return answer

    async def make(name: str, steps: int = 2) -> httpx.Response:
        return await client.post("/sdapi/v1/txt2img", json={**SMALL, "steps": steps, "force_task_id": name})

    long = asyncio.create_task(make("long", 40))
    await asyncio.to_thread(webui.wait, lambda snapshot: snapshot["running"] == "long")
    waiting = asyncio.create_task(make("waiting"))
    await asyncio.to_thread(webui.wait, lambda snapshot: snapshot["waiting"] == ["waiting"])
    assert (await state("waiting"))["textinfo"] == "In queue: 1/1"
    assert (await client.get("/internal/pending-tasks")).json() == {"size": 1, "tasks": ["waiting"]}
    await asyncio.to_thread(webui.wait, lambda snapshot: snapshot["step"] >= 12)
    shown = await state("long")
    assert shown["live_preview"].startswith("data:image/png;base64,")
    again = await state("long", id_live_preview=shown["id_live_preview"])
    assert (again["live_preview"], again["id_live_preview"]) == (None, shown["id_live_preview"])
    await asyncio.gather(long, waiting)

    assert (await state("waiting"))["completed"]
    rerun = asyncio.create_task(make("waiting", 30))
    await asyncio.to_thread(webui.wait, lambda snapshot: snapshot["running"] == "waiting")
    facts = await state("waiting")
    assert (facts["active"], facts["completed"]) == (True, True)
    await rerun


async def test_only_the_last_sixteen_finished_tasks_are_remembered(client: httpx.AsyncClient) -> None:
    for number in range(17):
        await client.post("/sdapi/v1/txt2img", json={**SMALL, "steps": 1, "force_task_id": f"nth-{number}"})

    remembered = [
        (await client.post("/internal/progress", json={"id_task": f"nth-{number}"})).json()["completed"]
        for number in range(17)
    ]

    assert remembered == [False, *[True] * 16]


async def test_a_failed_task_is_never_completed_and_seems_active_until_the_next(
    webui: FakeWebUI, client: httpx.AsyncClient
) -> None:
    webui.control(fail={"shape": "oom", "at": "middle"})
    failed = await client.post("/sdapi/v1/txt2img", json={**SMALL, "steps": 4, "force_task_id": "unlucky"})

    async def facts() -> tuple[bool, bool]:
        answer = (await client.post("/internal/progress", json={"id_task": "unlucky"})).json()
        return answer["active"], answer["completed"]

    assert (failed.status_code, failed.json()["error"]) == (500, "OutOfMemoryError")
    assert await facts() == (True, False)
    await client.post("/sdapi/v1/txt2img", json={**SMALL, "steps": 1})
    assert await facts() == (False, False)


async def test_an_interrupt_hits_whatever_runs_and_is_harmless_when_idle(
    webui: FakeWebUI, client: httpx.AsyncClient
) -> None:
    whole = await client.post("/sdapi/v1/txt2img", json={**SMALL, "steps": 20})
    await client.post("/sdapi/v1/interrupt")
    again = await client.post("/sdapi/v1/txt2img", json={**SMALL, "steps": 20})
    assert again.json()["images"] == whole.json()["images"]

    webui.control(stall=True)
    job = asyncio.create_task(client.post("/sdapi/v1/txt2img", json={**SMALL, "steps": 20}))
    await asyncio.to_thread(webui.wait, lambda state: state["running"] is not None)
    await client.post("/sdapi/v1/interrupt")
    half = await job

    assert half.status_code == 200
    assert half.json()["images"] != whole.json()["images"]
    assert json.loads(half.json()["info"])["infotexts"] == json.loads(whole.json()["info"])["infotexts"]


async def test_a_refusing_server_comes_back_on_the_same_port(webui: FakeWebUI) -> None:
    webui.control(refuse_seconds=0.3)
    seen: list[str] = []
    async with httpx.AsyncClient(base_url=webui.url) as client, asyncio.timeout(10):
        while seen[-2:] != ["refused", "answered"]:
            try:
                await client.get("/sdapi/v1/progress", headers={"connection": "close"})
                seen.append("answered")
            except httpx.TransportError:
                seen.append("refused")
            await asyncio.sleep(0.01)

    assert seen[-2:] == ["refused", "answered"]


async def test_an_unknown_switch_is_refused(client: httpx.AsyncClient) -> None:
    answers = [await client.post("/__control", json=body) for body in ({"nope": 1}, {"fail": {"shape": "nope"}})]

    assert [answer.status_code for answer in answers] == [400, 400]

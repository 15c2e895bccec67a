"""Pausing, resuming and cancelling many over a real port: what callers and operators see of it.

May import the API, the core, the client and the neighbouring test modules.
"""

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from api_setting import ended, status_of, submit, until
from entrypoints.client import ApiError, AsyncImagingClient, ImagingClient
from imaging_core.cancelling import Cancelled, cancel_many
from imaging_core.jobs import JobStatus
from imaging_core.keys import Scope
from imaging_core.ports import JobQuery
from key_setting import LockedApi


@pytest.fixture
def api() -> Iterator[LockedApi]:
    """Open until somebody makes an admin's key."""
    with LockedApi(fresh_s=0).serving() as api:
        yield api
        api.release()


def test_a_paused_backend_takes_jobs_and_begins_them_when_it_is_resumed(api: LockedApi) -> None:
    with api.client() as client, ImagingClient(api.url) as operator:
        api.hold()
        running = submit(client, prompt="hold it")
        until(lambda: status_of(client, running), lambda status: status["status"] == "started")
        standing = operator.pause_backend("stability", reason="New drivers, back at six.")
        assert (standing.name, standing.started, standing.waiting) == ("stability", 1, 0)
        assert standing.paused is not None

        waiting = submit(client)
        api.release()
        assert ended(client, running)["status"] == "finished"
        status = status_of(client, waiting)
        assert (status["status"], status["queue_position"], status["eta_s"]) == ("queued", 1, None)
        assert status["paused"]["reason"] == "New drivers, back at six."
        assert "New drivers, back at six." in status["paused"]["message"]
        told = {b["name"]: b["paused"] for b in client.get("/backends").json()["backends"]}
        assert told["stability"] == {"since": status["paused"]["since"], "reason": "New drivers, back at six."}
        assert (told["local"], told["spare"]) == (None, None)
        estimate = client.post("/estimate", json={"prompt": "x"}).json()
        assert [(o["code"], o["refuses"]) for o in estimate["obstacles"]] == [("backend_paused", False)]
        assert 'imaging_backend_paused{backend="stability"} 1.0' in client.get("/metrics").text
        other = submit(client, "/local/images")
        assert ended(client, other)["status"] == "finished"

        again = operator.pause_backend("stability")
        assert again.paused is not None
        assert (again.paused.since, again.paused.reason) == (standing.paused.since, "")
        assert operator.resume_backend("stability").paused is None
        assert ended(client, waiting)["status"] == "finished"
        assert status_of(client, waiting)["paused"] is None


def test_only_an_admin_stops_a_backend_and_it_is_on_record(api: LockedApi) -> None:
    admin, ann = api.make_admin(), api.make_key("ann")
    with ImagingClient(api.url, api_key=ann) as client:
        for refused in (client.pause_backend, client.resume_backend):
            with pytest.raises(ApiError) as error:
                refused("stability")
            assert (error.value.status, error.value.problem.type) == (403, "/problems/forbidden")
        with pytest.raises(ApiError, match="everybody") as error:
            client.cancel_all(everybody=True)
        assert error.value.status == 403
    with ImagingClient(api.url, api_key=admin) as client, api.asked(admin) as raw:
        client.pause_backend("local")
        client.resume_backend("local")
        client.cancel_all(everybody=True)
        done = [(r["action"], r["subject"]) for r in raw.get("/audit").json()["records"]]
    assert done[:3] == [("jobs.cancelled", "0 of everybody"), ("backend.resumed", "local"), ("backend.paused", "local")]


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("/backends/nothing/pause", {}, 404, "stability, local"),
        ("/backends/spare/resume", None, 404, "stability, local"),
        ("/backends/local/pause", {"reason": "x" * 301}, 422, "reason: must have at most 300 characters."),
        ("/backends/local/pause", {"why": "x"}, 422, "There are: reason."),
        ("/jobs/cancel", {"status": "finished"}, 422, "status:"),
        ("/jobs/cancel", [], 422, "must be a JSON object"),
    ],
)
def test_what_is_wrong_is_named(api: LockedApi, path: str, body: object, status: int, told: str) -> None:
    with api.client() as client:
        answer = client.post(path) if body is None else client.post(path, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert told in answer.json()["detail"]


def test_cancelling_all_touches_ones_own_open_jobs_alone(api: LockedApi) -> None:
    admin, ann, bob = api.make_admin(), api.make_key("ann"), api.make_key("bob")
    api.hold()
    with api.asked(ann) as anns, api.asked(bob) as bobs:
        done = submit(anns)
        ended(anns, done)
        mine = [submit(anns, "/local/images", prompt="hold it") for _ in range(3)]
        running = submit(anns, prompt="hold it")
        theirs = submit(bobs, "/local/images", prompt="hold it")
        until(lambda: status_of(anns, mine[0])["status"], lambda status: status == "started")
        until(lambda: status_of(anns, running)["status"], lambda status: status == "started")

        with ImagingClient(api.url, api_key=ann) as client:
            some = client.cancel_all(backend="local", status=JobStatus.QUEUED)
            assert (some.cancelled, some.asked, some.more) == (2, 0, False)
            rest = client.cancel_all()
            assert (rest.cancelled, rest.asked, rest.more) == (0, 2, False)
        assert {ended(anns, one)["status"] for one in (*mine, running)} == {"cancelled"}
        assert status_of(anns, done)["status"] == "finished"
        until(lambda: status_of(bobs, theirs)["status"], lambda status: status == "started")

        async def everybodys() -> int:
            async with AsyncImagingClient(api.url, api_key=admin) as client:
                return (await client.cancel_all(everybody=True)).asked

        assert asyncio.run(everybodys()) == 1
        assert ended(bobs, theirs)["status"] == "cancelled"


def test_an_admin_without_saying_so_cancels_none_but_their_own(api: LockedApi) -> None:
    admin, ann = api.make_admin(), api.make_key("ann", scopes=(Scope.READ, Scope.SUBMIT))
    api.hold()
    with api.asked(ann) as anns:
        theirs = submit(anns, prompt="hold it")
        with ImagingClient(api.url, api_key=admin) as client:
            nothing = client.cancel_all()
        assert (nothing.cancelled, nothing.asked) == (0, 0)
        assert not status_of(anns, theirs)["cancel_requested"]


def test_what_is_left_over_is_told(api: LockedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imaging_core.cancelling.MOST", 2)
    monkeypatch.setattr("imaging_core.cancelling.AT_ONCE", 2)
    with api.client() as client:
        client.post("/backends/stability/pause")
        for _ in range(3):
            submit(client)

        async def cancelled() -> Cancelled:
            return await cancel_many(api.service.list, api.service.cancel, JobQuery())

        assert api.within(cancelled) == Cancelled(cancelled=2, more=True)
        assert api.within(cancelled) == Cancelled(cancelled=1, more=False)


def test_workers_and_the_depth_of_the_queue_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imaging_core.pulse.NOTE_S", 0.02)
    monkeypatch.setattr("imaging_core.pulse.BEAT_S", 0.02)
    with LockedApi(fresh_s=0).serving() as api:
        admin, ann = api.make_admin(), api.make_key("ann")
        api.hold()
        with ImagingClient(api.url, api_key=ann) as client, ImagingClient(api.url, api_key=admin) as operator:
            assert {(m.waiting, m.started) for m in client.history("local")} == {(0, 0)}
            for _ in range(3):
                client.submit("hold it", backend="local")
            until(lambda: client.history("local")[-1], lambda minute: minute.waiting >= 2 and minute.started == 1)
            assert len(client.history("local", minutes=7)) == 7
            moments = [minute.at for minute in client.history("local", minutes=3)]
            assert [(b - a).total_seconds() for a, b in itertools.pairwise(moments)] == [60, 60]

            (worker,) = until(operator.workers, lambda workers: workers[0].busy["local"] == 1)
            assert (worker.slots, worker.busy) == ({"stability": 4, "local": 1}, {"stability": 0, "local": 1})
            assert worker.started_at <= worker.seen_at
            with pytest.raises(ApiError) as error:
                client.workers()
            assert error.value.status == 403
            with api.asked(admin) as raw:
                assert 'imaging_workers{backend="local"} 1.0' in raw.get("/metrics").text
                for wrong in ("0", "361", "x", "-1"):
                    assert raw.get(f"/backends/local/history?minutes={wrong}").status_code == 422
                assert raw.get("/backends/nothing/history").status_code == 404
        api.release()

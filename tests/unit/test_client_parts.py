"""The client's decisions without a network: when to try again, how to wait, what a stream says."""

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.client import ApiError, ClientError, Problem, ServiceUnreachable, calls, reading
from entrypoints.client.patience import Patience
from entrypoints.client.reading import Answer
from entrypoints.client.rounds import Rounds
from entrypoints.client.sse import Garbled, SentEvent, SseParser
from entrypoints.client.values import JobInfo
from entrypoints.client.watching import Watching
from imaging_core.jobs import JobStatus


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def refused(status: int, retry_after_s: float | None) -> ApiError:
    return ApiError(Problem(status=status, type="x", title="x", detail="x", retry_after_s=retry_after_s))


def lost(*, sent: bool) -> ServiceUnreachable:
    return ServiceUnreachable("http://service", "the connection broke", sent=sent)


SUBMIT, DELETE, LOOK = calls.submit("a mill", None, {}), calls.delete("0" * 32), calls.status("0" * 32)


@pytest.mark.parametrize(
    ("call", "error", "again"),
    [
        (SUBMIT, lost(sent=True), True),
        (DELETE, lost(sent=True), False),
        (DELETE, lost(sent=False), True),
        (LOOK, lost(sent=True), True),
        (DELETE, refused(503, 2.0), True),
        (SUBMIT, refused(429, 2.0), True),
        (SUBMIT, refused(429, 3600.0), False),
        (SUBMIT, refused(503, None), False),
        (SUBMIT, refused(422, None), False),
        (LOOK, ServiceUnreachable("x", "no http", sent=False, lasting=True), False),
        (LOOK, ClientError("garbled"), False),
    ],
)
def test_a_call_is_repeated_if_that_is_of_use_and_does_no_harm(
    call: calls.Call[object], error: ClientError, again: bool
) -> None:
    wait_s = Patience(call, 30.0, Clock()).wait_s(error)

    assert (wait_s is not None) is again


def test_patience_ends_with_its_time_and_keeps_to_what_it_was_told() -> None:
    clock = Clock()
    tries = Patience(LOOK, 10.0, clock)
    waits = []
    while (wait_s := tries.wait_s(refused(503, 2.0))) is not None:
        waits.append(wait_s)
        clock.now += wait_s

    assert len(waits) >= 2
    assert all(wait_s >= 2.0 for wait_s in waits)
    assert sum(waits) <= 10.0
    assert Patience(LOOK, 0.0, clock).wait_s(lost(sent=False)) is None


def test_every_submit_has_a_key_of_its_own_and_a_given_one_is_kept() -> None:
    first, second = (calls.submit("a mill", None, {}).headers["idempotency-key"] for _ in range(2))

    assert first != second
    assert calls.submit("a mill", None, {}, "mine").headers["idempotency-key"] == "mine"
    assert "a mill" not in repr(calls.edit("a mill", b"secret", {}))


def test_a_filter_that_would_mislead_is_refused_and_searched_words_stay_out_of_the_repr() -> None:
    with pytest.raises(ValueError, match="created_from must say in which zone"):
        calls.jobs(None, 5, {"created_from": datetime(2026, 11, 22)})  # noqa: DTZ001  # what is wrong with it
    with pytest.raises(TypeError, match="narrowed by favorite"):
        calls.jobs(None, 5, {"favorite": True})  # type: ignore[typeddict-unknown-key]

    call = calls.jobs("next", 5, {"words": "a red barn", "favourite": False, "backend": None})

    assert call.params == (("limit", "5"), ("cursor", "next"), ("q", "a red barn"), ("favourite", "false"))
    assert "barn" not in repr(call)


def job(status: str = "started", **more: object) -> dict[str, object]:
    return {
        "image_id": "0" * 32, "status": status, "backend": "local", "attempt": 1, "seed": 1, "count": 1,
        "cancel_requested": False, "retry_of": None, "cost_credits": 0.0, "created_at": "2026-11-22T17:10:00Z",
        "started_at": None, "finished_at": None, "images": [], "previous_failures": [], **more,
    }  # fmt: skip


def info(status: JobStatus = JobStatus.STARTED) -> JobInfo:
    return reading.job(job(status.value))


def test_a_service_that_holds_questions_is_asked_at_once_and_another_ever_more_seldom() -> None:
    clock = Clock()
    rounds = Rounds("0" * 32, None, 0.25, clock)
    asked_s = rounds.ask_s()
    clock.now += asked_s
    assert (asked_s, rounds.pause_s(info(), asked_s)) == (25, 0.0)

    pauses = [rounds.pause_s(info(), rounds.ask_s()) for _ in range(10)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.25, 2.0)


def test_a_wait_never_asks_beyond_its_time() -> None:
    clock = Clock()
    rounds = Rounds("0" * 32, 3.5, 0.25, clock)
    assert rounds.ask_s() == 3
    clock.now += 3.4
    assert rounds.pause_s(info(), 3) == 0.0
    assert rounds.ask_s() == 0
    with pytest.raises(TimeoutError, match=r"still started after 3\.5 s"):
        rounds.pause_s(info(), 0)


STREAM = (
    'retry: 1500\nevent: snapshot\ndata: {"a":\ndata: "ü\u2028"}\nid: 7-0\n\n: alive\n\nevent: progress\ndata: 1\n\n'
)


@given(st.lists(st.integers(1, 40), max_size=30), st.sampled_from(["\n", "\r\n"]))
def test_a_stream_says_the_same_however_it_is_cut(cuts: list[int], end: str) -> None:
    data = STREAM.replace("\n", end).encode()
    parser, place = SseParser(), 0
    events: list[SentEvent] = []
    for cut in [*cuts, len(data)]:
        events += parser.feed(data[place : place + cut])
        place += cut

    assert events == [SentEvent(kind="snapshot", data='{"a":\n"ü\u2028"}'), SentEvent(kind="progress", data="1")]
    assert (parser.last_id, parser.retry_s) == ("7-0", 1.5)


def test_half_an_event_of_a_broken_connection_is_dropped_with_its_id() -> None:
    parser = SseParser()
    assert list(parser.feed(b"data: 1\nid: 1\n\ndata: 2\nid: 2\n")) == [SentEvent(kind="message", data="1")]
    parser.restart()

    assert parser.last_id == "1"
    assert list(parser.feed(b"data: 3\n\n")) == [SentEvent(kind="message", data="3")]


@pytest.mark.parametrize("data", [b"x" * (2 << 20), b"data: \xff\n\n"])
def test_what_is_no_stream_is_refused(data: bytes) -> None:
    with pytest.raises(Garbled):
        list(SseParser().feed(data))


def answer(status: int, kind: str = "application/problem+json", **body: object) -> Answer:
    content = json.dumps({"type": "/problems/x", "title": "x", "detail": "x", **body}).encode()
    return Answer(status=status, headers={"content-type": kind}, content=content)


def test_a_watch_goes_on_where_it_was_and_asks_when_there_is_no_stream() -> None:
    watching = Watching("0" * 32)
    assert watching.opened(answer(200, "text/event-stream"))
    told = list(watching.read(f"event: started\ndata: {json.dumps(job())}\nid: 3-0\n\n".encode()))
    assert [(seen.kind, seen.job.status) for seen in told] == [("started", JobStatus.STARTED)]
    watching.broke()
    assert watching.headers["last-event-id"] == "3-0"
    assert watching.pause_s > 0

    assert not watching.opened(answer(404))
    assert watching.asks
    assert not list(watching.asked(info()))
    assert [seen.job.status for seen in watching.asked(info(JobStatus.FINISHED))] == [JobStatus.FINISHED]
    assert watching.ended


def test_a_watch_that_nothing_but_breaks_comes_of_asks_in_the_end() -> None:
    watching = Watching("0" * 32)
    for _ in range(4):
        assert not watching.asks
        watching.broke()

    assert watching.asks


@pytest.mark.parametrize("status", [401, 403, 410])
def test_a_watch_that_one_may_not_have_says_so(status: int) -> None:
    with pytest.raises(ApiError):
        Watching("0" * 32).opened(answer(status))


@pytest.mark.parametrize("data", [b"data: [\n\n", b"data: 7\n\n", b'data: {"created_at": 1}\n\n'])
def test_a_stream_of_something_else_is_told_apart(data: bytes) -> None:
    with pytest.raises(ClientError, match="imaging service"):
        list(Watching("0" * 32).read(data))


def test_a_job_of_which_nothing_is_left_ends_its_watch() -> None:
    watching = Watching("0" * 32)

    assert list(watching.read(b'event: deleted\ndata: {"image_id": "0"}\n\n')) == []
    assert watching.ended

"""What a bucket that says nothing may hold up: a few threads that read pictures, and nobody for long."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from adapters.s3 import S3ImageStore, S3Place
from adapters.s3.failures import NoAnswer, no_answer
from adapters.s3.reads import READERS, Reads
from contracts.image_store import read
from contracts.samples import a_picture, a_result
from imaging_core.errors import ImageNotAvailable, Unavailable
from imaging_core.ids import new_job_id
from s3_endpoint import S3Endpoint, shared_endpoint


@pytest.fixture
def endpoint(request: pytest.FixtureRequest) -> Iterator[S3Endpoint]:
    endpoint = shared_endpoint(request.config)
    try:
        yield endpoint
    finally:
        endpoint.thaw()


async def test_a_bucket_that_says_nothing_holds_no_thread_for_other_work_and_is_back_at_once(
    endpoint: S3Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.s3.place.SILENT_S", 3)
    monkeypatch.setattr("adapters.s3.place.READ_RETRY_S", 0)
    # Those of other stores may still be ending.
    before = set(threading.enumerate())
    with S3ImageStore(endpoint.place()) as store:
        ref = (await store.put(new_job_id(), 0, a_result(), first_image=0)).images[0]
        endpoint.freeze()

        reading = [asyncio.create_task(read(store, ref)) for _ in range(4 * READERS)]
        assert await store._blocking(lambda: "done") == "done"
        assert not any(task.done() for task in reading)
        refused = await asyncio.gather(*reading, return_exceptions=True)

        assert {type(error) for error in refused} == {NoAnswer}
        names = [thread.name for thread in set(threading.enumerate()) - before]
        assert len([name for name in names if name.startswith("imaging-s3-read")]) <= READERS
        endpoint.thaw()
        assert await read(store, ref) == a_picture(seed=1).data


class Hanging:
    """A read that hangs until it is told how it ends."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self._told = threading.Event()
        self._outcome: Callable[[], str] = lambda: ""

    def __call__(self) -> str:
        self.begun.set()
        self._told.wait(60)
        return self._outcome()

    def end(self, outcome: Callable[[], str]) -> None:
        self._outcome = outcome
        self._told.set()


@pytest.fixture
def place(request: pytest.FixtureRequest) -> S3Place:
    return shared_endpoint(request.config).place()


@pytest.fixture
def reads(place: S3Place) -> Iterator[Reads]:
    reads = Reads(place)
    yield reads
    reads.close()


async def test_while_one_tries_a_silent_bucket_the_others_are_told_at_once(reads: Reads, place: S3Place) -> None:
    def silence() -> str:
        raise no_answer(place)

    with pytest.raises(Unavailable, match="does not answer"):
        await reads.run(silence)
    trial = Hanging()
    trying = asyncio.create_task(reads.run(trial))
    await asyncio.to_thread(trial.begun.wait, 60)

    for _ in range(2 * READERS):
        with pytest.raises(Unavailable, match="does not answer") as refused:
            await reads.run(lambda: "read")
        assert refused.value.retry_after_s == 5
    trial.end(silence)
    with pytest.raises(Unavailable):
        await trying

    assert await reads.run(lambda: "read") == "read"
    assert await asyncio.gather(*(reads.run(lambda: "read") for _ in range(READERS))) == ["read"] * READERS


async def test_a_bucket_that_was_silent_long_ago_refuses_nobody(
    reads: Reads, place: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silence() -> str:
        raise no_answer(place)

    monkeypatch.setattr("adapters.s3.reads.BELIEVED_S", 0)
    with pytest.raises(NoAnswer):
        await reads.run(silence)
    first = Hanging()
    slow = asyncio.create_task(reads.run(first))
    await asyncio.to_thread(first.begun.wait, 60)

    assert await reads.run(lambda: "read") == "read"

    first.end(lambda: "read too")
    assert await slow == "read too"


async def test_a_refusal_is_an_answer_and_so_is_what_others_were_given_meanwhile(reads: Reads, place: S3Place) -> None:
    def silence() -> str:
        raise no_answer(place)

    def gone() -> str:
        raise ImageNotAvailable("It is gone.")

    with pytest.raises(NoAnswer):
        await reads.run(silence)
    with pytest.raises(ImageNotAvailable):
        await reads.run(gone)
    dead, alive = Hanging(), Hanging()
    cut_off = asyncio.create_task(reads.run(dead))
    await asyncio.to_thread(dead.begun.wait, 60)
    assert await reads.run(lambda: "read") == "read"
    dead.end(silence)
    with pytest.raises(NoAnswer):
        await cut_off

    going_on = asyncio.create_task(reads.run(alive))
    await asyncio.to_thread(alive.begun.wait, 60)
    assert await reads.run(lambda: "read") == "read", "one dead connection is no silence"
    alive.end(lambda: "read too")
    assert await going_on == "read too"

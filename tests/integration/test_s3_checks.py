"""Looking whether a bucket takes pictures: how long that is good, for how many, and for how long it may take."""

import asyncio
import socket

import attrs
import obstore
import pytest

from adapters.s3 import S3ImageStore, S3Place
from adapters.s3.place import RETRIES
from contracts.samples import a_result
from imaging_core.errors import Unavailable
from imaging_core.ids import new_job_id
from s3_endpoint import S3Endpoint, keys, shared_endpoint


@pytest.fixture
def endpoint(request: pytest.FixtureRequest) -> S3Endpoint:
    return shared_endpoint(request.config)


@pytest.fixture
def place(endpoint: S3Endpoint) -> S3Place:
    return endpoint.place()


async def test_a_check_that_went_well_is_good_for_ten_seconds_and_writes_once(place: S3Place) -> None:
    now = 100.0
    store = S3ImageStore(place, clock=lambda: now)
    await asyncio.gather(*(store.check() for _ in range(8)))
    client = place.client()
    first = obstore.head(client, "probe")["e_tag"]
    obstore.put(client, "probe", b"somebody else's")

    now += 11
    await store.check()

    assert obstore.head(client, "probe")["e_tag"] != first, "an ordinary check overwrites nothing"
    now += 9
    obstore.delete(client, "probe")
    await store.check()
    assert keys(place) == []


async def test_many_that_ask_at_once_learn_from_one_look(place: S3Place) -> None:
    connections = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        store = S3ImageStore(attrs.evolve(place, endpoint=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        found = await asyncio.gather(*(store.check() for _ in range(20)), return_exceptions=True)

    assert all(isinstance(error, Unavailable) for error in found)
    assert connections <= RETRIES + 1


async def test_a_check_does_not_wait_as_long_as_a_bucket_that_says_nothing(
    place: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.s3.store.CHECK_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = S3ImageStore(attrs.evolve(place, endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}"))
        for _ in range(3):
            with pytest.raises(Unavailable, match="does not answer"):
                await store.check()
        connection, _ = await asyncio.to_thread(silent.accept)
        connection.close()


async def test_a_bucket_that_is_back_is_found_while_an_earlier_look_still_hangs(
    endpoint: S3Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = endpoint.place()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = S3ImageStore(attrs.evolve(place, endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}"))
        monkeypatch.setattr("adapters.s3.store.CHECK_S", 0.2)
        with pytest.raises(Unavailable, match="does not answer"):
            await store.check()
        connection, _ = await asyncio.to_thread(silent.accept)
        monkeypatch.setattr("adapters.s3.store.CHECK_S", 20.0)
        store._objects.place, store._objects._client = place, place.client()

        with connection:
            await store.check()

        assert len(keys(place)) == 1


async def test_a_put_that_fails_makes_the_next_check_look(endpoint: S3Endpoint) -> None:
    place = endpoint.place()
    store = S3ImageStore(place, clock=lambda: 100.0)
    await store.check()
    store._objects.place = attrs.evolve(place, bucket="gone")
    store._objects._client = store._objects.place.client()

    await store.check()
    for ask in (lambda: store.put(new_job_id(), 0, a_result(), first_image=0), store.check):
        with pytest.raises(Unavailable, match="no bucket gone"):
            await ask()


async def test_an_endpoint_that_says_nothing_does_not_hold_up_the_loop(place: S3Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = S3ImageStore(attrs.evolve(place, endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}"))
        checking = asyncio.create_task(store.check())
        connection, _ = await asyncio.to_thread(silent.accept)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not checking.done()
        connection.close()
    with pytest.raises(Unavailable, match="does not answer"):
        await checking

"""A pool of WebUI instances on real ports: what each has, what it has loaded, and whose turn it is."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from adapters.sdwebui import SdWebuiGenerator, SdWebuiSettings
from fakes.sdwebui import FakeWebUI, launch
from imaging_core.errors import BackendUnreachable
from imaging_core.ids import new_job_id, new_token
from imaging_core.images import ImageRequest
from imaging_core.pool import InstancePool
from imaging_core.ports import GenerationCall, Preference


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[FakeWebUI, FakeWebUI]]:
    with (
        launch("--checkpoints", "tinyA,onlyone", "--step-seconds", "0.002") as one,
        launch("--checkpoints", "tinyA,onlytwo", "--step-seconds", "0.002", "--version", "1.8.0") as two,
    ):
        yield one, two


def pool_of(*servers: FakeWebUI | str, **changes: Any) -> SdWebuiGenerator:
    urls = tuple(server if isinstance(server, str) else server.url for server in servers)
    return SdWebuiGenerator(SdWebuiSettings(**{"urls": urls, "poll_s": 0.02, "lists_ttl_s": 0.0, **changes}))


def a_call(instance: str, checkpoint: str) -> GenerationCall:
    request = ImageRequest(prompt="a lighthouse", steps=2, width=64, height=64, checkpoint=checkpoint)
    facts = {"job_id": new_job_id(), "index": 0, "task_id": new_token(), "seed": 42, "images": 1}
    return GenerationCall(request=request, instance=instance, **facts)  # type: ignore[arg-type]


async def test_each_instance_tells_what_it_has_and_leaves_what_only_others_have(
    servers: tuple[FakeWebUI, FakeWebUI],
) -> None:
    async with pool_of(*servers) as pool:
        assert isinstance(pool, InstancePool)
        one, two = pool.instances
        first = await pool.standing(one)
        assert first.preference.only == frozenset({"tinyA", "onlyone"}), "nobody knows yet what the other has"
        checkpoints = (await pool.capabilities()).parameter("checkpoint")
        assert checkpoints is not None
        assert set(checkpoints.choices) == {"tinyA", "onlyone", "onlytwo"}

        for instance, checkpoint in ((one, "onlyone"), (two, "tinyA")):
            await pool.generate(a_call(instance, checkpoint), report=lambda _: None)

        assert (await pool.standing(one)).preference == Preference(never=frozenset({"onlytwo"}), loaded="onlyone")
        assert (await pool.standing(two)).preference == Preference(never=frozenset({"onlyone"}), loaded="tinyA")
        assert (pool.holding("onlyone"), pool.holding("tinyA")) == ((one,), (two,))
        looks = await pool.look()
        assert [(look.name, look.answers, look.loaded) for look in looks] == [
            (one, True, "onlyone"),
            (two, True, "tinyA"),
        ]
        assert "before 1.9" in looks[1].message


async def test_a_call_goes_to_the_instance_it_names(servers: tuple[FakeWebUI, FakeWebUI]) -> None:
    before = [len(server.log()) for server in servers]
    async with pool_of(*servers) as pool:
        for instance in pool.instances:
            await pool.generate(a_call(instance, "tinyA"), report=lambda _: None)

    assert [len(server.log()) for server in servers] == [count + 1 for count in before]


async def test_names_of_an_address_that_each_host_has_for_itself_name_the_host() -> None:
    pool = pool_of("http://127.0.0.1:7860", "http://localhost:7861/sd", "http://gpu1:7860")

    host = socket.gethostname()
    assert pool.instances == (f"{host}/127.0.0.1:7860", f"{host}/localhost:7861/sd", "gpu1:7860")


async def test_somebody_elses_work_is_given_way_to_for_a_while(servers: tuple[FakeWebUI, FakeWebUI]) -> None:
    server, _ = servers
    async with pool_of(server, stranger_timeout_s=0.3) as pool, httpx.AsyncClient(timeout=30) as somebody:
        (one,) = pool.instances
        assert not (await pool.standing(one)).busy
        server.control(step_seconds=0.05)
        theirs = asyncio.create_task(
            somebody.post(f"{server.url}/sdapi/v1/txt2img", json={"steps": 100, "width": 64, "height": 64})
        )
        await asyncio.to_thread(server.wait, lambda state: state["running"] is not None)

        assert (await pool.standing(one)).busy
        await asyncio.sleep(0.4)
        assert not (await pool.standing(one)).busy

        await somebody.post(f"{server.url}/sdapi/v1/interrupt")
        await theirs
        server.control(step_seconds=0.002)


async def test_an_instance_that_is_down_is_known_by_what_it_had_and_holds_up_nobody() -> None:
    with launch("--checkpoints", "tinyA") as one, launch("--checkpoints", "tinyA,onlytwo") as two:
        async with pool_of(one, two) as pool:
            await pool.capabilities()
            first, second = pool.instances
            two.stop()
            with pytest.raises(BackendUnreachable):
                await pool.standing(second)

            checkpoints = (await pool.capabilities()).parameter("checkpoint")

            assert checkpoints is not None
            assert set(checkpoints.choices) == {"tinyA", "onlytwo"}
            assert (await pool.standing(first)).preference.never == {"onlytwo"}
            assert [(look.answers, look.down) for look in await pool.look()] == [(True, False), (False, True)]
            assert "cannot be reached" in await pool.probe()


async def test_an_instance_that_says_nothing_holds_up_no_question_to_the_others() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as mute, launch("--checkpoints", "tinyA") as one:
        silent = f"http://127.0.0.1:{mute.getsockname()[1]}"
        async with pool_of(one, silent, question_timeout_s=60.0) as pool, asyncio.timeout(10):
            for _ in range(20):
                checkpoints = (await pool.capabilities()).parameter("checkpoint")
                assert checkpoints is not None
                assert checkpoints.choices == ("tinyA",)
            assert [(look.answers, look.down) for look in await pool.look()] == [(True, False), (False, False)]


@pytest.mark.parametrize("turns", range(1, 7))
async def test_a_closing_that_is_cancelled_closes_everything_all_the_same(turns: int) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(says_nothing, "127.0.0.1", 0)
    async with server:
        pool = await pool_of(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").__aenter__()
        asking = asyncio.create_task(pool.probe())
        await asked.wait()

        closing = asyncio.create_task(pool.__aexit__(None, None, None))
        for _ in range(turns):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait((closing, asking))

        async with asyncio.timeout(10):
            await gone.wait()
        (instance,) = pool._instances.values()
        assert instance._wire._client is None

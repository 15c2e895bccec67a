"""Everybody in a process asks Redis over one connection, and everybody gets the answer to their own question."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.redis import RedisLink
from imaging_core.errors import Unavailable
from redis_server import RedisServer, shared_server
from redis_setting import until


@pytest.fixture
async def link(request: pytest.FixtureRequest) -> AsyncIterator[RedisLink]:
    link = RedisLink(shared_server(request.config).url, prefix=f"test-{secrets.token_hex(4)}:")
    yield link
    await link.aclose()


@asynccontextmanager
async def _silent_server() -> AsyncIterator[tuple[str, "asyncio.Queue[asyncio.StreamReader]"]]:
    """The URL of a server that takes connections and never says a word, and the connections."""
    taken: asyncio.Queue[asyncio.StreamReader] = asyncio.Queue()
    held: list[asyncio.StreamWriter] = []

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        taken.put_nowait(reader)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/1", taken
    finally:
        for writer in held:
            writer.close()
        server.close()


async def test_all_who_ask_while_redis_is_away_share_one_attempt_to_reach_it() -> None:
    async with _silent_server() as (url, taken):
        link = RedisLink(url, answer_s=0.3, connect_s=0.3)
        async with asyncio.timeout(5):
            outcomes = await asyncio.gather(*(link.command("PING") for _ in range(50)), return_exceptions=True)

        assert [type(outcome) for outcome in outcomes] == [Unavailable] * 50
        assert taken.qsize() == 1
        # The next who asks tries again.
        with pytest.raises(Unavailable):
            await link.command("PING")
        assert taken.qsize() == 2
        await link.aclose()


async def test_who_gives_up_while_the_connection_is_opened_takes_it_from_nobody(link: RedisLink) -> None:
    asked = [asyncio.create_task(link.command("ECHO", f"{number}")) for number in range(3)]
    await asyncio.sleep(0)
    asked[0].cancel()

    outcomes = await asyncio.gather(*asked, return_exceptions=True)

    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1:] == [b"1", b"2"]


async def test_a_close_ends_a_connection_that_is_being_opened() -> None:
    async with _silent_server() as (url, taken), asyncio.timeout(10):
        link = RedisLink(url, answer_s=60, connect_s=60)
        asked = [asyncio.create_task(link.command("PING")) for _ in range(2)]
        reader = await taken.get()

        await link.aclose()

        assert all(isinstance(one, Unavailable) for one in await asyncio.gather(*asked, return_exceptions=True))
        # To its end: the socket was closed.
        await reader.read()
        assert taken.empty()


async def test_each_of_many_askers_gets_the_answer_to_its_own_question(link: RedisLink) -> None:
    async def ask(number: int) -> None:
        word = f"{number}".encode() * 5_000
        if number % 3:
            assert await link.command("ECHO", word) == word
        else:
            assert await link.transaction(("ECHO", word), ("ECHO", b"and")) == [word, b"and"]

    connection = await link.command("CLIENT", "ID")
    await asyncio.gather(*map(ask, range(500)))
    assert await link.command("CLIENT", "ID") == connection


async def test_an_answer_that_nobody_waits_for_any_more_goes_to_nobody(link: RedisLink) -> None:
    await link.command("PING")
    tasks = [asyncio.create_task(link.command("ECHO", f"{number}")) for number in range(40)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert outcomes[1::2] == [f"{number}".encode() for number in range(1, 40, 2)]
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[::2])


async def test_an_error_is_its_askers_alone(link: RedisLink) -> None:
    good, bad, torn, good_again = await asyncio.gather(
        link.command("ECHO", "a"),
        link.command("HGET", "too-few"),
        link.transaction(("ECHO", "b"), ("NO-SUCH-COMMAND",)),
        link.command("ECHO", "c"),
        return_exceptions=True,
    )

    assert (good, good_again) == (b"a", b"c")
    assert isinstance(bad, Unavailable)
    assert "wrong number of arguments" in str(bad)
    assert isinstance(torn, Unavailable)
    assert "unknown command" in str(torn)


async def test_what_was_asked_over_a_lost_connection_is_asked_again() -> None:
    with RedisServer() as server:
        link, other = RedisLink(server.url), RedisLink(server.url)
        mine = await link.command("CLIENT", "ID")
        await other.command("CLIENT", "PAUSE", 300, "WRITE")
        writes = [asyncio.create_task(link.command("INCR", "counter")) for _ in range(20)]
        await asyncio.sleep(0)
        assert await other.command("CLIENT", "KILL", "ID", mine) == 1

        async with asyncio.timeout(10):
            counted = await asyncio.gather(*writes)

        # Those that Redis had begun to do are done once: it forgot what a killed connection still waited for.
        assert sorted(counted) == list(range(1, 21))
        assert await link.command("CLIENT", "ID") != mine
        await asyncio.gather(link.aclose(), other.aclose())


async def test_the_connection_is_closed_although_its_closing_is_cancelled(request: pytest.FixtureRequest) -> None:
    server = shared_server(request.config)
    link = RedisLink(server.url)
    mine = await link.command("CLIENT", "ID")

    closing = asyncio.create_task(link.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait((closing,))

    with server.admin() as admin:
        await until(lambda: str(mine) not in {client["id"] for client in admin.client_list()})


async def test_who_waits_for_an_answer_at_the_close_opens_no_new_connection(request: pytest.FixtureRequest) -> None:
    server = shared_server(request.config)
    link = RedisLink(server.url, answer_s=60)
    with server.admin() as admin:
        asking = asyncio.create_task(link.command("BLPOP", "nobody-rings-here", 60))
        await until(lambda: any(client["cmd"] == "blpop" for client in admin.client_list()))
        mine = {client["id"] for client in admin.client_list() if client["cmd"] == "blpop"}

        await link.aclose()

        with pytest.raises(Unavailable):
            await asyncio.wait_for(asking, 10)
        await until(lambda: mine.isdisjoint(client["id"] for client in admin.client_list()))
        assert not any(client["cmd"] == "blpop" for client in admin.client_list())
    # Whoever asks later opens one again.
    assert await link.command("PING") == b"PONG"
    await link.aclose()

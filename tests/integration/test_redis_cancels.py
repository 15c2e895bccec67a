"""A cancel that meets a command on its way to Redis is never lost, whenever it comes."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from adapters.redis import RedisLink
from redis_server import shared_server

#: Turns of the loop after which the cancel comes; within them a command is sent, and often answered.
TURNS = range(1, 12)
TRIES = 8

COMMANDS: dict[str, Callable[[RedisLink], Awaitable[object]]] = {
    "command": lambda link: link.command("TIME"),
    "script": lambda link: link.script("state", "alpha"),
    "transaction": lambda link: link.transaction(("DEL", link.key("k")), ("EXISTS", link.key("k"))),
}


@pytest.fixture
async def link(request: pytest.FixtureRequest) -> AsyncIterator[RedisLink]:
    link = RedisLink(shared_server(request.config).url, prefix=f"test-{secrets.token_hex(4)}:")
    yield link
    await link.aclose()


@pytest.mark.parametrize("kind", COMMANDS)
async def test_a_loop_of_commands_ends_when_it_is_cancelled(link: RedisLink, kind: str) -> None:
    command = COMMANDS[kind]
    await command(link)

    async def once() -> None:
        await command(link)

    for turns in TURNS:
        for _ in range(TRIES):
            task = asyncio.create_task(once())
            for _ in range(turns):
                await asyncio.sleep(0)
            told = task.cancel()
            outcome = (await asyncio.gather(task, return_exceptions=True))[0]

            assert isinstance(outcome, asyncio.CancelledError) == told, f"after {turns} turns"

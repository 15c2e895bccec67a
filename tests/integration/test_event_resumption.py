"""Whoever follows a job learns of its end once, however often the stream breaks: embedded, and over Redis with two APIs."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import httpx
import pytest

from imaging_process import Imaging, submit
from redis_server import RedisServer
from sse_reading import Told, following

#: Breaks over all watchers, at random moments: a hundred over both ways to run.
BREAKS = 50
WATCHERS = 10
JOBS = 3
#: So small, in px, that painting takes no time beside the steps, during which the breaks fall.
SIDE = 64
SEED = 20_261_122


@pytest.fixture(scope="module", params=["embedded", "redis"])
def urls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Where the service can be asked: over Redis at two places, between which a client may change."""
    folder = tmp_path_factory.mktemp(request.param)
    settings = {"IMAGING_DEMO": "1", "IMAGING_DEMO_STEP_S": "0.03"}
    with ExitStack() as stack:
        if request.param == "embedded":
            up = stack.enter_context(Imaging("up", "--no-gui", folder=folder, **settings))
            up.started("is up")
            yield [up.url]
            # How they stop is shown elsewhere.
            up.kill()
            return
        settings["IMAGING_REDIS_URL"] = stack.enter_context(RedisServer()).url
        apis = [stack.enter_context(Imaging("api", folder=folder, **settings)) for _ in range(2)]
        worker = stack.enter_context(Imaging("worker", folder=folder, **settings))
        for process in (*apis, worker):
            process.start()
        worker.says("Worker ready")
        for api in apis:
            api.says("API ready")
        yield [api.url for api in apis]
        for process in (*apis, worker):
            process.kill()


class _Watcher:
    """Follows one job and breaks off at random until its breaks are used up; then to the end."""

    def __init__(self, clients: list[httpx.AsyncClient], image_id: str, chance: random.Random) -> None:
        self._clients = clients
        self._path = f"/jobs/{image_id}/events"
        self._chance = chance
        self._last_id = ""
        self.told: list[Told] = []
        self.breaks = 0

    @property
    def ends(self) -> list[str]:
        return [told.data["status"] for told in self.told if told.ends]

    async def watch(self, breaks: int) -> None:
        while self.breaks < breaks:
            self.breaks += 1
            # In the middle of whatever: before the head, within an event, between two.
            try:
                async with asyncio.timeout(self._chance.uniform(0.0, 0.15)):
                    await self._read()
            except TimeoutError:
                continue
        async with asyncio.timeout(60):
            while not self.ends:
                await self._read()
        # Whoever has seen the end is told so, and nothing else.
        await self._read()

    async def _read(self) -> None:
        client = self._chance.choice(self._clients)
        async with following(client, self._path, self._last_id) as events:
            async for told in events:
                self.told.append(told)
                self._last_id = told.id


@pytest.fixture
async def clients(urls: list[str]) -> AsyncIterator[list[httpx.AsyncClient]]:
    opened = [httpx.AsyncClient(base_url=url, timeout=30, verify=False) for url in urls]  # noqa: S501  # plain HTTP
    yield opened
    for client in opened:
        await client.aclose()


async def test_every_watcher_is_told_the_end_once_through_many_breaks(
    urls: list[str], clients: list[httpx.AsyncClient]
) -> None:
    chance = random.Random(SEED)
    ids = [submit(urls[0], prompt="a lighthouse", seed=n + 1, width=SIDE, height=SIDE) for n in range(JOBS)]
    watchers = [_Watcher(clients, ids[n % JOBS], random.Random(chance.random())) for n in range(WATCHERS)]
    await asyncio.gather(*(watcher.watch(BREAKS // WATCHERS) for watcher in watchers))

    assert sum(watcher.breaks for watcher in watchers) == BREAKS
    assert [watcher.ends for watcher in watchers] == [["finished"]] * WATCHERS
    rank = {"queued": 0, "started": 1, "finished": 2}
    for watcher in watchers:
        ranks = [rank[told.data["status"]] for told in watcher.told]
        assert ranks == sorted(ranks)


async def test_who_follows_all_jobs_is_told_each_end_once_through_breaks(
    urls: list[str], clients: list[httpx.AsyncClient]
) -> None:
    chance = random.Random(SEED)
    last_id = ""
    ends: list[str] = []
    async with following(clients[0], "/events") as events:
        async for told in events:
            if told.kind == "ready":
                last_id = told.id
                break
    ids = [submit(urls[0], prompt="a forest", seed=n + 1, width=SIDE, height=SIDE) for n in range(JOBS)]
    async with asyncio.timeout(60):
        while len(ends) < JOBS:
            try:
                async with (
                    asyncio.timeout(chance.uniform(0.05, 0.3)),
                    following(chance.choice(clients), "/events", last_id) as events,
                ):
                    async for told in events:
                        last_id = told.id
                        if told.ends and told.data["image_id"] in ids:
                            ends.append(told.data["image_id"])
            except TimeoutError:
                continue
    assert sorted(ends) == sorted(ids)

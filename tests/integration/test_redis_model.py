"""The Redis repository answers as the model does, whatever is done to both, but for times: each has its own clock."""

import asyncio
import secrets
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from adapters.redis import RedisJobEvents, RedisJobRepository, RedisLink, job_search, listing
from contracts.repository_model import SETTINGS, RepositoryModel
from imaging_core.ports import JobEvents, JobRepository
from redis_server import shared_server

#: Many calls over lines that other tests cover: measuring them would take longer than the calls.
pytestmark = pytest.mark.no_cover

#: Time really passes here, so fewer lives are tried.
FEWER = settings(SETTINGS, max_examples=6, stateful_step_count=30)


class RedisModel(RepositoryModel):
    """A prefix of its own on a real server."""

    tick_s: ClassVar[float] = 0.3
    margin_s: ClassVar[float] = 0.06
    url: ClassVar[str]

    async def open(self) -> tuple[JobRepository, JobEvents]:
        self.link = RedisLink(self.url, prefix=f"model-{secrets.token_hex(4)}:")
        self.listening = RedisJobEvents(self.link)
        return RedisJobRepository(self.link), self.listening

    async def close(self) -> None:
        await self.listening.aclose()
        await self.link.aclose()

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def test_redis_behaves_as_the_model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    # So that searches go through the index, which the repository fills when it catches up.
    monkeypatch.setattr(job_search, "CHUNK", 8)
    monkeypatch.setattr(listing, "_FEW", 2)

    class OnThisServer(RedisModel):
        url = shared_server(request.config).url

    run_state_machine_as_test(OnThisServer, settings=FEWER)

    assert OnThisServer.compared > 10, "a machine too busy to tell times apart proves nothing"

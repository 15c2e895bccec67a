"""What runs beside the service for as long as it lives goes on after whatever befalls it: nobody would start it again."""

import asyncio
import shutil
from pathlib import Path

import pytest

from entrypoints.health import life_sign
from entrypoints.processes import _show_life
from entrypoints.settings import load_settings
from imaging_core.memory import MemoryJobEvents, MemoryJobRepository
from imaging_core.quota import StorageQuota
from imaging_core.spending import SETTLE_EVERY_S, Settling
from redis_setting import until
from virtual_time import in_virtual_time


class Faulty:
    """A store and a book that fail in a way which nobody has foreseen, and then no more."""

    def __init__(self) -> None:
        self.asked = 0

    async def measure(self) -> int:
        return len(await self.open())

    async def used(self) -> int:
        return 0

    async def open(self, **_: object) -> tuple[()]:
        self.asked += 1
        if self.asked == 1:
            raise ValueError("a fault")
        return ()


@in_virtual_time
async def test_the_room_that_pictures_take_is_measured_again_after_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    store = Faulty()
    running = asyncio.create_task(StorageQuota(store, 1).run(every_s=1))

    await asyncio.sleep(1.5)

    assert (store.asked, running.done()) == (2, False)
    assert "Measuring the room that pictures take failed." in caplog.text
    running.cancel()


@in_virtual_time
async def test_what_jobs_cost_is_settled_again_after_a_fault(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, faulty = MemoryJobRepository(MemoryJobEvents()), Faulty()
    settling = Settling(jobs, jobs.spending)
    monkeypatch.setattr(settling, "settle", faulty.open)
    running = asyncio.create_task(settling.run())

    await asyncio.sleep(1.5 * SETTLE_EVERY_S)

    assert (faulty.asked, running.done()) == (2, False)
    assert "Settling what jobs cost failed." in caplog.text
    running.cancel()


async def test_a_worker_shows_that_it_lives_again_after_its_sign_was_tidied_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    settings = load_settings(None).model_copy(update={"sweep_s": 0.01})
    sign = life_sign(settings)
    showing = asyncio.create_task(_show_life(settings))
    await until(sign.exists)

    shutil.rmtree(tmp_path / "run")
    await until(lambda: caplog.records)
    assert not showing.done()
    (tmp_path / "run").mkdir()

    await until(sign.exists)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    showing.cancel()

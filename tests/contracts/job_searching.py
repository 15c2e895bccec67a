"""The promises 10, 17 and 20 of a job repository: what is searched for is found, and marks stay.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

from datetime import timedelta

import attrs
import pytest

from contracts.job_setting import RepositorySetting
from contracts.samples import a_failure, a_job, a_request
from imaging_core import searching
from imaging_core.errors import JobDeleted, JobNotFound
from imaging_core.ids import new_job_id
from imaging_core.jobs import Job, JobStatus
from imaging_core.ports import JobQuery, JobRepository


class SearchPromises(RepositorySetting):
    """Promise 10, by what is in a job, and 20."""

    async def found(self, repository: JobRepository, **query: object) -> list[str]:
        """The prompts of the whole listing, in pages of two."""
        asked = attrs.evolve(JobQuery(limit=2), **query)  # type: ignore[arg-type]
        page = await repository.list(asked)
        prompts = [job.request.prompt for job in page.jobs]
        while page.cursor is not None:
            page = await repository.list(attrs.evolve(asked, cursor=page.cursor))
            assert len(page.jobs) <= 2
            prompts += [job.request.prompt for job in page.jobs]
        return prompts

    async def prompted(self, repository: JobRepository, *prompts: str, **changes: object) -> list[Job]:
        """Waiting jobs with those prompts."""
        return [await self.submit(repository, request=a_request(prompt=p), **changes) for p in prompts]

    async def test_10_finds_words_in_the_prompt_in_any_order_and_case(self, repository: JobRepository) -> None:
        await self.prompted(repository, "A Lighthouse at night", "night train", "Ночь над городом 🌊", "100% _real_")

        assert await self.found(repository, text="NIGHT") == ["night train", "A Lighthouse at night"]
        assert await self.found(repository, text="night light") == ["A Lighthouse at night"]
        assert await self.found(repository, text="ночь") == ["Ночь над городом 🌊"]
        assert await self.found(repository, text="🌊") == ["Ночь над городом 🌊"]
        assert await self.found(repository, text="%") == ["100% _real_"]
        assert await self.found(repository, text="_") == ["100% _real_"]
        assert await self.found(repository, text="n_ght") == []
        assert await self.found(repository, text="night' OR 1=1 --") == []
        assert len(await self.found(repository, text="  ")) == 4

    async def test_10_finds_short_words_and_those_of_scripts_without_spaces(self, repository: JobRepository) -> None:
        await self.prompted(repository, "夜景、猫と海", "a 4K, hdr", "STRASSE in 3d", "猫")

        assert await self.found(repository, text="猫") == ["猫", "夜景、猫と海"]
        assert await self.found(repository, text="猫と") == ["夜景、猫と海"]
        assert await self.found(repository, text="4k") == ["a 4K, hdr"]
        assert await self.found(repository, text="3d a") == ["STRASSE in 3d"]
        assert await self.found(repository, text="straße") == ["STRASSE in 3d"]
        assert await self.found(repository, text="4k 猫") == []
        assert await self.found(repository, text="k,") == ["a 4K, hdr"]

    async def test_10_finds_a_deleted_job_no_more(self, repository: JobRepository) -> None:
        kept, gone = [await self.finished(repository, request=a_request(prompt=p)) for p in ("red kept", "red gone")]
        await repository.delete(gone)

        assert await self.found(repository, text="red") == [kept.request.prompt]
        assert await self.found(repository, checkpoint="tiny", text="gone") == []

    async def test_10_searches_together_with_the_other_filters(self, repository: JobRepository) -> None:
        await self.prompted(repository, "one red", "two red", "blue", owner="alice")
        await self.prompted(repository, "three red", owner="bob")
        await self.prompted(repository, "four red", owner="alice", backend="beta")

        assert await self.found(repository, text="red", owner="alice") == ["four red", "two red", "one red"]
        assert await self.found(repository, text="red", owner="alice", backend="alpha") == ["two red", "one red"]
        assert await self.found(repository, text="red", statuses=frozenset({JobStatus.FAILED})) == []

    async def test_10_finds_by_checkpoint_and_by_time(self, repository: JobRepository) -> None:
        now = await repository.now()
        for n, checkpoint in enumerate(("tinyA", "tinyB", "tinyA")):
            request = a_request(prompt=str(n), checkpoint=checkpoint)
            await repository.add(a_job(now + timedelta(seconds=n), request=request))

        assert await self.found(repository, checkpoint="tinyA") == ["2", "0"]
        assert await self.found(repository, created_from=now + timedelta(seconds=1)) == ["2", "1"]
        assert await self.found(repository, created_before=now + timedelta(seconds=1)) == ["0"]
        assert await self.found(
            repository, created_from=now + timedelta(seconds=1), created_before=now + timedelta(seconds=2)
        ) == ["1"]

    async def test_10_finds_those_with_pictures(self, repository: JobRepository) -> None:
        await self.finished(repository, request=a_request(prompt="done"))
        failing = await self.start(repository, request=a_request(prompt="failed"))
        now = await repository.now()
        await repository.save(failing.failed(a_failure(now), now=now), token="token-1")
        await self.prompted(repository, "waits")

        assert await self.found(repository, with_images=True) == ["done"]
        assert await self.found(repository, with_images=True, statuses=frozenset({JobStatus.QUEUED})) == []

    async def test_10_one_call_looks_at_a_bounded_number_of_jobs(
        self, repository: JobRepository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(searching, "STEP", 2)
        monkeypatch.setattr(searching, "LOOKED_AT", 4)
        await self.prompted(repository, "red 1", *("blue",) * 9, "red 2", "blue")

        assert await self.found(repository, text="red") == ["red 2", "red 1"]
        assert await self.found(repository, text="green") == []

    async def test_10_finds_what_a_prompt_of_very_many_parts_has(self, repository: JobRepository) -> None:
        long = "".join(chr(0x4E00 + place) for place in range(9_900)) + " fox"
        await self.prompted(repository, long, "fox and 猫")

        assert await self.found(repository, text="FOX") == ["fox and 猫", long]
        assert await self.found(repository, text=f"fox {long[5_000:5_010]}") == [long]
        assert await self.found(repository, text="squirrel") == []

    async def test_20_catching_up_changes_no_answer(self, repository: JobRepository) -> None:
        await self.prompted(repository, *(f"fox {number}" for number in range(20)))
        before = await self.found(repository, text="fox 1")
        await repository.overdue()
        await repository.catch_up()

        assert await self.found(repository, text="fox 1") == before
        assert len(before) == 11


class MarkPromises(SearchPromises):
    """Promise 17."""

    async def test_17_a_job_is_marked_in_any_status_and_keeps_its_version(self, repository: JobRepository) -> None:
        done = await self.finished(repository)
        running = await self.start(repository)
        waiting = await self.submit(repository)

        for job in (waiting, running, done):
            marked = await repository.mark(job.id, favourite=True)
            assert marked == attrs.evolve(job, favourite=True)
            assert await repository.get(job.id) == marked
        again = await self.reopened(repository)
        for job in (waiting, running, done):
            assert await again.mark(job.id, favourite=False) == job

    async def test_17_a_save_keeps_the_mark(self, repository: JobRepository) -> None:
        job = await self.start(repository)
        await repository.mark(job.id, favourite=True)

        done = await self.finish(repository, job, "token-1")

        assert done.favourite
        assert await repository.get(job.id) == done

    async def test_17_a_claim_and_a_heartbeat_keep_the_mark(self, repository: JobRepository) -> None:
        job = await self.submit(repository)
        await repository.mark(job.id, favourite=True)

        assert (await self.claim(repository)).favourite
        await repository.beat(job.id, token="token-1", lease_s=9 * self.tick_s)
        assert (await repository.get(job.id)).favourite

    async def test_17_a_new_job_has_no_mark(self, repository: JobRepository) -> None:
        assert not (await self.submit(repository, favourite=True)).favourite

    async def test_17_favourites_are_found_with_every_other_filter(self, repository: JobRepository) -> None:
        jobs = await self.prompted(repository, "a", "b", "c", "d", owner="alice")
        jobs += await self.prompted(repository, "e", "f", backend="beta")
        for index in (0, 1, 3, 4):
            await repository.mark(jobs[index].id, favourite=True)
        await repository.mark(jobs[1].id, favourite=False)
        await repository.save(jobs[0].cancel(now=await repository.now()))

        assert await self.found(repository, favourite=True) == ["e", "d", "a"]
        assert await self.found(repository, favourite=False) == ["f", "c", "b"]
        assert await self.found(repository, favourite=True, owner="alice") == ["d", "a"]
        assert await self.found(repository, favourite=True, backend="beta") == ["e"]
        assert await self.found(repository, favourite=True, statuses=frozenset({JobStatus.CANCELLED})) == ["a"]
        assert await self.found(repository, favourite=True, text="d") == ["d"]

    async def test_17_only_a_job_that_is_there_is_marked(self, repository: JobRepository) -> None:
        job = await repository.mark((await self.finished(repository)).id, favourite=True)
        await repository.delete(job)

        with pytest.raises(JobDeleted):
            await repository.mark(job.id, favourite=False)
        with pytest.raises(JobNotFound):
            await repository.mark(new_job_id(), favourite=True)
        assert await self.found(repository, favourite=True) == []

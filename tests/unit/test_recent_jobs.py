"""What the SQLite adapter remembers of jobs is never older than what anybody may have been told."""

from adapters.sqlite.recent import AddedJobs, RecentJobs
from contracts.samples import a_job, a_request


def remembered(recent: RecentJobs, job_id: str) -> bool:
    return recent.get(job_id) is not None


def test_a_job_that_was_read_is_remembered_until_it_is_written() -> None:
    recent, job = RecentJobs(), a_job()
    recent.keep(job, recent.changes)
    assert recent.get(job.id) is job
    recent.leave(job.id)
    assert not remembered(recent, job.id)
    recent.settle(job.id)
    assert not remembered(recent, job.id)


def test_a_job_is_not_remembered_while_a_write_of_it_is_under_way() -> None:
    recent, job = RecentJobs(), a_job()
    recent.leave(job.id)
    recent.leave(job.id)
    recent.keep(job, recent.changes)
    recent.settle(job.id)
    recent.keep(job, recent.changes)
    assert not remembered(recent, job.id)
    recent.settle(job.id)
    recent.keep(job, recent.changes)
    assert remembered(recent, job.id)


def test_a_job_that_was_written_is_remembered_unless_another_write_of_it_is_under_way() -> None:
    recent, job = RecentJobs(), a_job()
    recent.leave(job.id)
    recent.leave(job.id)
    recent.settle(job.id, job)
    assert not remembered(recent, job.id)
    recent.settle(job.id, job)
    assert recent.get(job.id) is job


def test_what_was_read_while_a_write_began_or_ended_is_not_remembered() -> None:
    recent, job = RecentJobs(), a_job()
    before = recent.changes
    recent.leave(job.id)
    during = recent.changes
    recent.settle(job.id)
    for changes in (before, during):
        recent.keep(job, changes)
        assert not remembered(recent, job.id)


def test_the_memory_is_bounded() -> None:
    recent, jobs = RecentJobs(most=2), [a_job() for _ in range(3)]
    for job in jobs:
        recent.keep(job, recent.changes)
    assert [remembered(recent, job.id) for job in jobs] == [False, True, True]


def test_long_prompts_leave_room_for_fewer() -> None:
    recent = RecentJobs(most_characters=100)
    request = a_request(prompt="x" * 30, negative_prompt="y" * 20)
    jobs = [a_job(request=request) for _ in range(3)]
    for job in (*jobs, jobs[2]):
        recent.keep(job, recent.changes)
    assert [remembered(recent, job.id) for job in jobs] == [False, True, True]

    recent.leave(jobs[1].id)
    recent.settle(jobs[1].id)
    recent.keep(jobs[0], recent.changes)
    assert [remembered(recent, job.id) for job in jobs] == [True, False, True]


def test_of_new_jobs_the_last_few_are_remembered() -> None:
    added = AddedJobs(most=2)
    added.note(["a"])
    added.note(["b", "c"])

    assert [name in added for name in "abc"] == [False, True, True]

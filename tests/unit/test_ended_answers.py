"""An answer about an ended job is encoded once, and again for each thing that changes it."""

import attrs

from contracts.samples import NOON, a_job
from entrypoints.api.ended_answers import EndedAnswers
from imaging_core.jobs import Job
from imaging_core.service import JobView


class Shown:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, view: JobView) -> dict[str, object]:
        self.times += 1
        return {"id": view.job.id, "favourite": view.job.favourite}


def ended() -> Job:
    return attrs.evolve(a_job().cancel(now=NOON), version=2)


def test_an_ended_job_is_encoded_once() -> None:
    shown, view = Shown(), JobView(job=ended())
    answers = EndedAnswers(shown)
    assert answers.of(view) == answers.of(JobView(job=attrs.evolve(view.job)))
    assert shown.times == 1


def test_a_mark_gives_another_answer_and_taking_it_away_the_first_one() -> None:
    answers, job = EndedAnswers(Shown()), ended()
    plain = answers.of(JobView(job=job))
    marked = answers.of(JobView(job=attrs.evolve(job, favourite=True)))
    assert b'"favourite":true' in marked.body
    assert marked.etag != plain.etag
    assert answers.of(JobView(job=job)) == plain


def test_an_open_job_is_encoded_each_time() -> None:
    shown, view = Shown(), JobView(job=a_job())
    answers = EndedAnswers(shown)
    answers.of(view)
    answers.of(view)
    assert shown.times == 2


def test_the_memory_is_bounded_in_bytes() -> None:
    shown = Shown()
    answers, views = EndedAnswers(shown, max_bytes=1_200), [JobView(job=ended()) for _ in range(3)]
    for view in views:
        answers.of(view)
    answers.of(views[2])
    assert shown.times == 3
    answers.of(views[0])
    assert shown.times == 4

"""The errors are the tree that the module draws, and each has something to say."""

import inspect

import pytest

from imaging_core import errors
from imaging_core.errors import (
    ADVICE,
    AnswerLost,
    BackendNotConfigured,
    BackendThrottled,
    Charged,
    FailureCode,
    FieldProblem,
    GenerationError,
    IdempotencyMismatch,
    ImageNotAvailable,
    ImageNotReady,
    ImagingError,
    InvalidRequest,
    JobDeleted,
    JobNotFound,
    QueueFull,
    StorageFull,
    Unavailable,
    UnknownBackend,
)


def drawn_tree() -> list[tuple[str, str]]:
    """Each class the module docstring draws, with the one it is drawn under, from top to bottom."""
    lines = [line for line in (errors.__doc__ or "").splitlines()[1:] if line.strip()]
    above: list[str] = []
    tree = []
    for line in lines:
        depth = (len(line) - len(line.lstrip())) // 4
        name = line.split()[0]
        above[depth:] = [name]
        tree.append((name, above[depth - 1] if depth else "Exception"))
    return tree


def test_the_drawn_tree_is_the_tree_of_classes_in_the_same_order() -> None:
    classes = [
        (name, cls.__bases__[0].__name__)
        for name, cls in vars(errors).items()
        if inspect.isclass(cls) and issubclass(cls, Exception)
    ]

    assert drawn_tree() == classes
    assert len(classes) > 20


def test_every_class_says_what_it_means() -> None:
    for name, _ in drawn_tree():
        assert (getattr(errors, name).__doc__ or "").strip().endswith("."), name


def test_there_is_advice_for_every_failure() -> None:
    assert set(ADVICE) == set(FailureCode)
    assert all(advice.endswith(".") for advice in ADVICE.values())


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            InvalidRequest([FieldProblem(field="steps", message="must be at least 1."), FieldProblem(field="", message="is odd.")]),
            "steps: must be at least 1.; is odd.",
        ),
        (UnknownBackend("x", ["a", "b"]), "There is no backend of that name. There are: a, b."),
        (UnknownBackend("x", []), "There is no backend of that name. There are: none."),
        (BackendNotConfigured("stability", "Set IMAGING_STABILITY_API_KEY."), "Set IMAGING_STABILITY_API_KEY."),
        (JobNotFound(), "There is no job with that id."),
        (JobDeleted(), "That job and its pictures have been deleted."),
        (ImageNotReady("queued"), "The picture is not ready yet: the job is queued."),
        (ImageNotAvailable("The job was cancelled."), "The job was cancelled."),
        (IdempotencyMismatch(), "This Idempotency-Key was used before, with a different request. Use a new key."),
        (QueueFull(retry_after_s=7), "Too many jobs are waiting. Try again in 7 s."),
        (QueueFull(retry_after_s=7, mine=True), "You have too many jobs waiting. Try again in 7 s."),
    ],
)  # fmt: skip
def test_an_error_is_a_sentence(error: ImagingError, sentence: str) -> None:
    assert str(error) == sentence


def test_a_part_that_does_not_answer_says_when_to_ask_again() -> None:
    assert Unavailable("Redis does not answer.").retry_after_s == 5
    assert StorageFull("No room.", retry_after_s=60).retry_after_s == 60


def test_a_failed_call_keeps_the_facts_of_its_class_unless_told_otherwise() -> None:
    usual = BackendThrottled("busy", retry_after_s=60)
    assert (usual.code, usual.retryable, usual.charged) == (FailureCode.THROTTLED, True, Charged.NO)
    assert usual.retry_after_s == 60

    told = AnswerLost("timed out", code=FailureCode.TIMEOUT, retryable=False, charged=Charged.YES)
    assert (told.code, told.retryable, told.charged) == (FailureCode.TIMEOUT, False, Charged.YES)
    assert told.retry_after_s is None


@pytest.mark.parametrize("name", [name for name, _ in drawn_tree()])
def test_a_failed_call_never_claims_that_it_surely_cost(name: str) -> None:
    cls = getattr(errors, name)

    if issubclass(cls, GenerationError):
        assert cls.charged in (Charged.NO, Charged.UNKNOWN)
        assert isinstance(cls.code, FailureCode)
    else:
        assert issubclass(cls, ImagingError)

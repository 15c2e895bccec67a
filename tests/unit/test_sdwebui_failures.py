"""The WebUI's error shapes, and those of its kin, become one of our errors with a sentence fit to be shown."""

import json

import pytest

from adapters.sdwebui.answers import preview_in, preview_of
from adapters.sdwebui.failures import error_for
from imaging_core.errors import (
    AnswerLost,
    BadAnswer,
    CallFailed,
    CallRejected,
    Charged,
    FailureCode,
    GenerationError,
)

WHERE = "webui:7860"


def told(status: int, body: object, **secrets: tuple[str, ...]) -> GenerationError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_for(status, raw, where=WHERE, **secrets)


def exception(name: str, text: str) -> dict[str, str]:
    return {"error": name, "detail": "", "body": "", "errors": text}


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "words"),
    [
        (401, {"detail": "Not authenticated"}, CallRejected, FailureCode.NOT_AUTHORIZED, "user name and password"),
        (307, b"", BadAnswer, FailureCode.BAD_ANSWER, "redirects elsewhere"),
        (204, b"", BadAnswer, FailureCode.BAD_ANSWER, "status 204"),
        (
            422,
            {"detail": [{"loc": ["body", "steps"], "msg": "value is not a valid integer", "type": "x"}]},
            CallRejected,
            FailureCode.REJECTED,
            "steps (value is not a valid integer)",
        ),
        (422, {"detail": ["odd", {"loc": 7}]}, CallRejected, FailureCode.REJECTED, "the request"),
        (
            404,
            {"error": "HTTPException", "detail": "Sampler not found", "body": "", "errors": ""},
            CallRejected,
            FailureCode.REJECTED,
            "Sampler not found",
        ),
        # Forge: refusals are plain, exceptions say `message`.
        (404, {"detail": "Sampler not found"}, CallRejected, FailureCode.REJECTED, "Sampler not found"),
        (
            500,
            {"error": "RuntimeError", "detail": "", "body": "", "message": "shapes differ"},
            CallFailed,
            FailureCode.BACKEND_ERROR,
            "RuntimeError: shapes differ",
        ),
        # SD.Next: a 400 with only a sentence.
        (400, {"error": "Init image is none"}, CallRejected, FailureCode.REJECTED, "Init image is none"),
        (500, exception("OutOfMemoryError", "CUDA out of memory."), CallFailed, FailureCode.OUT_OF_MEMORY, "memory"),
        (500, exception("RuntimeError", "MPS backend out of memory"), CallFailed, FailureCode.OUT_OF_MEMORY, "memory"),
        (500, exception("KeyError", "'no_such'"), CallFailed, FailureCode.BACKEND_ERROR, "does not know"),
        (500, exception("IndexError", "list index out of range"), CallFailed, FailureCode.BACKEND_ERROR, "interrupted"),
        (500, exception("AssertionError", ""), CallFailed, FailureCode.BACKEND_ERROR, "AssertionError"),
        (502, b"<html>Bad Gateway</html>", AnswerLost, FailureCode.ANSWER_LOST, "status 502"),
        (500, b"Internal Server Error", AnswerLost, FailureCode.ANSWER_LOST, "status 500"),
        (500, [1, 2], AnswerLost, FailureCode.ANSWER_LOST, "status 500"),
    ],
)
def test_a_foreign_answer_becomes_one_of_our_errors(
    status: int, body: object, kind: type[GenerationError], code: FailureCode, words: str
) -> None:
    error = told(status, body)

    assert type(error) is kind
    assert error.code is code
    assert words in str(error)
    assert WHERE in str(error)
    assert error.charged is (Charged.UNKNOWN if kind is AnswerLost else Charged.NO)


def test_a_quoted_text_holds_no_secret_no_control_character_and_no_more_than_a_line() -> None:
    text = "cannot draw a secretive lighthouse\n\x1b[31mfor hush " + "x" * 1000

    sentence = str(told(500, exception("RuntimeError", text), secrets=("a secretive lighthouse", "hush", "")))

    assert "secretive" not in sentence
    assert "hush" not in sentence
    assert sentence.isprintable()
    assert len(sentence) < 400


def test_deep_nesting_in_an_error_does_no_harm() -> None:
    assert "status 500" in str(told(500, b"[" * 100_000))


@pytest.mark.parametrize(
    "shown", [None, "", 5, "data:image/png;base64,", "data:image/png;base64,%%%", "data:text/html;base64,aGk=", "aGk="]
)
def test_what_is_no_preview_is_left_out(shown: object) -> None:
    assert preview_in(shown) is None
    assert preview_of(shown) is None

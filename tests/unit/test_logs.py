"""Log lines stay one line and read as they were written."""

import asyncio
import json
import logging
import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints import request_ids
from entrypoints.logs import JsonFormatter, SentenceFormatter, announce, configure_logging, escaped


def line(message: str, **facts: object) -> str:
    record = logging.LogRecord("imaging.test", logging.INFO, __file__, 1, message, (), None)
    vars(record).update(facts)
    return SentenceFormatter().format(record)


@pytest.mark.parametrize(
    "evil", ["a\nERROR forged", "a\r\nb", "\x1b[31mred", "a\u202egnp.exe", "\u2028", "\x00", "\x85"]
)
def test_no_text_can_forge_a_line_or_colour_a_terminal(evil: str) -> None:
    for written in (line(evil), line("said", job_id=evil)):
        assert evil not in written
        assert len(written.splitlines()) == 1
        assert "\x1b" not in written


def test_facts_stand_behind_the_sentence() -> None:
    assert line("The job failed.", job_id="3f", attempt=2).endswith("The job failed. attempt=2 job_id=3f")


@given(st.text())
def test_escaping_leaves_one_line_whatever_comes(text: str) -> None:
    assert len(escaped(text).splitlines()) <= 1


def entry(message: str, *, exc: Exception | None = None, **facts: object) -> dict[str, object]:
    told = None if exc is None else (type(exc), exc, exc.__traceback__)
    record = logging.LogRecord("imaging.test", logging.WARNING, __file__, 1, message, (), told)
    vars(record).update(facts)
    written = JsonFormatter().format(record)
    assert written.isascii()
    assert len(written.splitlines()) == 1
    found: dict[str, object] = json.loads(written)
    return found


def test_a_json_line_says_when_how_bad_who_what_and_about_what() -> None:
    found = entry("The job failed.", job_id="3f", attempt=2, backend="local")

    assert datetime.fromisoformat(str(found.pop("time"))).tzinfo is not None
    assert found == {
        "level": "warning",
        "logger": "imaging.test",
        "message": "The job failed.",
        "job_id": "3f",
        "attempt": 2,
        "backend": "local",
    }


@given(st.text())
def test_a_json_line_is_one_line_whatever_comes(text: str) -> None:
    assert entry("said", job_id=text, exc=ValueError(text))["job_id"] == text


def test_a_fact_cannot_pass_for_the_level_of_a_line() -> None:
    assert entry("said", level="critical", time="never")["level"] == "warning"


def test_no_line_of_a_traceback_can_pass_for_a_log_line() -> None:
    forged = "2026-11-22 10:00:00,000 INFO    imaging  All is well.\x1b[0m"
    error = ValueError(f"a\n{forged}")
    record = logging.LogRecord("imaging", logging.ERROR, __file__, 1, "It failed.", (), (ValueError, error, None))
    first, *others = SentenceFormatter().format(record).splitlines()

    assert first.endswith("It failed.")
    assert all(line.startswith("    | ") for line in others)
    assert not any("\x1b" in line for line in others)


async def test_a_line_has_the_id_of_the_request_whose_own_task_wrote_it() -> None:
    async def others_work() -> str:
        return line("elsewhere")

    token = request_ids.enter("r-1")
    try:
        assert line("here").endswith("here request_id=r-1")
        assert entry("here")["request_id"] == "r-1"
        assert "request_id" not in await asyncio.create_task(others_work())
    finally:
        request_ids.leave(token)
    assert "request_id" not in line("after")


@pytest.mark.parametrize("given_id", [b"", b"a b", b"a\nb", b"\xff", b"x" * 129, "\u202e".encode(), b"<b>", None])
def test_an_unsafe_id_is_replaced_and_a_safe_one_kept(given_id: bytes | None) -> None:
    made = request_ids.request_id(given_id)

    assert re.fullmatch(r"[0-9a-f]{32}", made)
    assert request_ids.request_id(b"trace:1.a_B-9") == "trace:1.a_B-9"


def test_what_a_process_announces_is_a_log_line_where_those_are_for_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept, level = list(logging.root.handlers), logging.root.level
    try:
        for form in ("text", "json"):
            configure_logging("info", form)
            announce("\nIt is up.\n")
            announce()
        plain, _, told = capsys.readouterr().err.partition("{")
    finally:
        logging.basicConfig(level=level, handlers=kept, force=True)

    assert "It is up." in plain
    assert json.loads("{" + told)["message"] == "It is up."

"""Log lines stay one line and read as they were written."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.logs import SentenceFormatter, escaped


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

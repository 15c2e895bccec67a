"""What is on a page that Streamlit's test runner has drawn; imports Streamlit's test runner."""

from typing import Any

from streamlit.testing.v1 import AppTest

#: Longest time of one run of the page, in s: these machines are shared.
PATIENCE_S = 60


def seen(page: AppTest) -> AppTest:
    """The page, once it is sure that it shows no stack trace."""
    assert not page.exception, [e.message for e in page.exception]
    return page


def text_of(page: AppTest) -> str:
    """All words on the page but those on widgets."""
    parts = [e.value for e in (*page.markdown, *page.caption, *page.error, *page.warning, *page.info)]
    return "\n".join([*map(str, parts), *(h.value for h in page.html)]).replace("\\", "")


def button(page: AppTest, label: str) -> Any:
    """The first button of that label."""
    found = [b for b in page.button if b.label == label]
    assert found, f"no button {label!r} among {[b.label for b in page.button]}"
    return found[0]

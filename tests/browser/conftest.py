"""What every test in a browser begins with; each file says by `live` on which service.

May import pytest and the module that starts service and browser.
"""

from collections.abc import Iterator

import pytest

from live_service import LiveService, Visit, visiting

#: Longest time for one test, in s: each wait has a patience of its own, and on a busy machine there are many.
LONGEST_S = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these tests, and no others, the time that a busy machine takes."""
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.timeout(LONGEST_S))


@pytest.fixture
def visit(live: LiveService) -> Iterator[Visit]:
    with visiting(live.gui_url) as visit:
        yield visit

"""What every test in a browser begins with; each file says by `live` on which service.

May import pytest and the module that starts service and browser.
"""

from collections.abc import Iterator

import pytest

from live_service import LiveService, Visit, visiting


@pytest.fixture
def visit(live: LiveService) -> Iterator[Visit]:
    with visiting(live.gui_url) as visit:
        yield visit

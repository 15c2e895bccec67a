"""The documents that people navigate by agree with the code."""

import re
from pathlib import Path

from imaging_core.jobs import TRANSITIONS

ROOT = Path(__file__).parents[2]


def test_the_state_chart_in_the_architecture_page_is_the_table_in_the_code() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    drawn = {(a, b) for a, b in re.findall(r"^    (\w+) --> (\w+):", page, re.MULTILINE)}
    coded = {(a.value, b.value) for a, following in TRANSITIONS.items() for b in following}

    assert drawn == coded


def test_every_path_the_architecture_page_names_exists() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:src|tests|entrypoints|imaging_core|adapters)/[\w/.]+)`", page))

    missing = {path for path in named if not ((ROOT / path).exists() or (ROOT / "src" / path).exists())}

    assert named
    assert missing == set()


def test_no_source_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in (ROOT / "src").rglob("*.py")}

    assert {path: lines for path, lines in lengths.items() if lines > 400} == {}


def test_only_the_container_package_knows_dependency_injector() -> None:
    knowing = {
        path.relative_to(ROOT / "src").parts[:2]
        for path in (ROOT / "src").rglob("*.py")
        if re.search(r"^\s*(from|import) dependency_injector", path.read_text(), re.MULTILINE)
    }

    assert knowing == {("entrypoints", "container")}

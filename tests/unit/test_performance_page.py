"""docs/performance.md is written from a run's figures, and says which targets were missed and why."""

import json
from pathlib import Path

import pytest
from benchmarks import page, report
from benchmarks.figures import Figure, at_least, at_most

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


@pytest.fixture
def figures() -> list[Figure]:
    submits = Figure(name="submits", unit="/s", targets=(at_least("redis", 2), at_least("embedded", 2)))
    for run in range(3):
        for subject, rate in (("baseline", 600), ("redis", 1_300), ("embedded", 900)):
            submits.add(subject, rate + run)
    lists = Figure(
        name="a page of 50 of the list",
        unit="ms",
        targets=(at_most("sqlite, 100,000 jobs", 2, against="sqlite, 100 jobs"),),
    )
    for size, took in ((100, 2.0), (100_000, 3.0)):
        lists.add(f"sqlite, {size:,} jobs", took)
    return [submits, lists]


def test_a_run_is_written_between_the_marks_and_may_be_written_again(tmp_path: Path, figures: list[Figure]) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "performance.md").write_text(PAGE.read_text())
    results = json.loads(json.dumps(report.record(figures)))

    page.write(results, docs)
    once = (docs / "performance.md").read_text()
    page.write(results, docs)

    assert (docs / "performance.md").read_text() == once
    assert "| submits | 601 /s (600 .. 602) | 1,301 /s (1,300 .. 1,302) | 901 /s (900 .. 902) |" in once
    assert "redis >= 2 x baseline (is 2.16)" in once
    assert "| a page of 50 of the list: sqlite, 100,000 jobs | 3 ms |" in once
    assert once.count("\n* **submits**: embedded >= 2 x baseline was asked for, it is 1.5. ") == 1
    assert once.startswith(PAGE.read_text().partition("<!-- measured -->")[0])
    for name in ("throughput", "growth"):
        assert f"images/performance-{name}.svg" in once
        assert (docs / "images" / f"performance-{name}.svg").read_text().startswith("<svg")
    assert not (docs / "images" / "performance-latency.svg").exists()


def test_a_target_that_was_missed_is_held_against_the_floor_of_the_same_design() -> None:
    p50 = Figure(
        name="submit to finished, p50", unit="ms", targets=(at_most("redis", 0.05), at_most("embedded", 0.025))
    )
    for subject, took in (
        ("baseline", 200),
        ("redis", 15),
        ("embedded", 14),
        ("floor on Redis", 5),
        ("floor embedded", 6),
    ):
        p50.add(subject, took)

    written = page.page(json.loads(json.dumps(report.record([p50]))), {})

    assert "\n0 of 2 targets are met. What stands in the way of the others is said below the tables.\n" in written
    assert (
        "| submit to finished, p50 | 200 ms | 15 ms | 14 ms | on Redis 5 ms; embedded 6 ms "
        "| **redis <= 0.05 x baseline (is 0.075)**; **embedded <= 0.025 x baseline (is 0.07)** | **no** |"
    ) in written
    assert "The floor on Redis is 5 ms, 0.025 x baseline, which would meet that." in written
    assert "The floor embedded is 6 ms, 0.03 x baseline, which does not meet that either." in written

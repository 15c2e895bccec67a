"""The table of the documentation says what the runs said, and a run that broke a promise does not pass for one that kept it."""

import json
from pathlib import Path
from typing import Any

import pytest

from chaos import table

LINE: dict[str, Any] = {
    "scenario": "kill",
    "seed": 1,
    "commit": "abc1234",
    "load": [0.5, 2.0],
    "jobs": 200,
    "finished": 198,
    "failed": 2,
    "failure_codes": {"worker_crash": 2},
    "lost": 0,
    "regressions": 0,
    "bad_pictures": 0,
    "orphans": 0,
    "charges": 230,
    "pictures": 198,
    "in_flight_crashes": 32,
    "kills": 30,
    "kills_in_flight": 24,
    "takeover_gap_p50_s": 12.5,
    "takeover_gap_max_s": None,
    "most_charges_of_a_job": 3,
    "violations": [],
}


def test_a_run_is_a_row_and_its_other_figures_a_sentence() -> None:
    text = table.markdown([LINE], "two processors")

    assert "Commit abc1234, seed 1; two processors; load average 0.5 to 2.0." in text
    assert "| kill | 200 | 198 | 2 worker_crash | 0 | 0 | 0 | 0 | 230 | 198 | 32 | 30, 24 | 12.5 | - |" in text
    assert "* `kill`: most_charges_of_a_job 3." in text
    assert "BROKE" not in text


def test_of_each_scenario_the_last_run_counts() -> None:
    text = table.markdown([{**LINE, "jobs": 7}, LINE], "here")

    assert text.count("| kill |") == 1
    assert "| kill | 200 |" in text


def test_a_skipped_scenario_is_told_and_has_no_row() -> None:
    skipped = {"scenario": "disk-full", "seed": 1, "skipped": "only root may mount", "violations": []}

    text = table.markdown([LINE, skipped], "here")

    assert "* `disk-full` was skipped: only root may mount." in text
    assert "| disk-full |" not in text


@pytest.mark.parametrize(("violations", "status"), [([], 0), (["job ab: lost"], 1)])
def test_a_broken_promise_is_told_and_ends_with_another_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    violations: list[str],
    status: int,
) -> None:
    lines = tmp_path / "lines.jsonl"
    lines.write_text(json.dumps({**LINE, "violations": violations}) + "\n")
    monkeypatch.setattr("sys.argv", ["table", str(lines)])

    assert table.main() == status
    assert ("BROKE: job ab: lost" in capsys.readouterr().out) is bool(status)

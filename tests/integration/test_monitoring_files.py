"""What the alerts and the operations page name is what /metrics shows; the client's examples run as they are printed."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from adapters.demo import DemoGenerator
from api_setting import RunningApi, ended, submit, until
from entrypoints.api.figures import Figures
from imaging_core.events import EventKind, JobEvent
from imaging_core.jobs import JobStatus

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "docker" / "prometheus" / "alerts.yaml"
OPERATIONS = ROOT / "docs" / "operations.md"
CLIENT = ROOT / "docs" / "python-client.md"

_NOW = datetime(2026, 11, 22, tzinfo=UTC)
_NAME = re.compile(r"\bimaging_[a-z_]+[a-z]\b")


def shown() -> dict[str, Metric]:
    """Every family that a service shows, and which has seen a bit of everything."""
    figures = Figures()
    for kind, data in (
        (EventKind.QUEUED, {}),
        (EventKind.PARKED, {"reason": "retry"}),
        (EventKind.TAKEN_OVER, {}),
        (EventKind.MOVED, {"left": "stability"}),
        (EventKind.FAILED, {"code": "timeout", "credits": "1", "waited_s": "1", "ran_s": "1"}),
        (EventKind.FINISHED, {"credits": "1", "waited_s": "1", "ran_s": "1"}),
    ):
        status = JobStatus.FAILED if kind is EventKind.FAILED else JobStatus.STARTED
        figures.jobs.happened(
            JobEvent(job_id="0", kind=kind, status=status, attempt=1, at=_NOW, backend="local", data=data)
        )
    with RunningApi(figures=figures).serving() as api, api.client() as client:
        image_id = submit(client)
        ended(client, image_id)
        text = until(lambda: client.get("/metrics").text, lambda text: "/status/{image_id}" in text)
        api.release()
    return {sample.name: family for family in text_string_to_metric_families(text) for sample in family.samples}


@pytest.fixture(scope="module")
def samples() -> dict[str, Metric]:
    return shown()


def test_every_metric_that_an_alert_names_is_shown_with_the_labels_it_asks_for(samples: dict[str, Metric]) -> None:
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 5

    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"].endswith(".") or rule["annotations"]["summary"].endswith("?")
        named = set(_NAME.findall(rule["expr"]))
        assert named <= samples.keys(), rule["alert"]
        for name, selector in re.findall(r"\b(imaging_[a-z_]+)\{((?:[^{}\"]|\"[^\"]*\")*)\}", rule["expr"]):
            asked = set(re.findall(r"(\w+)\s*(?:=~|!=|=)", selector))
            labels = {label for sample in samples[name].samples for label in sample.labels}
            assert asked <= labels, (rule["alert"], name)


def test_the_operations_page_names_every_metric_and_no_other(samples: dict[str, Metric]) -> None:
    named = set(_NAME.findall(OPERATIONS.read_text()))
    families = {family.name for family in samples.values() if family.name.startswith("imaging_")}
    known = families | samples.keys()

    assert {name for name in named if name not in known} == set()
    assert {name for name in families if not named & {name, f"{name}_total", f"{name}_info"}} == set()


def test_the_examples_of_the_client_run_as_they_are_printed(tmp_path: Path) -> None:
    programs = re.findall(r"^```python\n(.*?)^```$", CLIENT.read_text(), re.MULTILINE | re.DOTALL)
    assert len(programs) == 3
    with RunningApi(DemoGenerator(step_s=0), images_backend="demo").serving() as api:
        told = []
        for number, program in enumerate(programs):
            script = tmp_path / f"example{number}.py"
            script.write_text(program.replace("http://127.0.0.1:8000", api.url))
            done = subprocess.run(
                [sys.executable, "-W", "error", script],
                env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
                capture_output=True, text=True, timeout=100, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            told.append(done.stdout)

    assert told[0].count("image/png") == 2
    assert "finished" in told[1]
    assert "failed" not in told[1]
    assert told[2].startswith("422 {'seed'")

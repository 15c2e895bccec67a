"""The log of a real process: one JSON object per line, jobs and requests named, nothing private; may import httpx and the neighbours."""

import json
from pathlib import Path
from typing import Any

import httpx

from imaging_process import Imaging, end_of, submit

CANARY = "kanarienvogel"
KEY = f"{CANARY}-0123456789-0123456789"


def test_every_line_is_json_and_tells_jobs_and_requests_but_nothing_private(tmp_path: Path) -> None:
    settings = {
        "IMAGING_LOG_FORMAT": "json",
        "IMAGING_ACCESS_LOG": "1",
        "IMAGING_DEMO_STEP_S": "0",
        # Connects to nothing: this backend's jobs fail, and say so in the log.
        "IMAGING_SDWEBUI_URLS": "http://127.0.0.1:9",
        "IMAGING_SDWEBUI_AUTH": f"user:{CANARY}",
        "IMAGING_STABILITY_API_KEY": f"sk-{CANARY}",
        "IMAGING_STABILITY_BASE_URL": "http://127.0.0.1:9",
        "IMAGING_DEMO": "1",
        "IMAGING_MAX_ATTEMPTS": "1",
        "IMAGING_PATIENCE_S": "0.1",
    }
    with Imaging("up", "--no-gui", folder=tmp_path, **settings) as imaging:
        imaging.started("is up")
        made = submit(imaging.url, prompt=f"a {CANARY}", backend="demo", width=64, height=64, steps=1)
        assert end_of(imaging.url, made)["status"] == "finished"
        failed = submit(imaging.url, prompt=f"a {CANARY}", backend="stability")
        assert end_of(imaging.url, failed)["status"] == "failed"
        evil = {"x-request-id": "trace-1", "x-api-key": KEY}
        httpx.get(f"{imaging.url}/status/{CANARY}?key={CANARY}", headers=evil)
        httpx.post(
            f"{imaging.url}/images", content=b"{" + CANARY.encode(), headers={"content-type": "application/json"}
        )
        imaging.says("trace-1")
        told = imaging.output

    lines: list[dict[str, Any]] = [json.loads(line) for line in told.splitlines()]
    assert all(line.keys() >= {"time", "level", "logger", "message"} for line in lines)
    assert CANARY not in told
    assert any(line.get("job_id") == failed and line.get("backend") == "stability" for line in lines)
    answered = [line for line in lines if line["logger"] == "imaging.access_log"]
    assert {"trace-1"} < {line["request_id"] for line in answered}
    assert {"/images", "/status/{image_id}"} <= {line["route"] for line in answered}

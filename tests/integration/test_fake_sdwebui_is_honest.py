"""The fake WebUI answers as the recorded real one did: every run is sent again, in order, to one fresh fake.

A run keeps its state from exchange to exchange, as the real server did: what leaked there must leak here. Exchanges the
fake does not play are listed with a reason in tests/data/sdwebui/replay.json.
"""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from fakes.sdwebui import FakeWebUI, launch

DATA = Path(__file__).resolve().parents[1] / "data" / "sdwebui"
REPLAY = json.loads((DATA / "replay.json").read_text(encoding="utf-8"))

#: Values that differ from one run of the real program to the next.
VOLATILE = {"subseed", "all_subseeds", "job_timestamp", "eta_relative", "port"}
#: Headers of the record that the fake must send with the same value.
EXACT_HEADERS = ("server", "content-type", "content-encoding", "vary", "allow")


def send(client: httpx.Client, request: dict[str, Any]) -> httpx.Response:
    headers = {"accept-encoding": "identity", **{k.lower(): v for k, v in (request.get("headers") or {}).items()}}
    content = json.dumps(request["json"]) if "json" in request else request.get("raw")
    if content is None:
        headers.pop("content-type", None)
    return client.request(request["method"], request["path"], headers=headers, content=content)


def described(encoded: str) -> dict[str, Any]:
    """A picture in an answer, as the trimmed records describe theirs."""
    raw = base64.b64decode(encoded, validate=True)
    image = Image.open(io.BytesIO(raw))
    image.load()
    facts: dict[str, Any] = {"format": image.format, "width": image.width, "height": image.height}
    if image.format == "PNG":
        assert "icc_profile" not in image.info
        facts["text"] = {key: str(value) for key, value in image.text.items()}  # type: ignore[attr-defined]
        facts["chunks"] = [name for name in ("tEXt", "iTXt", "zTXt") if name.encode() in raw]
    else:
        comment = image.getexif().get_ifd(0x8769).get(0x9286)
        facts["user_comment"] = comment[8:].decode("utf-16be") if comment else None
    return {"picture": facts}


def readable(body: Any) -> Any:
    """An answer with its pictures described and its `info` parsed."""
    if isinstance(body, dict):
        body = dict(body)
        if isinstance(body.get("images"), list):
            body["images"] = [described(i) if isinstance(i, str) else i for i in body["images"]]
        if isinstance(body.get("image"), str):
            body["image"] = described(body["image"])
        if isinstance(body.get("info"), str) and body["info"].startswith("{"):
            body["info"] = json.loads(body["info"])
    return body


def masked(text: str, *, random_seed: bool) -> str:
    """Text without what the recorder's folders and a drawn seed put into it."""
    text = re.sub(r"/srv/webui/(data_\w+(/models)?|models|badmodels)(?=/|$)", "/srv/webui", text)
    return re.sub(r"(?<=Seed: )\d+", "N", text) if random_seed else text


def differences(recorded: Any, answered: Any, at: str = "", *, random_seed: bool = False) -> list[str]:
    """What is not the same: keys, lengths and types everywhere, and every value that is not volatile."""
    if type(recorded) is not type(answered):
        return [f"{at}: recorded {recorded!r}, answered {answered!r}"]
    if isinstance(recorded, dict):
        if at.endswith(".picture"):
            # One large picture was left out of the records; only its format and size are known.
            answered = {key: value for key, value in answered.items() if key in recorded}
        if list(recorded) != list(answered) and at.endswith(("info", "parameters")):
            return [f"{at}: keys {list(recorded)}, answered {list(answered)}"]
        if set(recorded) != set(answered):
            return [f"{at}: keys differ in {sorted(set(recorded) ^ set(answered))}"]
        skip = VOLATILE | ({"seed", "all_seeds"} if random_seed and at.endswith("info") else set())
        pairs = [(f"{at}.{key}", recorded[key], answered[key], key in skip) for key in recorded]
    elif isinstance(recorded, list):
        if len(recorded) != len(answered):
            return [f"{at}: {len(recorded)} items, answered {len(answered)}"]
        pairs = [(f"{at}[{i}]", a, b, False) for i, (a, b) in enumerate(zip(recorded, answered, strict=True))]
    elif isinstance(recorded, str):
        same = masked(recorded, random_seed=random_seed) == masked(answered, random_seed=random_seed)
        return [] if same else [f"{at}: recorded {recorded!r}, answered {answered!r}"]
    else:
        return [] if recorded == answered else [f"{at}: recorded {recorded!r}, answered {answered!r}"]
    found: list[str] = []
    for where, a, b, volatile in pairs:
        if volatile:
            found += [] if type(a) is type(b) else [f"{where}: recorded {a!r}, answered {b!r}"]
        else:
            found += differences(a, b, where, random_seed=random_seed)
    return found


def compared(exchange: dict[str, Any], answer: httpx.Response) -> list[str]:
    """Everything in which an answer differs from its record."""
    recorded = exchange["response"]
    found = [] if recorded["status"] == answer.status_code else [f"status {answer.status_code}: {answer.text[:300]}"]
    found += [
        f"header {name}: {answer.headers.get(name)!r}"
        for name in EXACT_HEADERS
        if name in recorded["headers"] and recorded["headers"][name] != answer.headers.get(name)
    ]
    if ("x-process-time" in recorded["headers"]) != ("x-process-time" in answer.headers):
        found.append("header x-process-time: there where it should not be, or the other way round")
    if "www-authenticate" in answer.headers:
        found.append("header www-authenticate: the real server drops it")
    if "text" in recorded and recorded["text"] != answer.text:
        found.append(f"text: {answer.text[:200]!r}")
    if "json" in recorded:
        asked = exchange["request"].get("json")
        seed = asked.get("seed", -1) if isinstance(asked, dict) else -1
        found += differences(readable(recorded["json"]), readable(answer.json()), random_seed=seed == -1)
    return found


def replay(run: dict[str, Any], server: FakeWebUI, client: httpx.Client) -> dict[str, list[str]]:
    """Send one run again; gives the differences by exchange."""
    found = {}
    for step in run["steps"]:
        if isinstance(step, str):
            exchange = json.loads((DATA / "exchanges" / f"{step}.json").read_text(encoding="utf-8"))
            if problems := compared(exchange, send(client, exchange["request"])):
                found[step] = problems
        elif "control" in step:
            # Stands for something the recorder did that left no record: a repair, a file deleted.
            server.control(**step["control"])
        else:
            assert client.post(step["post"]).status_code == 200
    return found


@pytest.mark.parametrize("run", REPLAY["runs"], ids=[run["server"] for run in REPLAY["runs"]])
def test_a_recorded_run_is_answered_the_same(run: dict[str, Any]) -> None:
    with (
        launch(*run["arguments"], "--step-seconds", "0", "--load-seconds", "0") as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):
        found = replay(run, server, client)

    assert not found, "\n".join(f"{name}: {problem}" for name, problems in found.items() for problem in problems)


def test_every_stored_exchange_belongs_to_a_run_and_none_is_left_out_twice() -> None:
    stored = {path.stem for path in (DATA / "exchanges").glob("*.json")}
    replayed = [step for run in REPLAY["runs"] for step in run["steps"] if isinstance(step, str)]

    assert sorted(replayed) == sorted(stored)
    assert not stored & set(REPLAY["left_out"])
    assert all(reason for reason in REPLAY["left_out"].values())
    assert len(stored) + len(REPLAY["left_out"]) == 319

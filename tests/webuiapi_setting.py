"""The service as people run it, the engines' doubles behind it, and the unmodified client `webuiapi` in front; what WebUI 1.10.1 answered.

May import the neighbouring test modules, httpx and webuiapi.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import webuiapi  # type: ignore[import-untyped]

from contracts.picture_work import four_colours
from fakes.sdwebui import launch as launch_webui
from fakes.sdwebui.launcher import FakeWebUI
from fakes.stability import launch as launch_stability
from fakes.stability.launcher import StabilityProcess
from imaging_process import Imaging

RECORDED = Path(__file__).parent / "data" / "sdwebui" / "exchanges"
PICTURE = four_colours(128, 64)


@attrs.frozen(kw_only=True)
class House:
    """The service, embedded, in a process of its own, and the engines behind it."""

    imaging: Imaging
    stability: StabilityProcess
    webui: FakeWebUI

    def sent(self, prompt: str) -> list[dict[str, Any]]:
        """The JSON of the calls with that prompt, as the WebUI got them."""
        return [call.body for call in self.webui.log() if call.body["prompt"] == prompt]

    def job(self, image_id: str) -> dict[str, Any]:
        """The job, as the service's own API tells it."""
        found: dict[str, Any] = httpx.get(f"{self.imaging.url}/jobs/{image_id}").raise_for_status().json()
        return found


@contextmanager
def open_house(folder: Path) -> Iterator[House]:
    """Everything running, with its data in that folder."""
    with (
        launch_stability(log=folder / "stability.jsonl") as stability,
        launch_webui("--step-seconds", "0.002") as webui,
        Imaging(
            "up",
            "--no-gui",
            folder=folder,
            IMAGING_STABILITY_API_KEY="sk-test",
            IMAGING_STABILITY_BASE_URL=stability.url,
            IMAGING_SDWEBUI_URLS=webui.url,
            IMAGING_DEMO="1",
            IMAGING_DEMO_STEP_S="0",
        ) as imaging,
    ):
        yield House(imaging=imaging.started("is up"), stability=stability, webui=webui)


class Client(webuiapi.WebUIApi):  # type: ignore[misc]
    """The client, whose last answer's headers are kept."""

    def __init__(self, port: int) -> None:
        super().__init__(host="127.0.0.1", port=port)
        self.headers: dict[str, str] = {}
        self.session.trust_env = False
        self.session.hooks["response"].append(
            lambda answer, *_, **__: self.headers.update({k.lower(): v for k, v in answer.headers.items()})
        )


def recorded(name: str) -> Any:
    """The JSON that WebUI 1.10.1 answered in that exchange."""
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))["response"]["json"]


def kind(value: object) -> str:
    """A JSON type; both sorts of numbers are one."""
    names = {bool: "flag", int: "number", float: "number", str: "text", list: "list", dict: "object"}
    return "null" if value is None else names[type(value)]


def differences(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """Where two answers differ in keys or types; what is null or empty fits all."""
    if ours is None or theirs is None or {} in (ours, theirs):
        return []
    if kind(ours) != kind(theirs):
        return [f"{where}: {kind(ours)}, not {kind(theirs)}"]
    if isinstance(ours, dict):
        missing = [f"{where}: key {key}" for key in ours.keys() ^ theirs.keys()]
        return missing + [
            d for key in ours.keys() & theirs.keys() for d in differences(ours[key], theirs[key], f"{where}.{key}")
        ]
    if isinstance(ours, list) and ours and theirs:
        return [d for item in ours for d in differences(item, theirs[0], f"{where}[]")]
    return []

"""The service with every backend, in a process of its own, before the engines' doubles; imports attrs, httpx and the neighbours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx

from fakes.sdwebui import launch as launch_webui
from fakes.sdwebui.launcher import FakeWebUI
from fakes.stability import launch as launch_stability
from fakes.stability.launcher import StabilityProcess
from imaging_process import Imaging


@attrs.frozen(kw_only=True)
class House:
    """The service, embedded, in a process of its own, and the engines behind it."""

    imaging: Imaging
    stability: StabilityProcess
    webui: FakeWebUI

    def sent_to_stability(self, prompt: str) -> dict[str, Any]:
        """The form of the one call with that prompt."""
        [call] = [call for call in self.stability.calls() if call["fields"].get("prompt") == prompt]
        return {"path": call["path"], **call["fields"]}

    def sent_to_webui(self, prompt: str) -> list[dict[str, Any]]:
        """The JSON of the calls with that prompt."""
        return [call.body for call in self.webui.log() if call.body["prompt"] == prompt]

    def job(self, image_id: str) -> dict[str, Any]:
        """The job, as the service's own API tells it."""
        found: dict[str, Any] = httpx.get(f"{self.imaging.url}/jobs/{image_id}").raise_for_status().json()
        return found


@contextmanager
def a_house(folder: Path) -> Iterator[House]:
    """It, started; `gpt-image-1` means the demo, and `house-style` a model of Stability AI."""
    with launch_stability(log=folder / "stability.jsonl") as stability, launch_webui() as webui:
        settings = {
            "IMAGING_STABILITY_API_KEY": "sk-test",
            "IMAGING_STABILITY_BASE_URL": stability.url,
            "IMAGING_SDWEBUI_URLS": webui.url,
            "IMAGING_DEMO": "1",
            "IMAGING_DEMO_STEP_S": "0",
            "IMAGING_OPENAI_ALIASES": "gpt-image-1=demo, house-style = stability/sd3.5-large",
        }
        with Imaging("up", "--no-gui", folder=folder, **settings) as imaging:
            imaging.started("is up")
            yield House(imaging=imaging, stability=stability, webui=webui)

"""What one accepted generation costs, how long it takes and which picture comes of it.

May import the standard library and attrs.
"""

from __future__ import annotations

import random

import attrs

from fakes.stability.contract import Route
from fakes.stability.faults import Fault
from fakes.stability.fields import Value, picture_size

MAX_SEED = 4294967294


@attrs.define(kw_only=True)
class Generation:
    """A picture to be made: all that its answer needs."""

    width: int
    height: int
    kind: str
    seed: int
    filtered: bool
    faults: list[Fault]
    #: The whole form: what the picture comes of.
    values: dict[str, Value]
    #: Deferred routes only: the key that may ask for it, when it is ready, and the polls that must be told to wait.
    key: str = ""
    ready_at: float = 0.0
    polls_left: int = 0


@attrs.frozen(kw_only=True)
class Run:
    """A generation that passed every check."""

    route: Route
    values: dict[str, Value]
    faults: list[Fault]
    #: Credits.
    price: float

    @property
    def prompt(self) -> str:
        """The prompt; empty on routes that have none."""
        return str(self.values.get("prompt", ""))

    @property
    def is_charged(self) -> bool:
        """Whether credits are taken: always, unless a fault makes the run fail."""
        return all(fault.takes_credits() for fault in self.faults)

    @property
    def extra_delay(self) -> float:
        """Seconds that faults add to the run."""
        return sum(float(fault.value or "1") for fault in self.faults if fault.name == "slow")

    def generation(self) -> Generation:
        """The picture to make; seed 0 or none means a random one."""
        width, height = output_size(self.route, self.values)
        return Generation(
            width=width,
            height=height,
            kind=str(self.values.get("output_format", "png")),
            seed=int(self.values.get("seed", 0)) or random.randint(1, MAX_SEED),
            filtered=any(fault.name == "filtered" for fault in self.faults),
            faults=self.faults,
            values=self.values,
        )


def output_size(route: Route, values: dict[str, Value]) -> tuple[int, int]:
    """Width and height of the result in px: by aspect ratio, or from the input picture as seen live."""
    if route.operation == "generateUltra" and "image" in values:
        return 1024, 1024
    source = values.get("image") or values.get("subject_image") or values.get("init_image")
    if not isinstance(source, bytes):
        return route.sizes[str(values.get("aspect_ratio", "1:1"))]
    width, height = picture_size(source)
    if route.operation == "upscaleFast":
        return width * 4, height * 4
    longest = {"upscaleConservative": 3112, "upscaleCreative": 3152}.get(route.operation)
    if longest is not None:
        scale = longest / (width * height) ** 0.5
        return round(width * scale), round(height * scale)
    margins = {side: int(values.get(side, 0)) for side in ("left", "right", "up", "down")}
    return width + margins["left"] + margins["right"], height + margins["up"] + margins["down"]


def price_of(route: Route, values: dict[str, Value]) -> float:
    """Credits for one call."""
    if isinstance(route.credits, (int, float)):
        return float(route.credits)
    return float(route.credits[str(values.get("model", "sd3.5-large"))])

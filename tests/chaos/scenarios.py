"""The scenarios by name, with the size of their full and short runs; imports this package."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from chaos import doors, kills, mixed, outages, provider
from chaos.run import Run


@attrs.frozen(kw_only=True)
class Scenario:
    """One way to make trouble."""

    play: Callable[[Run], int]
    #: Jobs, and seconds of trouble.
    full: tuple[int, float]
    short: tuple[int, float]


SCENARIOS = {
    "kill": Scenario(play=kills.kill, full=(200, 60), short=(40, 10)),
    "kill-capped": Scenario(play=kills.kill_capped, full=(200, 60), short=(60, 14)),
    "mixed": Scenario(play=mixed.mixed, full=(200, 70), short=(60, 20)),
    "term": Scenario(play=kills.term, full=(150, 40), short=(60, 12)),
    "api-kill": Scenario(play=doors.api_kill, full=(200, 80), short=(30, 8)),
    "embedded-kill": Scenario(play=kills.embedded_kill, full=(100, 60), short=(24, 10)),
    "poison": Scenario(play=kills.poison, full=(51, 60), short=(31, 30)),
    "clock-skew": Scenario(play=kills.clock_skew, full=(50, 20), short=(30, 8)),
    "proxy": Scenario(play=outages.proxy, full=(20, 0), short=(3, 0)),
    "disk-full": Scenario(play=outages.disk_full, full=(10, 6), short=(10, 4)),
    "redis-memory": Scenario(play=outages.redis_memory, full=(40, 10), short=(20, 4)),
    "rate": Scenario(play=provider.rate, full=(750, 0), short=(100, 0)),
    "outage": Scenario(play=provider.outage, full=(60, 60), short=(20, 15)),
}

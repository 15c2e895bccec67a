"""SQLite's clock goes on when the machine's is set back."""

from datetime import timedelta

from adapters.sqlite.clock import SteadyClock
from contracts.samples import NOON


def test_a_clock_set_back_goes_on_from_where_it_was() -> None:
    readings = iter([NOON, NOON + timedelta(seconds=5), NOON - timedelta(hours=1), NOON - timedelta(hours=1)])
    clock = SteadyClock(lambda: next(readings))

    times = [clock() for _ in range(4)]

    assert times[:2] == [NOON, NOON + timedelta(seconds=5)]
    assert times == sorted(times)
    assert times[3] - times[1] < timedelta(seconds=60)

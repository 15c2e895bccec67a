"""What is known of how long calls take, and for how long it counts; on a clock that stands still until told."""

from contracts.samples import a_request
from imaging_core.call_times import CallTimes


def test_a_slow_spell_is_forgotten_after_ten_minutes() -> None:
    now = 0.0
    times = CallTimes(lambda: now)
    request = a_request(checkpoint="A")
    for _ in range(3):
        times.note("alpha", request, 50.0)
    now = 590.0
    assert not times.fits("alpha", request, 20.0)
    assert times.fits("alpha", a_request(checkpoint="B"), 20.0)
    times.note("alpha", request, 10.0)

    assert not times.fits("alpha", request, 20.0), "most of those that count were slow"
    now = 601.0
    assert times.fits("alpha", request, 20.0)
    assert not times.fits("alpha", request, 9.0)
    now = 1191.0
    assert times.fits("alpha", request, 1.0), "nothing is known any more"

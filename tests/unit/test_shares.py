"""A share of an owner's: what is over it comes again in its turn."""

from contextlib import ExitStack

import pytest

from imaging_core.shares import AGAIN_S, APART_S, Shares
from virtual_time import in_virtual_time


@in_virtual_time
async def test_what_is_over_a_share_comes_again_one_after_the_other_and_an_owner_is_forgotten_at_the_end() -> None:
    shares = Shares(2)
    with ExitStack() as stack:
        assert [stack.enter_context(shares.held("many")) for _ in range(2)] == [None, None]

        waits = []
        for _ in range(3):
            with shares.held("many") as later_s:
                waits.append(later_s)
        with shares.held("few") as now:
            assert now is None

        assert waits == [pytest.approx(AGAIN_S + turn * APART_S) for turn in range(3)]
    with shares.held("many") as again:
        assert again is None
    assert not shares._held
    assert not shares._last

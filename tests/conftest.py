"""What holds for every test: shared contracts explain a broken promise well, and Hypothesis does not race the clock."""

import hypothesis
import pytest

pytest.register_assert_rewrite("contracts")

# Two busy cores make any deadline of one example a coin toss; pytest-timeout guards the whole test.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

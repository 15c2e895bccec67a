"""Lets the shared contracts explain a broken promise as well as a test module would."""

import pytest

pytest.register_assert_rewrite("contracts")

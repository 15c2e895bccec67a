"""Whatever shape a lost connection has, it is a part that is away and not a fault of the job's."""

import pytest

from adapters.redis.faults import translated
from imaging_core.errors import Unavailable


def test_a_connection_that_closed_under_a_command_is_a_redis_that_does_not_answer() -> None:
    uvloops = RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    with pytest.raises(Unavailable, match="does not answer"), translated("127.0.0.1:6379", "IMAGING_REDIS_URL"):
        raise uvloops


def test_any_other_runtime_error_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"), translated("127.0.0.1:6379", "IMAGING_REDIS_URL"):
        raise RuntimeError("no running event loop")

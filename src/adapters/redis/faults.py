"""Turns what redis-py raises into `Unavailable` with a sentence that names the cure; imports redis-py and the line to Redis."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions as redis_errors

from adapters.redis_line import unavailable


@contextmanager
def translated(address: str, setting: str) -> Iterator[None]:
    """Raise Unavailable for every error of redis-py; `setting` is the name under which people set the URL."""
    try:
        yield
    except (redis_errors.RedisError, OSError) as error:
        raise unavailable(error, f"Redis at {address}", setting) from error
    except RuntimeError as error:
        # uvloop's word for a connection that closed while a command was being written; asyncio's is an OSError.
        if "handler is closed" not in str(error):
            raise
        raise unavailable(redis_errors.ConnectionError(str(error)), f"Redis at {address}", setting) from error

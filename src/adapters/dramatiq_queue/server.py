"""Where the doorbell's Redis is, how it is reached and what its errors mean; imports redis-py, the line to it and the core.

The doorbell lives in a database of its own, since Dramatiq's maintenance runs KEYS over everything there.
"""

from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from redis import exceptions as redis_errors
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from adapters.redis_line import Line, address_of, unavailable
from imaging_core.errors import Unavailable

#: How long Redis may take to answer, in s. A ring that comes later is of little use.
ANSWER_S: Final = 2.0
#: Databases a Redis has unless told otherwise.
DATABASES: Final = 16


def default_broker_url(redis_url: str) -> str:
    """The URL of the next database on the same server.

    Raises ValueError for what is no URL of a Redis, without repeating it.
    """
    try:
        parts = urlsplit(redis_url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        path = parts.path.strip("/")
        in_path = parts.scheme in ("redis", "rediss") and "db" not in query
        database = int((path if in_path else query.get("db", "")) or 0)
    except ValueError:
        raise ValueError("That is not a URL like redis://:password@host:6379/0.") from None
    # The last one of a default server has no next.
    other = database - 1 if database == DATABASES - 1 else database + 1
    if in_path:
        return urlunsplit(parts._replace(path=f"/{other}"))
    return f"{redis_url.partition('?')[0]}?{urlencode(query | {'db': other})}"


class BrokerServer:
    """The ways to the doorbell's Redis, with short time-outs: a line to ask through, and how a connection is made.

    Nothing connects before it is used.
    """

    def __init__(self, url: str, *, setting: str = "IMAGING_BROKER_URL") -> None:
        """`setting` is the name under which people set the URL, for sentences.

        Raises ValueError for a URL that is none, without repeating it.
        """
        self.setting = setting
        try:
            self.address = address_of(url)
            options = {
                "socket_timeout": ANSWER_S,
                "socket_connect_timeout": ANSWER_S,
                # A socket's file takes no such thing.
                **({} if urlsplit(url).scheme == "unix" else {"socket_keepalive": True}),
                "health_check_interval": 15,
                "protocol": 2,
            }
            # Once, for a connection that Redis closed while it lay idle; a ring may well be doubled.
            retry = Retry(ConstantBackoff(0.02), 1, supported_errors=(redis_errors.ConnectionError,))
            self.pool = ConnectionPool.from_url(url, retry=retry, **options)
            self.line = Line(self.pool, answer_s=ANSWER_S)
        except (ValueError, TypeError):
            # What urllib and redis-py say may hold a part of the URL, and so of the password.
            raise ValueError(f"{setting} is not a URL like redis://:password@host:6379/1.") from None

    def __repr__(self) -> str:
        return f"BrokerServer({self.address!r})"

    def unavailable(self, error: Exception) -> Unavailable:
        """What a person can do about an error of redis-py."""
        return unavailable(error, f"The doorbell's Redis at {self.address}", self.setting)

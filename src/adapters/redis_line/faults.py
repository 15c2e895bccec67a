"""What is wrong with a Redis that does not do as it is asked, as `Unavailable` with a sentence that names the cure.

Imports redis-py and the core. No sentence holds the URL: a password may be part of it.
"""

from urllib.parse import urlsplit

from redis import exceptions as redis_errors

from imaging_core.errors import Unavailable


def address_of(url: str) -> str:
    """Host and port, or the socket's path, without user and password. Raises ValueError for what is no URL."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"


def unavailable(error: Exception, whose: str, setting: str) -> Unavailable:
    """What a person can do about an error of redis-py.

    `whose` begins the sentence, such as "Redis at host:6379"; `setting` is the name under which people set the URL.
    """
    text = str(error)
    retry_after_s = 5
    if (
        isinstance(error, redis_errors.AuthenticationError | redis_errors.NoPermissionError)
        # Before AUTH, Redis takes a command of more than ten words for an attack and does not say NOAUTH.
        or "unauthenticated" in text
    ):
        sentence = f"does not let us in. Check the user name and the password in {setting}."
        retry_after_s = 30
    elif isinstance(error, redis_errors.OutOfMemoryError) or "OOM command not allowed" in text:
        # Redis 6.2 wraps the refusal of a command inside a script in another error.
        sentence = "is out of memory and takes nothing new. Raise its maxmemory or delete old jobs."
        retry_after_s = 30
    elif isinstance(error, redis_errors.BusyLoadingError):
        sentence = "is loading its data after a start."
        retry_after_s = 2
    elif isinstance(error, redis_errors.TimeoutError | TimeoutError):
        sentence = "did not answer in time."
    elif isinstance(error, redis_errors.ConnectionError | OSError):
        sentence = f"does not answer. Check that it runs and that {setting} is right."
    elif "DB index is out of range" in text:
        sentence = f"has no database of that number. Change it in {setting}."
    else:
        # READONLY after a failover, MISCONF when it cannot write to its disk, and what nobody thought of.
        sentence = f"refused a command: {_first_line(text)}"
    return Unavailable(f"{whose} {sentence}", retry_after_s=retry_after_s)


def _first_line(text: str) -> str:
    return text.splitlines()[0][:200] if text else "it gave no reason."

"""What a ring looks like as a message, and which messages are rings; imports Dramatiq and stdlib.

A message says "this backend has work". The job's id in it is for logs.
"""

from typing import Final

import attrs
from dramatiq import Message
from dramatiq.errors import DecodeError

#: Raised when a worker of the version before could no longer understand the message.
VERSION: Final = 1


@attrs.frozen(kw_only=True)
class Ring:
    """A ring as it was found in a queue."""

    #: Names the message within the broker.
    id: str
    job_id: str


def queue_of(backend: str) -> str:
    """The queue of a backend, and the name of the actor that hears it."""
    return f"imaging-{backend}"


def message_for(backend: str, job_id: str) -> Message[None]:
    """A ring for a backend."""
    name = queue_of(backend)
    return Message(queue_name=name, actor_name=name, args=(), kwargs={"version": VERSION, "job_id": job_id}, options={})


def read_message(data: bytes | None, queue: str) -> tuple[str | None, Ring | None]:
    """The broker's name for a message, None when it cannot be made out; and the ring, None when it is not one."""
    try:
        message = Message.decode(data or b"")
    except DecodeError:
        return None, None
    name = message.options.get("redis_message_id") if isinstance(message.options, dict) else None
    if not isinstance(name, str):
        return None, None
    kwargs = message.kwargs
    if message.actor_name != queue or message.args or not isinstance(kwargs, dict):
        return name, None
    job_id = kwargs.get("job_id")
    if kwargs.get("version") != VERSION or not isinstance(job_id, str):
        return name, None
    return name, Ring(id=name, job_id=job_id)

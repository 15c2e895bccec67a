"""The shape of what an event stream tells, as OpenAPI shows it; imports pydantic and the shapes of jobs."""

from typing import Any, Literal

from pydantic import ConfigDict

from entrypoints.api.job_shapes import Status
from entrypoints.api.shapes import example
from imaging_core.events import EventKind


def _example() -> ConfigDict:
    described: Any = Status.model_config["json_schema_extra"]
    return example(**described["examples"][0], kind="progress")


class Event(Status):
    """The data of an event: the job's status at that moment, and why it is told."""

    model_config = _example()

    kind: EventKind | Literal["snapshot", "progress"]


_EXAMPLE = (
    "retry: 2000\n"
    "event: snapshot\n"
    'data: {"image_id":"5f0c61d7a6c94dd5a1a1ab6f7b1a4d9e","status":"queued", ... ,"kind":"snapshot"}\n'
    "id: 1763831400000-0\n\n"
    "event: finished\n"
    'data: {"image_id":"5f0c61d7a6c94dd5a1a1ab6f7b1a4d9e","status":"finished", ... ,"kind":"finished"}\n'
    "id: 1763831400123-0\n\n"
)

#: `content` of an answer that is a stream; each event's data fits the schema Event.
STREAM: dict[str, Any] = {
    "text/event-stream": {
        "schema": {
            "type": "string",
            "description": "Server-sent events; data is JSON of #/components/schemas/Event, id a place to resume from.",
        },
        "example": _EXAMPLE,
    }
}

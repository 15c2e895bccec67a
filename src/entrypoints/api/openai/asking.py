"""From the fields of a call to the request it stands for; imports the core's values and this package."""

from collections.abc import Mapping
from typing import Any

from entrypoints.api.openai.catalogue import Target
from entrypoints.api.openai.fields import ImageFields
from imaging_core.capabilities import Capabilities
from imaging_core.formats import PNG
from imaging_core.images import ImageRequest, Operation
from imaging_core.sizes import SIZE, read_size

_NAMES = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp"}


def request_of(fields: ImageFields, target: Target, able: Capabilities | None, operation: Operation) -> ImageRequest:
    """The request; what was left out is the backend's default. Without `able` it is for whichever backend it will be.

    Its size is brought to what the backend can make when the job is queued, so that a call which is repeated under its key
    is the same request while the backend cannot be asked. Raises InvalidRequest for a size that is none.
    """
    values: dict[str, Any] = {
        "prompt": fields.prompt,
        "negative_prompt": fields.negative_prompt or "",
        "checkpoint": target.checkpoint,
        "sampler": fields.sampler_name,
        "steps": fields.steps,
        "cfg_scale": fields.cfg_scale,
        "seed": None if fields.seed == -1 else fields.seed,
        "count": fields.n or 1,
        "strength": getattr(fields, "strength", None),
    }
    if read_size(fields.size) is not None:
        values[SIZE] = fields.size
    if able is not None:
        values |= _format(fields, able, _canonical(target.checkpoint, able, operation), operation)
    return ImageRequest(prompt="", operation=operation).with_values(values)


def _canonical(asked: str | None, able: Capabilities, operation: Operation) -> str | None:
    """The checkpoint as the backend calls it: what it takes may depend on that."""
    parameter = able.parameter("checkpoint", None, operation)
    if parameter is None:
        return asked
    if asked is None:
        return parameter.default if isinstance(parameter.default, str) else None
    return parameter.aliases.get(asked, asked)


def _format(fields: ImageFields, able: Capabilities, checkpoint: str | None, operation: Operation) -> Mapping[str, str]:
    """The backend's own file type where it has the one asked for; whatever else is asked is made of its answer."""
    if fields.media_type is None:
        return {}
    # A quality of one's own is made here, and of something better than a picture that was compressed before.
    wanted = _NAMES[PNG if fields.compression is not None else fields.media_type]
    parameter = able.parameter("output_format", checkpoint, operation)
    return {"output_format": wanted} if parameter is not None and wanted in parameter.choices else {}

"""Says in every picture how it was made, and reads that back from any; imports stdlib, attrs and this package.

Two texts go into a file: the one that the field's tools know (see `infotext`), and a record of our own with everything. Neither holds
who asked, a key or an address.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

import attrs

from imaging_core.faults import log_fault
from imaging_core.images import CANONICAL, Generated, GeneratedImage, ImageRequest, OptionValue
from imaging_core.infotext import parse
from imaging_core.infotext_names import infotext_of, settings_in
from imaging_core.jobs import Job
from imaging_core.marking import Marks, read_marks, with_marks
from imaging_core.records import time_to_text

log = logging.getLogger("imaging.runner")

#: Raised when a reader of the version before would misunderstand a record.
RECORD_SCHEMA = 1

#: Fields of a request that say how the job was cut up, not how a picture looks.
_OF_THE_JOB = frozenset({"count", "batch_size", "operation"})
_ORDER = [field.name for field in attrs.fields(ImageRequest) if field.name in CANONICAL - _OF_THE_JOB]


@attrs.frozen(kw_only=True)
class Marker:
    """Marks a call's pictures; a `Mark` for `RunnerParts`."""

    #: Of the service, as its release has it.
    version: str

    def __call__(self, job: Job, first_image: int, generated: Generated) -> Generated:
        """The same pictures with both texts in their files, where they can be put in."""
        try:
            images = tuple(
                image if image.filtered else self._marked(job, first_image + nth, image)
                for nth, image in enumerate(generated.images)
            )
        except Exception as error:  # noqa: BLE001  # a picture without a note is worth more than none at all
            log_fault(log, "Pictures could not be marked.", error, {"job_id": job.id, "backend": job.backend})
            return generated
        return attrs.evolve(generated, images=images)

    def _marked(self, job: Job, index: int, image: GeneratedImage) -> GeneratedImage:
        size = image.width, image.height
        info = infotext_of(job.request, seed=image.seed, size=size, version=f"imaging {self.version}")
        record = {
            "schema": RECORD_SCHEMA,
            "service": "imaging",
            "version": self.version,
            "job_id": job.id,
            "index": index,
            "backend": job.backend,
            "operation": job.request.operation.value,
            "asked_at": time_to_text(job.created_at),
            "settings": _settings(job.request, image.seed),
        }
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        return attrs.evolve(image, data=with_marks(image.data, Marks(parameters=info.text(), record=text)))


@attrs.frozen(kw_only=True)
class Provenance:
    """What a file says of its making; anybody may have written it."""

    #: The WebUI's text as it is.
    parameters: str | None = None
    #: Our record, JSON-ready.
    record: Mapping[str, Any] | None = None
    #: By our names, from the record or else from the text, ready to be asked for again; None where there is neither.
    settings: Mapping[str, OptionValue] | None = None


def provenance_of(data: bytes) -> Provenance:
    """What a PNG, JPEG or WebP file says of its making; nothing, if it says nothing or is no such file."""
    marks = read_marks(data)
    record = _object(marks.record)
    settings = _plain(record.get("settings")) if record is not None else None
    if settings is None and marks.parameters is not None:
        settings = settings_in(parse(marks.parameters))
    return Provenance(parameters=marks.parameters, record=record, settings=settings)


def _settings(request: ImageRequest, seed: int) -> dict[str, OptionValue]:
    named = {name: request.value(name) for name in _ORDER}
    settings = _plain({**named, **request.options, "seed": seed}) or {}
    return {name: value for name, value in settings.items() if value != ""}


def _object(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse(_: str) -> None:
    raise ValueError("not in JSON")


def _plain(settings: object) -> dict[str, OptionValue] | None:
    """Those settings that have a value which a request can have."""
    if not isinstance(settings, dict):
        return None
    plain: dict[str, OptionValue] = {}
    for name, value in settings.items():
        if isinstance(value, str | bool | int | float):
            plain[name] = value
        elif isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            plain[name] = tuple(value)
    return plain

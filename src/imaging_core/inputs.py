"""The pictures a request begins with, on their way from a submit to the backend's call; imports stdlib, attrs and this package.

Their bytes are stored before the job is added and go with it. A crash in between leaves pictures of an unknown job, which
a repair finds.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import attrs

from imaging_core.capabilities import cannot
from imaging_core.errors import (
    CallRefused,
    CallRejected,
    FailureCode,
    FieldProblem,
    ImageNotAvailable,
    ImagingError,
    InvalidRequest,
    Unavailable,
)
from imaging_core.formats import header_of
from imaging_core.held import insist
from imaging_core.images import ImageRequest, InputImage, Operation
from imaging_core.jobs import Job
from imaging_core.ports import GenerationCall, Generators, ImageStore

#: The fields of a request that are pictures.
INPUTS = ("init_image", "mask")
#: Bytes that are hashed at once, in less than a millisecond.
_LITTLE = 1 << 20


async def with_inputs(
    store: ImageStore, request: ImageRequest, given: Mapping[str, bytes | None]
) -> tuple[ImageRequest, Mapping[str, bytes]]:
    """The request that says what its pictures are, and their bytes: those given, or an earlier job's that it names.

    Raises InvalidRequest for bytes that are no picture, ImageNotAvailable for an earlier one that is gone.
    """
    values: dict[str, InputImage] = {}
    found: dict[str, bytes] = {}
    for name in INPUTS:
        data, earlier = given.get(name), request.value(name)
        if data is None and isinstance(earlier, InputImage):
            data = await store.open_input(earlier)
        if data is not None:
            found[name] = data
            values[name] = _described(name, data, await _sha256(data))
    return (request.with_values(values) if values else request), found


def _described(name: str, data: bytes, sha256: str) -> InputImage:
    header = header_of(data)
    if header is None:
        raise InvalidRequest([FieldProblem(field=name, message="must be a PNG, JPEG or WebP file.")])
    return InputImage(
        media_type=header.media_type,
        size=len(data),
        sha256=sha256,
        width=header.width,
        height=header.height,
    )


async def add_with(
    store: ImageStore, job: Job, inputs: Mapping[str, bytes], add: Callable[[Job], Awaitable[Job]]
) -> Job:
    """What adding the job gives, once its pictures are stored; they are removed again if it certainly was not added."""
    if not inputs:
        return await add(job)
    keys = await store.put_inputs(job.id, inputs)
    values = {name: attrs.evolve(getattr(job.request, name), key=key) for name, key in keys.items()}
    asked = job.asked and job.asked.with_values(values)
    try:
        added = await add(attrs.evolve(job, request=job.request.with_values(values), asked=asked))
    except Unavailable:
        # The job may have been added all the same, and would then want its pictures.
        raise
    except ImagingError:
        await _forget(store, job)
        raise
    if added.id != job.id:
        # The key of an earlier submit, whose job has pictures of its own.
        await _forget(store, job)
    return added


async def _forget(store: ImageStore, job: Job) -> None:
    # What remains is found by a repair; the answer to the submit does not depend on it.
    with suppress(Unavailable):
        await store.delete(job.id)


async def call_with_inputs(store: ImageStore, call: GenerationCall) -> GenerationCall:
    """The call with the bytes of its pictures, read right before it is made.

    Raises CallRejected when they are gone or damaged, CallRefused while the store is away.
    """
    request = call.request
    return attrs.evolve(
        call, init_image=await _loaded(store, request.init_image), mask=await _loaded(store, request.mask)
    )


async def _loaded(store: ImageStore, picture: InputImage | None) -> bytes | None:
    if picture is None:
        return None
    try:
        data = await insist(lambda: store.open_input(picture))
    except ImageNotAvailable as error:
        raise CallRejected(f"The picture the job begins with is missing. {error}", code=FailureCode.INTERNAL) from error
    except Unavailable as error:
        raise CallRefused(str(error), code=FailureCode.INTERNAL) from error
    if await _sha256(data) != picture.sha256:
        raise CallRejected("The picture the job begins with is damaged in the store.", code=FailureCode.INTERNAL)
    return data


async def _sha256(data: bytes) -> str:
    # Handing a little to a thread takes longer than hashing it.
    digest = hashlib.sha256(data) if len(data) <= _LITTLE else await asyncio.to_thread(hashlib.sha256, data)
    return digest.hexdigest()


async def refusal(backend: str, operation: Operation, generators: Generators) -> InvalidRequest:
    """What to say of a backend that does not do that: which others do."""
    others = []
    for name, generator in generators.items():
        try:
            able = operation in (await generator.capabilities()).operations
        except ImagingError:
            able = False
        if able:
            others.append(name)
    return InvalidRequest([FieldProblem(field="backend", message=cannot(backend, operation, tuple(others)))])

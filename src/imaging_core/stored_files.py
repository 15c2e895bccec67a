"""What stored pictures are called and what lies beside them, one way for a folder and for a bucket; imports stdlib and this package.

The same names in both, so that pictures move from one to the other as they are:

3f/3f0c.../
    0-<sha256>.png              a picture of call 0, named after its content
    input-mask-<sha256>.png     a picture that the job begins with
    0.json                      the record of call 0: what is not in one is not found
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping

import attrs

from imaging_core.formats import media_type_of
from imaging_core.images import Generated, GeneratedImage, ImageRef, StoredCall
from imaging_core.records import stored_call_from_record, stored_call_to_record

#: What a picture is called.
PICTURE = re.compile(r"[0-9]{1,6}-[0-9a-f]{64}\.(?:png|jpg|webp|bin)", re.ASCII)
#: What a key must look like to name a file at all: the job, and its picture.
KEY = re.compile(rf"([0-9a-f]{{32}})/({PICTURE.pattern})", re.ASCII)
#: What a call's record is called.
MANIFEST = re.compile(r"([0-9]{1,6})\.json", re.ASCII)
#: What a picture is called that a job begins with.
INPUT = re.compile(r"input-[a-z_]{1,32}-[0-9a-f]{64}\.(?:png|jpeg|webp|bin)", re.ASCII)
#: What a key must look like to name one of those at all: the job, and its file.
INPUT_KEY = re.compile(rf"([0-9a-f]{{32}})/({INPUT.pattern})", re.ASCII)

_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


@attrs.frozen(kw_only=True)
class FileToStore:
    """One file."""

    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    sha256: str
    media_type: str


@attrs.frozen(kw_only=True)
class CallFiles:
    """What a call leaves in the store: its pictures first, then, at once, its record."""

    stored: StoredCall
    #: By name; equal pictures of a call are one file.
    pictures: Mapping[str, FileToStore]
    record_name: str
    record: bytes


def call_files(job_id: str, call: int, generated: Generated, first_image: int) -> CallFiles:
    """The files of what a call gave; filtered pictures are counted and leave none."""
    kept = [(first_image + k, image) for k, image in enumerate(generated.images) if not image.filtered]
    refs = tuple(_ref(job_id, call, index, image) for index, image in kept)
    stored = StoredCall(call=call, images=refs, filtered=len(generated.images) - len(kept), credits=generated.credits)
    return CallFiles(
        stored=stored,
        pictures={
            name_of(ref): FileToStore(data=image.data, sha256=ref.sha256, media_type=ref.media_type)
            for ref, (_, image) in zip(refs, kept, strict=True)
        },
        record_name=f"{call}.json",
        record=json.dumps(stored_call_to_record(stored)).encode(),
    )


def input_files(inputs: Mapping[str, bytes]) -> dict[str, tuple[str, FileToStore]]:
    """By field, the name and the file of each picture that a job begins with."""
    files = {}
    for field, data in inputs.items():
        digest, media_type = hashlib.sha256(data).hexdigest(), media_type_of(data) or "image/bin"
        name = f"input-{field}-{digest}.{media_type.removeprefix('image/')}"
        if INPUT.fullmatch(name) is None:
            raise ValueError("the name of a picture's field has other characters than a-z and _")
        files[field] = name, FileToStore(data=data, sha256=digest, media_type=media_type)
    return files


def read_record(text: bytes) -> StoredCall:
    """The call that a record tells of. Raises ValueError for one that is damaged."""
    try:
        return stored_call_from_record(json.loads(text))
    except (TypeError, KeyError) as error:
        raise ValueError("the record of a stored call is damaged") from error


def name_of(ref: ImageRef) -> str:
    """The file's name within its job."""
    return ref.key.partition("/")[2]


def unnamed_among(names: Iterable[str], calls: Iterable[StoredCall], kept: Iterable[ImageRef]) -> list[str]:
    """Pictures that none of the records names, nor `kept`: of a writer that crashed, or is about to write its record."""
    named = {name_of(ref) for stored in calls for ref in stored.images} | {name_of(ref) for ref in kept}
    return [name for name in names if PICTURE.fullmatch(name) and name not in named]


def _ref(job_id: str, call: int, index: int, image: GeneratedImage) -> ImageRef:
    digest = hashlib.sha256(image.data).hexdigest()
    return ImageRef(
        index=index,
        key=f"{job_id}/{call}-{digest}.{_EXTENSIONS.get(image.media_type, 'bin')}",
        media_type=image.media_type,
        size=len(image.data),
        sha256=digest,
        width=image.width,
        height=image.height,
        seed=image.seed,
    )

"""The files of one call within a job's folder: pictures first, then the manifest; imports stdlib and imaging_core.

Everything here blocks, and raises OSError.
"""

import hashlib
import json
import re
from collections.abc import Callable
from functools import partial

from adapters.directory.draft import Draft
from adapters.directory.folder import Folder
from adapters.directory.together import together
from imaging_core.errors import Unavailable
from imaging_core.images import Generated, GeneratedImage, ImageRef, StoredCall
from imaging_core.records import stored_call_from_record, stored_call_to_record

#: What a picture is called.
PICTURE = re.compile(r"[0-9]{1,6}-[0-9a-f]{64}\.(?:png|jpg|webp|bin)", re.ASCII)
#: What a key must look like to name a file at all: the job, and its picture.
KEY = re.compile(rf"([0-9a-f]{{32}})/({PICTURE.pattern})", re.ASCII)
#: What a call's manifest is called.
MANIFEST = re.compile(r"([0-9]{1,6})\.json", re.ASCII)

_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
#: Far more than the manifest of the largest call, in bytes.
_MANIFEST_MOST = 8 << 20


def read_call(folder: Folder, call: int) -> StoredCall | None:
    """The call's record, None when there is none; Unavailable when it cannot be read."""
    name = f"{call}.json"
    try:
        text, _ = folder.read(name, most=_MANIFEST_MOST)
    except FileNotFoundError:
        return None
    try:
        return stored_call_from_record(json.loads(text))
    except (ValueError, TypeError, KeyError) as error:
        raise Unavailable(
            f"The record {name} of a stored call is damaged. Delete the job and make it again."
        ) from error


def store_call(
    folder: Folder,
    job_id: str,
    call: int,
    generated: Generated,
    first_image: int,
    *,
    sync_parents: Callable[[], None] = lambda: None,
) -> StoredCall:
    """Store a call's pictures, then its record at once; the record that is there when another was first.

    `sync_parents` makes the folder's own name durable; it may run beside the writing. After an OSError nothing is found
    of the call.
    """
    pictures = [(first_image + k, image) for k, image in enumerate(generated.images) if not image.filtered]
    refs = tuple(_ref(job_id, call, index, image) for index, image in pictures)
    stored = StoredCall(
        call=call, images=refs, filtered=len(generated.images) - len(pictures), credits=generated.credits
    )
    # Equal pictures of a call are one file.
    files = {_file_name(ref): (image.data, ref.sha256) for ref, (_, image) in zip(refs, pictures, strict=True)}
    record = f"{call}.json"
    contents = {**files, record: (json.dumps(stored_call_to_record(stored)).encode(), None)}
    drafts: dict[str, Draft] = {}

    def write(name: str) -> None:
        data, sha256 = contents[name]
        drafts[name] = folder.draft(data, sha256=sha256)

    try:
        # All of it is on the disk before any of it gets its name: that there is no room comes out here, without a trace.
        # None of these syncs needs another to be first, only the names below need them all: journals take them as one.
        together(*(partial(write, name) for name in contents), sync_parents)
        for name in files:
            drafts[name].replace(name)
        # The record must not survive a power cut that a picture's name did not: nothing says which of two names of one
        # folder reaches the disk first, so each has a sync of its own.
        folder.sync()
        if not drafts[record].publish(record):
            stored = read_call(folder, call) or stored
    finally:
        for draft in drafts.values():
            draft.discard()
    folder.sync()
    _remove_losers(folder, stored)
    return stored


def unnamed_pictures(folder: Folder) -> list[str]:
    """Pictures that no record names: of a writer that crashed, or of one that is about to write its record.

    Unavailable when a record cannot be read.
    """
    names = folder.names()
    calls = [read_call(folder, int(match[1])) for name in names if (match := MANIFEST.fullmatch(name))]
    named = {_file_name(ref) for stored in calls if stored is not None for ref in stored.images}
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


def _file_name(ref: ImageRef) -> str:
    return ref.key.partition("/")[2]


def _remove_losers(folder: Folder, stored: StoredCall) -> None:
    """Remove the pictures of writers that crashed or came second; once the record is there, none of them can win."""
    kept = {_file_name(ref) for ref in stored.images}
    for name in folder.names():
        if name.startswith(f"{stored.call}-") and name not in kept:
            folder.remove(name)

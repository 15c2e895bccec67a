"""The files of one call within a job's folder: pictures first, then the manifest; imports stdlib and imaging_core.

Everything here blocks, and raises OSError.
"""

from collections.abc import Callable, Iterable
from functools import partial

from adapters.directory.draft import Draft
from adapters.directory.folder import Folder
from adapters.directory.together import together
from imaging_core.errors import Unavailable
from imaging_core.images import Generated, ImageRef, StoredCall
from imaging_core.stored_files import MANIFEST, call_files, name_of, read_record, unnamed_among

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
        return read_record(text)
    except ValueError as error:
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
    fresh: bool = False,
) -> StoredCall:
    """Store a call's pictures, then its record at once; the record that is there when another was first.

    `sync_parents` makes the folder's own name durable; it may run beside the writing, and so may the pictures' proof, whose
    error leaves nothing either. A `fresh` folder was made for this call: others left nothing in it. After an OSError nothing
    is found of the call, unless its last sync failed: then its record may be there, and whoever finds it has to sync before
    telling of it.
    """
    files = call_files(job_id, call, generated, first_image)
    stored, record = files.stored, files.record_name
    contents = {name: picture.data for name, picture in files.pictures.items()} | {record: files.record}
    drafts: dict[str, Draft] = {}

    def write(name: str, data: bytes) -> None:
        drafts[name] = folder.draft(data)
        # Quotas, NFS and delayed allocation say only at the sync that there is no room.
        drafts[name].sync()

    try:
        # Before any of it gets a name: that there is no room, or a picture that is not whole, comes out here, without a
        # trace. None of this needs another to be first, only the names below need it all.
        proofs = () if generated.proof is None else (generated.proof,)
        together(*(partial(write, *content) for content in contents.items()), sync_parents, *proofs)
        # From here on a failure leaves whole pictures that no record names. They stay, for whoever stores the call again,
        # or for a repair: another writer of equal bytes may have come to rely on their names.
        for name in files.pictures:
            drafts[name].replace(name)
        folder.sync()
        # The record must not survive a power cut that a picture's name did not: nothing says which of two names of one
        # folder reaches the disk first, so each has a sync of its own.
        first = drafts[record].publish(record)
        if not first:
            stored = read_call(folder, call) or stored
    finally:
        for draft in drafts.values():
            draft.discard()
    folder.sync()
    if not (first and fresh):
        # Who comes second to a fresh folder removes its own.
        _remove_losers(folder, stored)
    return stored


def unnamed_pictures(folder: Folder, kept: Iterable[ImageRef]) -> list[str]:
    """Pictures that no record names, nor `kept`: of a writer that crashed, or of one that is about to write its record.

    Unavailable when a record cannot be read.
    """
    names = folder.names()
    calls = [read_call(folder, int(match[1])) for name in names if (match := MANIFEST.fullmatch(name))]
    return unnamed_among(names, (stored for stored in calls if stored is not None), kept)


def _remove_losers(folder: Folder, stored: StoredCall) -> None:
    """Remove the pictures of writers that crashed or came second; once the record is there, none of them can win."""
    kept = {name_of(ref) for ref in stored.images}
    for name in folder.names():
        if name.startswith(f"{stored.call}-") and name not in kept:
            folder.remove(name)

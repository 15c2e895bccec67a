"""Whether a picture could be stored now: the only way to know is to try; imports stdlib, imaging_core and its neighbours."""

from adapters.directory.draft import temporary_name
from adapters.directory.folder import Folder
from imaging_core.errors import StorageFull


def try_to_store(path: str, *, reserve_bytes: int) -> None:
    """Make the folder at that path if need be, and store something in it for a moment. Blocks.

    Raises OSError, and StorageFull when fewer than `reserve_bytes` are free.
    """
    with Folder.made(path) as root:
        free = root.free()
        if free < reserve_bytes:
            raise StorageFull(
                f"Only {free >> 20} MiB are free for pictures in {path}, less than the reserve of "
                f"{reserve_bytes >> 20} MiB. Free disk space or delete old pictures."
            )
        name = temporary_name()
        draft = root.draft(b"imaging checks that it can store pictures here\n")
        try:
            draft.sync()
            draft.publish(name)
        finally:
            draft.discard()
        root.remove(name)

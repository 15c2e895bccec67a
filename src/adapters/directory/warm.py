"""Pictures that the kernel probably has in memory, and reading them there; imports imaging_core and its neighbours."""

import errno
from collections.abc import Callable

from adapters.directory.folder import Folder
from imaging_core.images import ImageRef

#: Largest picture that is read on the event loop, in bytes: a larger one holds everybody up for longer than a thread costs.
WITHOUT_THREAD = 2 << 20
#: How many pictures are remembered as in the kernel's memory.
MOST_WARM = 1024
#: How many pictures may be on their way to their readers in memory that is used again; further ones get some of their own.
MOST_ROOMS = 4


class WarmPictures:
    """Pictures that were written or read a moment ago. Lives on the event loop."""

    def __init__(self) -> None:
        #: By key, the oldest first.
        self._keys: dict[str, None] = {}
        #: Whether the file system can tell what is in memory, as far as is known.
        self._tells = True
        self._rooms: list[bytearray] = []

    def note(self, ref: ImageRef) -> None:
        """It was written or read just now."""
        if not self._tells:
            self._keys.clear()
        elif ref.size <= WITHOUT_THREAD:
            self._keys[ref.key] = None
            if len(self._keys) > MOST_WARM:
                del self._keys[next(iter(self._keys))]

    def read(self, ref: ImageRef, folder_of: Callable[[], Folder], name: str) -> memoryview | None:
        """A picture without a thread, which costs more than reading it; None unless nothing of that waits for a disk.

        Opening it does not either: the kernel keeps the names of what it keeps in memory.
        """
        if ref.key not in self._keys or ref.size > WITHOUT_THREAD:
            return None
        room = memoryview(self._free_room(ref.size))[: ref.size]
        try:
            with folder_of() as folder:
                return room.toreadonly() if folder.read_from_memory(name, room) else None
        except OSError as error:
            # Whatever it is, the thread that reads it next finds out, and has the words for it.
            self._tells = self._tells and error.errno != errno.ENOTSUP
            return None

    def _free_room(self, size: int) -> bytearray:
        """Memory of that many bytes or more that nobody looks at: clearing it anew takes as long as half a read."""
        for room in self._rooms:
            if _unseen(room):
                return room
        if len(self._rooms) == MOST_ROOMS:
            return bytearray(size)
        self._rooms.append(bytearray(WITHOUT_THREAD))
        return self._rooms[-1]


def _unseen(room: bytearray) -> bool:
    # Python refuses to change the length of what any view of it, or of a part of it, is left of.
    try:
        room.pop()
    except BufferError:
        return False
    room.append(0)
    return True

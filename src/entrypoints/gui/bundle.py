"""Names of picture files, and many of them in one zip; pure, imports stdlib and the client's values."""

import io
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, tzinfo

import attrs

from entrypoints.client import JobInfo
from entrypoints.gui.words import shortened

#: Largest sum of pictures in one zip, in bytes: it is put together in the page's memory.
MOST_BYTES = 256_000_000

#: Pictures that are fetched at a time.
_AT_ONCE = 4

#: Earliest year that a zip can tell.
_FIRST_YEAR = 1980

_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


#: Puts a zip together when somebody wants it.
Zipper = Callable[[], io.BytesIO]


@attrs.frozen(kw_only=True)
class Piece:
    """One picture on its way into a zip."""

    image_id: str
    index: int
    name: str
    made: datetime


def file_name(job: JobInfo, index: int, extension: str | None = None) -> str:
    """A picture's name as a file: its prompt's first words and its seed; with the stored file's extension if none is given."""
    image = job.images[index]
    number = f"-{index + 1}" if job.count > 1 else ""
    extension = extension or _EXTENSIONS.get(image.media_type) or image.media_type.partition("/")[2]
    return f"{_slug(job)}-{image.seed}{number}.{extension}"


def zip_name(job: JobInfo) -> str:
    """The name of a zip of all its pictures."""
    return f"{_slug(job)}-{len(job.images)}-pictures.zip"


def _slug(job: JobInfo) -> str:
    words = shortened(job.request.prompt if job.request else job.image_id, 40).lower()
    return "-".join("".join(c if c.isalnum() else " " for c in words).split()) or "picture"


def pieces(jobs: Iterable[JobInfo]) -> list[Piece]:
    """Every picture of these jobs, under names of which none is there twice."""
    taken: set[str] = set()
    found = []
    for job in jobs:
        for image in job.images:
            name = _free(file_name(job, image.index), taken)
            made = job.finished_at or job.created_at
            found.append(Piece(image_id=job.image_id, index=image.index, name=name, made=made))
    return found


def local(piece: Piece, zone: tzinfo) -> Piece:
    """The same with its time by that zone: a zip's times have none."""
    return attrs.evolve(piece, made=piece.made.astimezone(zone))


def _free(name: str, taken: set[str]) -> str:
    stem, _, extension = name.rpartition(".")
    number, free = 1, name
    # Some file systems do not tell upper from lower case.
    while free.casefold() in taken:
        number += 1
        free = f"{stem}-({number}).{extension}"
    taken.add(free.casefold())
    return free


def weight(jobs: Iterable[JobInfo]) -> int:
    """Sum of all their pictures, in bytes."""
    return sum(image.size for job in jobs for image in job.images)


def zipped(wanted: Iterable[Piece], read: Callable[[Piece], bytes | None]) -> io.BytesIO:
    """A zip of these pictures as they are: they are compressed already. `read` gives None for one that is gone.

    What was gone is named in a text file beside the others. `read` is called from several threads at a time.
    """
    file = io.BytesIO()
    gone: list[str] = []
    found = list(wanted)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive, ThreadPoolExecutor(_AT_ONCE) as pool:
        # A few at a time, so that no more than those wait in memory to be put in.
        for group in (found[at : at + _AT_ONCE] for at in range(0, len(found), _AT_ONCE)):
            for piece, data in zip(group, pool.map(read, group), strict=True):
                if data is None:
                    gone.append(piece.name)
                    continue
                made = piece.made if piece.made.year >= _FIRST_YEAR else piece.made.replace(year=_FIRST_YEAR)
                archive.writestr(zipfile.ZipInfo(piece.name, made.timetuple()[:6]), data)
        if gone:
            told = "These pictures were deleted before they could be put in:\n\n" + "\n".join(gone) + "\n"
            archive.writestr("missing.txt", told)
    return file

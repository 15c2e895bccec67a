"""Copies a tree of pictures that may be in use; imports stdlib and imaging_core.

Everything here blocks. What is in the tree never changes, so names alone say what is new.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from adapters.directory.failures import translated
from imaging_core.ids import JOB_ID
from imaging_core.stored_files import INPUT, KEY, MANIFEST

_FAN_OUT = re.compile(r"[0-9a-f]{2}", re.ASCII)
#: Another file system, one without hard links, or too many links already: then bytes are copied.
_CANNOT_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


def copy_pictures(root: Path, target: Path, *, link: bool) -> None:
    """Bring every picture and call record below `root` to `target`, but those that are there; hard links if asked for.

    What is deleted meanwhile is left out. Raises Unavailable, StorageFull.
    """
    with translated(str(target)):
        for folder in job_folders(root):
            with suppress(FileNotFoundError):
                _copy_job(folder, target / folder.parent.name / folder.name, link=link)


def job_folders(root: Path) -> Iterator[Path]:
    """The folder of each job below a root."""
    if not root.is_dir():
        return
    for fan_out in sorted(root.iterdir()):
        if _FAN_OUT.fullmatch(fan_out.name) and fan_out.is_dir() and not fan_out.is_symlink():
            yield from (job for job in sorted(fan_out.iterdir()) if JOB_ID.fullmatch(job.name) and not job.is_symlink())


def _copy_job(folder: Path, target: Path, *, link: bool) -> None:
    # The pictures of a record are there before it: listed after the records, all of them are found.
    records = [path for path in folder.iterdir() if MANIFEST.fullmatch(path.name)]
    pictures = [
        path for path in folder.iterdir() if KEY.fullmatch(f"{folder.name}/{path.name}") or INPUT.fullmatch(path.name)
    ]
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (*pictures, *records):
        if path.is_file() and not path.is_symlink() and not (target / path.name).exists():
            with suppress(FileNotFoundError):
                _place(path, target / path.name, link=link)


def _place(path: Path, target: Path, *, link: bool) -> None:
    if link:
        try:
            os.link(path, target)
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
        else:
            return
    shutil.copyfile(path, target)
    target.chmod(0o600)

"""The commands `imaging backup` and `imaging restore`, for the embedded mode's data; imports adapters, container and core.

Pictures in a bucket stay there: it keeps them apart from this machine already.

TARGET/
    manifest.json       every file with its length and SHA-256; written last
    imaging.db          the jobs at one moment
    pictures/...        at least every picture that a finished job of that moment has
"""

import asyncio
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.directory.archive import copy_pictures, job_folders
from adapters.directory.failures import translated
from adapters.new_folders import sync
from adapters.sqlite.database import DATABASE_FILE
from adapters.sqlite.lock import LOCK_FILE, FolderLock
from adapters.sqlite.snapshot import finished_pictures, job_ids, take_snapshot
from entrypoints.container.pictures import pictures_folder
from entrypoints.settings import Settings
from imaging_core.errors import ImagingError
from imaging_core.stored_files import INPUT_KEY, KEY, MANIFEST

MANIFEST_FILE = "manifest.json"
PICTURES = "pictures"
_FORMAT = 1
#: Looks at the jobs: each sees those deleted during the one before.
_LOOKS = 5
#: What a backup may hold: the database, and what the store gives names to.
_PATH = re.compile(
    rf"imaging\.db|pictures/[0-9a-f]{{2}}/(?:{KEY.pattern}|{INPUT_KEY.pattern}|[0-9a-f]{{32}}/{MANIFEST.pattern})",
    re.ASCII,
)
_NAMED_SHA256 = re.compile(r"(?:[0-9]+|input-[a-z_]+)-([0-9a-f]{64})\.", re.ASCII)
_PIECE = 1 << 20

Files = Mapping[str, Mapping[str, Any]]


class BackupError(ImagingError):
    """A backup or a restore cannot be made; the sentence says why and what to do."""


async def run_backup(settings: Settings, target: Path, *, link: bool) -> int:
    """Copy jobs and pictures, also while `imaging up` runs; 1 when a finished job's picture is missing or damaged."""
    return await asyncio.to_thread(_backup, settings, target, link=link)


async def run_restore(settings: Settings, source: Path) -> int:
    """Check a backup and put it into the empty data folder."""
    return await asyncio.to_thread(_restore, settings, source)


# --- backup ------------------------------------------------------------------------------------------------


def _backup(settings: Settings, target: Path, *, link: bool) -> int:
    target = target.absolute()
    if not (settings.data_dir / DATABASE_FILE).exists():
        raise BackupError(f"There are no jobs in {settings.data_dir}. Set IMAGING_DATA_DIR to what `imaging up` uses.")
    _must_be_empty(target, "Name a new folder for the backup.")
    # A name of its own until it is whole, so that nothing half-done is taken for a backup.
    partial = target.with_name(f".{target.name}.partial")
    with translated(str(target)):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700, parents=True)
    try:
        with translated(str(target)):
            missing = _copy_all(settings, partial, link=link)
            files = {path: _facts(partial / path) for path in _paths(partial)}
            _write_manifest(partial, files)
            os.sync()
            partial.replace(target)
            sync(target.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    damaged = [path for path, facts in files.items() if not _is_as_named(path, facts)]
    for what, names in (("missing", sorted(missing)), ("damaged", damaged)):
        for name in names:
            sys.stderr.write(f"imaging: {what} in {settings.data_dir}: picture {name}\n")
    size = sum(facts["size"] for facts in files.values())
    sys.stdout.write(f"{target}: {len(files)} files, {size} bytes.{_elsewhere(settings)}\n")
    return 1 if missing or damaged else 0


def _copy_all(settings: Settings, partial: Path, *, link: bool) -> frozenset[str]:
    """Copy everything; the keys of pictures that finished jobs should have and that are not there.

    Jobs first, pictures then: a finished job's pictures were stored before it was finished. Only a job deleted in between
    can lack them, and the next look no longer sees that one; what two looks miss is lost.
    """
    snapshot, pictures = partial / DATABASE_FILE, partial / PICTURES
    root = pictures_folder(settings)
    if root is None:
        take_snapshot(settings.data_dir, snapshot)
        return frozenset()
    missing: frozenset[str] | None = None
    for _ in range(_LOOKS):
        take_snapshot(settings.data_dir, snapshot)
        copy_pictures(root, pictures, link=link)
        before, missing = (
            missing,
            frozenset(
                ref.key for ref in finished_pictures(snapshot) if not (pictures / ref.key[:2] / ref.key).exists()
            ),
        )
        if not missing or missing == before:
            break
    known = job_ids(snapshot)
    for folder in list(job_folders(pictures)):
        if folder.name not in known:
            # Added or deleted while we were at it: not of this moment.
            shutil.rmtree(folder)
    return missing or frozenset()


def _paths(folder: Path) -> Iterator[str]:
    yield DATABASE_FILE
    for job in job_folders(folder / PICTURES):
        yield from (path.relative_to(folder).as_posix() for path in sorted(job.iterdir()))


def _write_manifest(folder: Path, files: Files) -> None:
    facts = {
        "format": _FORMAT,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": importlib.metadata.version("imaging-service"),
        "files": files,
    }
    (folder / MANIFEST_FILE).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


# --- restore -----------------------------------------------------------------------------------------------


def _restore(settings: Settings, source: Path) -> int:
    source = source.absolute()
    folder = pictures_folder(settings)
    pictures = folder or settings.data_dir / PICTURES
    why = "Name an empty data folder in IMAGING_DATA_DIR, or move this one away."
    with translated(str(settings.data_dir)):
        _must_be_empty(settings.data_dir, why)
        _must_be_empty(pictures, "Move the pictures there away, or name another folder in IMAGING_STORAGE_URL.")
        files = _read_manifest(source)
        if folder is None and any(path != DATABASE_FILE for path in files):
            raise BackupError(
                f"{source} has pictures, and IMAGING_STORAGE_URL names a bucket. Copy {source / PICTURES} there and restore "
                "into a data folder without IMAGING_STORAGE_URL, or leave that out here too."
            )
        # Nothing is written before everything is known to be whole.
        for path, facts in files.items():
            _must_match(source, path, _found(source / path), facts)
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FolderLock(settings.data_dir)
        try:
            # The jobs come last: without them, nobody takes the folder for restored.
            for path in sorted(files, key=lambda path: path == DATABASE_FILE):
                below = path.removeprefix(f"{PICTURES}/")
                target = settings.data_dir / f"{path}.restoring" if path == DATABASE_FILE else pictures / below
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                target.touch(mode=0o600)
                shutil.copyfile(source / path, target)
                _must_match(source, path, _found(target), files[path])
            os.sync()
            (settings.data_dir / f"{DATABASE_FILE}.restoring").replace(settings.data_dir / DATABASE_FILE)
            sync(settings.data_dir)
        finally:
            lock.release()
    sys.stdout.write(
        f"{settings.data_dir}: {len(files)} files restored and checked. `imaging up` goes on from there."
        f"{_elsewhere(settings)}\n"
    )
    return 0


def _elsewhere(settings: Settings) -> str:
    return f" The pictures are in {settings.storage_url} and stay there." if pictures_folder(settings) is None else ""


def _read_manifest(source: Path) -> Files:
    try:
        facts = json.loads((source / MANIFEST_FILE).read_bytes())
        made, files = facts["format"], facts["files"]
        whole = DATABASE_FILE in files and all(_PATH.fullmatch(path) for path in files)
    except FileNotFoundError:
        raise BackupError(f"{source} is no backup: it has no {MANIFEST_FILE}.") from None
    except (ValueError, TypeError, KeyError):
        raise BackupError(f"{source / MANIFEST_FILE} is damaged. Take another backup.") from None
    if made != _FORMAT:
        raise BackupError(f"{source} has format {made}; this version reads {_FORMAT}. Use the version that made it.")
    if not whole:
        raise BackupError(f"{source / MANIFEST_FILE} names files that no backup has. Take another backup.")
    found: Files = files
    return found


def _found(path: Path) -> Mapping[str, Any] | None:
    try:
        return _facts(path)
    except FileNotFoundError:
        return None


def _must_match(source: Path, path: str, found: Mapping[str, Any] | None, facts: Mapping[str, Any]) -> None:
    if found != facts:
        what = "is missing" if found is None else "is not what the manifest says"
        raise BackupError(f"The backup {source} is damaged: {path} {what}. Take another backup.")


# --- files -------------------------------------------------------------------------------------------------


def _must_be_empty(folder: Path, advice: str) -> None:
    # A lock's file means nothing by itself.
    if folder.exists() and (not folder.is_dir() or any(path.name != LOCK_FILE for path in folder.iterdir())):
        raise BackupError(f"{folder} is not empty. {advice}")


def _facts(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
        return {"size": file.tell(), "sha256": digest.hexdigest()}


def _is_as_named(path: str, facts: Mapping[str, Any]) -> bool:
    named = _NAMED_SHA256.match(path.rpartition("/")[2])
    return named is None or named[1] == facts["sha256"]

"""Fetches the files of a model list, resumes what is partial and skips what is there; imports httpx."""

import hashlib
import re
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import httpx

#: Small, since a piece that was cut is lost; in bytes.
PIECE = 1 << 16
#: Waits before a file is tried again, in s: a network that is away for a minute is no reason to give up a large file.
WAITS = (1.0, 5.0, 15.0, 60.0)


class DownloadError(Exception):
    """A file could not be had as listed; the text says which, why and what to do."""


@attrs.frozen(kw_only=True)
class ListedFile:
    """One entry of the list."""

    name: str
    url: str
    #: File name below the target folder.
    file: str = attrs.field(validator=attrs.validators.matches_re(r"[A-Za-z0-9][A-Za-z0-9._-]*"))
    #: Length in bytes.
    size: int = attrs.field(validator=attrs.validators.gt(0))
    sha256: str = attrs.field(validator=attrs.validators.matches_re(r"[0-9a-f]{64}"))


def read_list(path: Path) -> Sequence[ListedFile]:
    """The files of a list. Raises DownloadError for a list that cannot be read."""
    try:
        return [ListedFile(**entry) for entry in tomllib.loads(path.read_text())["model"]]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise DownloadError(f"The list {path} cannot be read: {error}") from error


def fetch(
    listed: ListedFile, folder: Path, say: Callable[[str], None], *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Bring one file into the folder, whole and checked. Raises DownloadError."""
    target = folder / listed.file
    if target.exists() and target.stat().st_size == listed.size and _sha256(target) == listed.sha256:
        say(f"{listed.file} is there and whole.")
        return
    part = folder / f"{listed.file}.part"
    why = ""
    for wait_s in (*WAITS, 0.0):
        try:
            _fetch_rest(listed, part, say)
        except (httpx.HTTPError, OSError) as error:
            why = f"{type(error).__name__}: {error}"
            say(f"{listed.file}: {why}.")
            sleep(wait_s)
            continue
        if _sha256(part) == listed.sha256:
            part.replace(target)
            say(f"{listed.file} is there and whole.")
            return
        part.unlink()
        why = "its sha256 is not the listed one; what came was removed"
        say(f"{listed.file}: {why}.")
    raise DownloadError(
        f"{listed.file} could not be fetched ({why}). Check the address in the list and the disk's room."
    )


def _fetch_rest(listed: ListedFile, part: Path, say: Callable[[str], None]) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have > listed.size:
        part.unlink()
        have = 0
    if have == listed.size:
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    timeout = httpx.Timeout(30, read=120)
    with httpx.stream("GET", listed.url, headers=headers, follow_redirects=True, timeout=timeout) as answer:
        answer.raise_for_status()
        # A server that ignores Range sends all of it from the start.
        resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT and _starts_at(answer, have)
        with part.open("ab" if resumed else "wb") as file:
            done, told = (have if resumed else 0), -1
            for piece in answer.iter_bytes(PIECE):
                done += len(piece)
                if done > listed.size:
                    raise OSError(f"more than the listed {listed.size} bytes came")
                file.write(piece)
                if done * 20 // listed.size > told:
                    told = done * 20 // listed.size
                    say(f"{listed.file}: {done * 100 // listed.size} % of {listed.size >> 20} MB")
    if done != listed.size:
        raise OSError(f"{done} of {listed.size} bytes came")


def _starts_at(answer: httpx.Response, offset: int) -> bool:
    match = re.match(r"bytes (\d+)-", answer.headers.get("content-range", ""))
    return match is not None and int(match[1]) == offset


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

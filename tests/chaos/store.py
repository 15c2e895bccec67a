"""Reads the pictures as they lie on the disk, knowing the layout from its documentation alone; imports the standard library and attrs.

ab/ab12.../0.json is the record of a call, written last; 0-<sha256>.png is a picture of it; .tmp-... is unfinished.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import attrs

_PICTURE = re.compile(r"[0-9]+-[0-9a-f]{64}\.[a-z]+")
_STAMP = re.compile(rb"call=([0-9a-f]{32}) seed=")


@attrs.frozen(kw_only=True)
class OnDisk:
    """What the store holds."""

    #: Ids of the fake's calls whose pictures are stored, by job.
    calls: dict[str, list[str]]
    #: Pictures on record, by job; also those that no fake stamped.
    pictures: dict[str, int]
    #: Sentences about records whose picture is missing or not what it should be.
    bad: list[str]
    #: Unfinished files that a crash left.
    temporary: int
    #: Pictures that no record names.
    unnamed: int = 0


def read_store(root: Path) -> OnDisk:
    """Everything below that folder."""
    calls: dict[str, list[str]] = {}
    pictures: dict[str, int] = {}
    bad: list[str] = []
    keys: list[tuple[str, str]] = []
    for manifest in sorted(root.glob("??/*/*.json")):
        job_id = manifest.parent.name
        record = json.loads(manifest.read_text())
        for image in record["images"]:
            keys.append((job_id, str(image["key"])))
            file = root / job_id[:2] / str(image["key"])
            data = file.read_bytes() if file.exists() else b""
            if len(data) != image["size"] or hashlib.sha256(data).hexdigest() != image["sha256"]:
                bad.append(f"job {job_id}: {file.name} on the disk has {len(data)} bytes and not those of its record")
            pictures[job_id] = pictures.get(job_id, 0) + 1
            if found := _STAMP.search(data):
                calls.setdefault(job_id, []).append(found[1].decode())
    named = {str(root / job_id[:2] / key) for job_id, key in keys}
    unnamed = sum(1 for file in root.glob("??/*/*") if _PICTURE.fullmatch(file.name) and str(file) not in named)
    temporary = sum(1 for _ in root.glob("**/.tmp-*"))
    return OnDisk(calls=calls, pictures=pictures, bad=bad, temporary=temporary, unnamed=unnamed)

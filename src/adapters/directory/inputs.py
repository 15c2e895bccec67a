"""The pictures a job begins with, as files within its folder; imports stdlib and imaging_core.

Everything here blocks, and raises OSError. Each is named after its field and its content:
input-init_image-<sha256>.png
"""

import hashlib
import re
from collections.abc import Mapping

from adapters.directory.draft import Draft
from adapters.directory.folder import Folder
from imaging_core.formats import media_type_of

#: What such a file is called.
INPUT = re.compile(r"input-[a-z_]{1,32}-[0-9a-f]{64}\.(?:png|jpeg|webp|bin)", re.ASCII)
#: What a key must look like to name one at all: the job, and its file.
INPUT_KEY = re.compile(rf"([0-9a-f]{{32}})/({INPUT.pattern})", re.ASCII)


def store_inputs(folder: Folder, job_id: str, inputs: Mapping[str, bytes]) -> dict[str, str]:
    """Store them all and give their keys, by name; after an OSError none of them counts."""
    names: dict[str, str] = {}
    drafts: dict[str, Draft] = {}
    try:
        # All of it is on the disk before any of it gets its name: that there is no room comes out without a trace.
        for field, data in inputs.items():
            digest = hashlib.sha256(data).hexdigest()
            kind = (media_type_of(data) or "image/bin").removeprefix("image/")
            name = names[field] = f"input-{field}-{digest}.{kind}"
            if INPUT.fullmatch(name) is None:
                raise ValueError("the name of a picture's field has other characters than a-z and _")
            drafts[name] = folder.draft(data, sha256=digest)
        for name, draft in drafts.items():
            draft.replace(name)
    finally:
        for draft in drafts.values():
            draft.discard()
    folder.sync()
    return {field: f"{job_id}/{name}" for field, name in names.items()}

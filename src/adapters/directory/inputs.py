"""The pictures a job begins with, as files within its folder; imports imaging_core.

Everything here blocks, and raises OSError.
"""

from collections.abc import Mapping

from adapters.directory.draft import Draft
from adapters.directory.folder import Folder
from imaging_core.stored_files import input_files


def store_inputs(folder: Folder, job_id: str, inputs: Mapping[str, bytes]) -> dict[str, str]:
    """Store them all and give their keys, by name; after an OSError none of them counts."""
    files = input_files(inputs)
    drafts: dict[str, Draft] = {}
    try:
        # All of it is on the disk before any of it gets its name: that there is no room comes out without a trace.
        for name, file in files.values():
            drafts[name] = folder.draft(file.data)
        for draft in drafts.values():
            draft.sync()
        for name, draft in drafts.items():
            draft.replace(name)
    finally:
        for draft in drafts.values():
            draft.discard()
    folder.sync()
    return {field: f"{job_id}/{name}" for field, (name, _) in files.items()}

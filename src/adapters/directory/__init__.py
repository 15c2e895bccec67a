"""Pictures in a directory, for one host or a shared volume; imports stdlib and imaging_core."""

from adapters.directory.store import DirectoryImageStore

__all__ = ["DirectoryImageStore"]

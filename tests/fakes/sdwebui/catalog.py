"""What the server has on its disk: checkpoints with all their aliases, VAEs, samplers, schedulers, upscalers.

May import the standard library, attrs and this package's records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import attrs

from fakes.sdwebui import recorded
from fakes.sdwebui.errors import HTTPRefusal, NamedError

_ROOT = "/srv/webui/models"
#: sha256 of the two checkpoints and the VAE that the records were made with, and of a text file posing as a model.
_KNOWN = {
    "tinyA": "5b14b6f47c1ca875b1337099def1a36c06a239d1e3fbf2a773a380324ce27cef",
    "tinyB": "8aa97f66a8fcd74ed282dc2adb39aa9497aca69f1b1417aa23764d77370882c1",
    "text": "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
}
_VAE_HASHES = {"tinyvae.safetensors": "71e12bcf1a"}
#: Files that cannot be loaded, and what the real loader says of them.
_UNLOADABLE: dict[str, Exception] = {
    "truncated": NamedError("SafetensorError", "Error while deserializing header: MetadataIncompleteBuffer"),
    "text": AttributeError("'NoneType' object has no attribute 'pop'"),
}
NO_CHECKPOINTS = FileNotFoundError(
    "No checkpoints found. When searching for checkpoints, looked at:\n - file /srv/webui/model.ckpt\n"
    " - directory /srv/webui/emptymodels/Stable-diffusionCan't run without a checkpoint."
    " Find and place a .ckpt or .safetensors file into any of those locations."
)


@attrs.define(kw_only=True)
class Checkpoint:
    """One model file. Its hash is unknown, and missing in the lists, until the file has been read once."""

    name: str
    hashed: bool = False
    deleted: bool = False

    @property
    def sha256(self) -> str:
        """Of the file; made up from the name for models that are in no record."""
        return _KNOWN.get(self.name) or hashlib.sha256(self.name.encode()).hexdigest()

    @property
    def short_hash(self) -> str:
        """What people write in brackets."""
        return self.sha256[:10]

    @property
    def file(self) -> str:
        """The file's name within the model folder."""
        return f"{self.name}.{'ckpt' if self.name == 'text' else 'safetensors'}"

    @property
    def title(self) -> str:
        """The name in menus; it changes when the file has been hashed."""
        return f"{self.file} [{self.short_hash}]" if self.hashed else self.file

    @property
    def path(self) -> str:
        """Where the file lies."""
        return f"{_ROOT}/Stable-diffusion/{self.file}"

    @property
    def aliases(self) -> set[str]:
        """Every spelling that finds it; there is no matching of parts."""
        plain = {self.name, self.file, self.title}
        return plain | {self.short_hash, self.sha256, f"{self.name} [{self.short_hash}]"} if self.hashed else plain

    def listed(self) -> dict[str, Any]:
        """Its row in /sd-models."""
        return {
            "title": self.title,
            "model_name": self.name,
            "hash": self.short_hash if self.hashed else None,
            "sha256": self.sha256 if self.hashed else None,
            "filename": self.path,
            "config": None if self.name == "text" else f"{_ROOT}/Stable-diffusion/{self.name}.yaml",
        }

    def read(self) -> None:
        """What loading does to the file: hash it, then fail if it is no model."""
        if self.deleted:
            raise FileNotFoundError(2, "No such file or directory", self.path)
        if self.name == "truncated":
            raise _UNLOADABLE[self.name]
        self.hashed = True
        if self.name in _UNLOADABLE:
            raise _UNLOADABLE[self.name]


class Catalog:
    """The lists of one server."""

    def __init__(self, version: str, checkpoints: Sequence[str]) -> None:
        self.version = version
        self.checkpoints = [Checkpoint(name=name) for name in sorted(checkpoints, key=str.lower)]
        self.samplers: list[dict[str, Any]] = recorded.versioned("get_samplers", version)
        self.has_schedulers = not version.startswith("1.8.")
        self.schedulers: list[dict[str, Any]] = (
            recorded.versioned("get_schedulers", version) if self.has_schedulers else []
        )
        self.vaes: list[dict[str, Any]] = recorded.body("get_sd-vae")
        self.styles: list[dict[str, Any]] = recorded.body("get_prompt-styles")
        self.upscalers: list[str] = [row["name"] for row in recorded.body("get_upscalers")]
        self.latent_modes: list[str] = [row["name"] for row in recorded.body("get_latent-upscale-modes")]
        self.scripts: dict[str, list[str]] = recorded.body("get_scripts")

    def find(self, spelling: Any) -> Checkpoint | None:
        """The checkpoint with exactly that alias."""
        return next((c for c in self.checkpoints if isinstance(spelling, str) and spelling in c.aliases), None)

    def named(self, spelling: str) -> Checkpoint:
        """Like `find`, for refiner and hires checkpoints, where an unknown name is an error."""
        found = self.find(spelling)
        if found is None:
            raise NamedError("Exception", f"Could not find checkpoint with name {spelling}")
        return found

    def refresh(self) -> None:
        """Look at the disk again: deleted files leave the list."""
        self.checkpoints = [c for c in self.checkpoints if not c.deleted]

    def vae(self, name: Any) -> tuple[str | None, str | None]:
        """Name and hash of the VAE in use; unknown names mean none."""
        if isinstance(name, str) and any(row["model_name"] == name for row in self.vaes):
            return name, _VAE_HASHES.get(name, hashlib.sha256(name.encode()).hexdigest()[:10])
        return None, None

    def sampling(self, sampler: str | None, scheduler: str | None) -> tuple[str, str | None]:
        """The sampler and the schedule that will run; None for a schedule the infotext does not name.

        1.10 corrects what it does not know in silence; older releases know no aliases and answer 404.
        """
        if self.version.startswith("1.10."):
            name, label = self._corrected(sampler, scheduler)
            default = self._options(name).get("scheduler")
            if label == "Automatic" and default:
                label = next(row["label"] for row in self.schedulers if row["name"] == default)
            return name, label
        if not any(row["name"] == sampler for row in self.samplers):
            raise HTTPRefusal(404, "Sampler not found")
        assert sampler is not None
        return sampler, scheduler

    def _options(self, sampler: str) -> dict[str, str]:
        options: dict[str, str] = next(row["options"] for row in self.samplers if row["name"] == sampler)
        return options

    def _corrected(self, sampler: str | None, scheduler: str | None) -> tuple[str, str]:
        label = next((row["label"] for row in self.schedulers if scheduler in (row["label"], row["name"])), "Automatic")
        name = sampler or self.samplers[0]["name"]
        for row in self.schedulers:
            spelling = next((s for s in (row["label"], row["name"]) if name.endswith(f" {s}")), None)
            if spelling:
                name, label = name.removesuffix(f" {spelling}"), row["label"]
        if not any(row["name"] == name for row in self.samplers):
            name = self.samplers[0]["name"]
        return name, label

"""Reads an answer of txt2img and takes nothing in it on trust: neither the pictures nor that they are what was asked.

May import the core, Pillow and this folder.
"""

import base64
import io
import json
import re
from collections.abc import Mapping
from typing import Any

import attrs
from PIL import Image

from adapters.sdwebui.failures import bad_answer, not_as_asked
from adapters.sdwebui.payload import Asked
from imaging_core.errors import CallFailed, Charged
from imaging_core.events import Preview
from imaging_core.formats import media_type_of
from imaging_core.images import GeneratedImage
from imaging_core.whole_png import surely_whole

#: The line of the infotext that tells what was done; prompts come before it.
_DONE = re.compile(r"^Steps: \d+, Sampler: [^,]+, Schedule type: (?P<schedule>[^,]+),", re.ASCII)
#: Largest preview that is passed on, in bytes.
_PREVIEW_BYTES = 2 * 1024 * 1024


@attrs.frozen(kw_only=True)
class Made:
    """What one call gave."""

    images: tuple[GeneratedImage, ...]
    #: The second in which the job began, as /progress shows it; names the job where nothing else does.
    job_timestamp: str | None


def made_by(raw: bytes, asked: Asked, where: str) -> Made:
    """The pictures of a 200, checked and decoded; takes CPU time, so call it in a thread.

    Raises BadAnswer for what is no answer or not what was asked, CallFailed when pictures are missing.
    """
    answer = _object(raw, where, "with something that is no JSON object; check its address")
    info = _object(answer.get("info"), where, "without saying what it did")
    encoded = answer.get("images")
    if not isinstance(encoded, list):
        raise bad_answer(where, "without pictures")
    _check_done(info, asked, where)
    first = info.get("index_of_first_image")
    # A contact sheet comes first and is no picture of the job; extensions append theirs after the last.
    start = first if isinstance(first, int) and first > 0 else 0
    encoded = encoded[start : start + asked.images]
    if len(encoded) < asked.images:
        message = f"The WebUI at {where} made {len(encoded)} of {asked.images} pictures; somebody interrupted it."
        raise CallFailed(message, charged=Charged.NO)
    seeds = _seeds(info, asked)
    images = tuple(
        _picture(item, seed, (asked.width, asked.height), where) for item, seed in zip(encoded, seeds, strict=True)
    )
    timestamp = info.get("job_timestamp")
    return Made(images=images, job_timestamp=timestamp if isinstance(timestamp, str) else None)


def enlarged_by(raw: bytes, size: tuple[int, int], seed: int, where: str) -> GeneratedImage:
    """The picture of an enlargement's 200, checked and decoded; takes CPU time. Raises BadAnswer."""
    answer = _object(raw, where, "with something that is no JSON object; check its address")
    return _picture(answer.get("image"), seed, size, where)


def preview_in(live_preview: object) -> Preview | None:
    """The small picture in a data: URL, None for anything else."""
    if not isinstance(live_preview, str) or not live_preview.startswith("data:image/"):
        return None
    return preview_of(live_preview.partition(";base64,")[2])


def preview_of(encoded: object) -> Preview | None:
    """The small picture in a base64 text, None for anything else."""
    if not isinstance(encoded, str) or not encoded or len(encoded) > _PREVIEW_BYTES:
        return None
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:
        return None
    media_type = media_type_of(data)
    return Preview(data=data, media_type=media_type) if media_type else None


def _object(text: Any, where: str, what: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise bad_answer(where, what) from error
    if not isinstance(parsed, dict):
        raise bad_answer(where, what)
    return parsed


def _check_done(info: Mapping[str, Any], asked: Asked, where: str) -> None:
    """Compare what `info` says was done with what was asked."""
    wanted = asked.checkpoint
    if wanted is not None and not _same_model(info, wanted.short_hash, {wanted.name, wanted.stem}):
        used = _shown(info.get("sd_model_name"))
        raise not_as_asked(where, f"used the checkpoint {used} instead of {wanted.name!r}")
    if asked.sampler is not None and info.get("sampler_name") != asked.sampler:
        raise not_as_asked(where, f"used the sampler {_shown(info.get('sampler_name'))} instead of {asked.sampler!r}")
    used_schedule = _schedule(info)
    if asked.scheduler not in (None, "Automatic") and used_schedule not in (None, asked.scheduler):
        raise not_as_asked(where, f"used the scheduler {_shown(used_schedule)} instead of {asked.scheduler!r}")
    if asked.vae not in (None, "Automatic", "None") and "sd_vae_name" in info and info["sd_vae_name"] != asked.vae:
        raise not_as_asked(where, f"used the VAE {_shown(info['sd_vae_name'])} instead of {asked.vae!r}")
    if info.get("clip_skip", asked.clip_skip) != asked.clip_skip:
        raise not_as_asked(where, f"used CLIP skip {_shown(info['clip_skip'])} instead of {asked.clip_skip}")


def _same_model(info: Mapping[str, Any], short_hash: str | None, names: set[str]) -> bool:
    used_hash, used_name = info.get("sd_model_hash"), info.get("sd_model_name")
    if short_hash and isinstance(used_hash, str) and used_hash:
        return used_hash == short_hash
    # The hash is unknown before a file was read once. A server that names no model at all cannot be checked.
    return used_name is None or used_name in names


def _schedule(info: Mapping[str, Any]) -> str | None:
    texts = info.get("infotexts")
    if not isinstance(texts, list) or not texts or not isinstance(texts[0], str):
        return None
    done = _DONE.match(texts[0].rpartition("\n")[2])
    return done["schedule"] if done else None


def _seeds(info: Mapping[str, Any], asked: Asked) -> list[int]:
    told = info.get("all_seeds")
    if isinstance(told, list) and len(told) >= asked.images and all(type(seed) is int for seed in told):
        return told[: asked.images]
    return [asked.seed + k for k in range(asked.images)]


def _picture(encoded: object, seed: int, wanted: tuple[int, int], where: str) -> GeneratedImage:
    if not isinstance(encoded, str):
        raise bad_answer(where, "with a picture that is no text")
    try:
        data = base64.b64decode(encoded.rpartition(";base64,")[2], validate=True)
    except ValueError as error:
        raise bad_answer(where, "with a picture that is cut off or no base64") from error
    media_type = media_type_of(data)
    if media_type is None:
        raise bad_answer(where, "with a file that is neither PNG, JPEG nor WebP", retryable=False)
    try:
        with Image.open(io.BytesIO(data), formats=[media_type.removeprefix("image/")]) as picture:
            size = picture.size
            # Judged by its header: a 20 KB file can ask for gigabytes of pixels.
            if size == wanted and not surely_whole(data):
                picture.load()
    except Exception as error:  # over damaged data a decoder raises whatever its arithmetic runs into
        raise bad_answer(where, "with a picture that cannot be decoded") from error
    if size != wanted:
        what = f"made a picture of {size[0]} x {size[1]} px instead of {wanted[0]} x {wanted[1]}"
        raise not_as_asked(where, what)
    return GeneratedImage(data=data, media_type=media_type, width=size[0], height=size[1], seed=seed)


def _shown(value: object) -> str:
    """A name from an answer, fit to be shown."""
    text = value if isinstance(value, str) else "of another kind" if value is not None else "none"
    return repr("".join(c if c.isprintable() else " " for c in text)[:80])

"""How the page says things: times, prices, names, statuses; pure, imports the client's titles and the core's statuses."""

import math
import re
from collections.abc import Mapping
from datetime import datetime

from entrypoints.client import TITLES
from imaging_core.jobs import JobStatus

#: Badge colour and icon per status, from Streamlit's palette.
STATUS_LOOK: Mapping[JobStatus, tuple[str, str]] = {
    JobStatus.QUEUED: ("gray", ":material/hourglass_empty:"),
    JobStatus.STARTED: ("violet", ":material/brush:"),
    JobStatus.FINISHED: ("green", ":material/check:"),
    JobStatus.FAILED: ("red", ":material/error:"),
    JobStatus.CANCELLED: ("gray", ":material/block:"),
}

#: Names that a plain title-casing would get wrong.
_NAMES = {
    "cfg_scale": "CFG scale",
    "vae": "VAE",
    "clip_skip": "CLIP skip",
    "enable_hr": "Hires fix",
    "hires_fix": "Hires fix",
    "checkpoint": "Model",
    "output_format": "File type",
    "aspect_ratio": "Shape",
    "style_preset": "Style",
    "styles": "Styles",
    "count": "Pictures",
    "batch_size": "At a time",
    "3d-model": "3D model",
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WebP",
}
_WORDS = {"hr": "Hires", "cfg": "CFG", "vae": "VAE", "clip": "CLIP", "id": "id"}


def name_of(name: str) -> str:
    """A setting's or choice's name for people: "denoising_strength" -> "Denoising strength"."""
    if name in _NAMES:
        return _NAMES[name]
    words = [_WORDS.get(word, word) for word in re.split(r"[_-]+", name) if word]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def section(backend: str, title: str) -> str:
    """A backend's name on the page, whatever its engine calls itself."""
    return TITLES.get(backend, title)


def place_of(backend: str) -> int:
    """Where a backend stands among the sections: those people know first, in the order they know."""
    names = list(TITLES)
    return names.index(backend) if backend in names else len(names)


def duration(seconds: float) -> str:
    """A time as people say it: "8 s", "2 min", "1 h 5 min"."""
    whole = max(0, math.ceil(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago: "just now", "5 min ago", "3 h ago", then the date."""
    seconds = (now - moment).total_seconds()
    if seconds < 45:
        return "just now"
    if seconds < 3570:
        return f"{max(1, round(seconds / 60))} min ago"
    if seconds < 20 * 3600:
        return f"{round(seconds / 3600)} h ago"
    local = moment.astimezone(now.tzinfo)
    day = f"{local.day} {local:%b}"
    return f"{day}, {local:%H:%M}" if local.year == now.year else f"{day} {local.year}"


def number(value: float) -> str:
    """Without a needless fraction: 3.0 -> "3", 6.5 -> "6.5"."""
    return str(int(value)) if value == int(value) else f"{value:g}"


def credit_sum(value: float) -> str:
    """A price: "1 credit", "6.5 credits"."""
    return f"{number(value)} credit{'' if value == 1 else 's'}"


def pictures(count: int) -> str:
    """A number of pictures."""
    return "1 picture" if count == 1 else f"{count} pictures"


def megabytes(size: int) -> str:
    """A size in bytes: "34 kB", "1.5 MB", "256 MB"."""
    if size < 100_000:
        return f"{max(1, round(size / 1000))} kB"
    return f"{size / 1_000_000:.1f} MB" if size < 10_000_000 else f"{round(size / 1_000_000)} MB"


def place(position: int) -> str:
    """A place in the queue: "next", "2nd in line"."""
    if position <= 1:
        return "next in line"
    ending = "th" if 10 < position % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(position % 10, "th")
    return f"{position}{ending} in line"


def shortened(text: str, length: int) -> str:
    """Text on one line, cut at a word with an ellipsis."""
    flat = " ".join(text.split())
    if len(flat) <= length:
        return flat
    head = flat[:length].rsplit(" ", 1)[0] if " " in flat[:length] else flat[: length - 1]
    return head.rstrip(" ,.;:") + "…"


def plain(text: str) -> str:
    """Text that Streamlit's Markdown shows letter by letter, whatever it contains."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:&@^=/])", r"\\\1", text)

"""Jobs, requests and pictures to keep promises with: real ones, so that no adapter can tell them from a user's.

May import the standard library, attrs and the core.
"""

import hashlib
import struct
import zlib
from datetime import UTC, datetime

import attrs

from imaging_core.errors import Charged, FailureCode
from imaging_core.events import EventKind, JobEvent, event_of
from imaging_core.ids import new_job_id
from imaging_core.images import Generated, GeneratedImage, ImageRef, ImageRequest
from imaging_core.jobs import Job, JobFailure

#: A moment for values whose time does not matter.
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_request(**changes: object) -> ImageRequest:
    """A request that uses every kind of field a stored job must bring back."""
    request = ImageRequest(
        prompt="a lighthouse — ночь 🌊 \u202e\n'quoted'",
        negative_prompt="fog",
        checkpoint="tiny",
        sampler="Euler a",
        scheduler="Karras",
        steps=20,
        cfg_scale=7.5,
        width=512,
        height=768,
        seed=4_294_967_294,
        options={"styles": ("one", "two"), "clip_skip": 2, "hires": False, "strength": 0.5, "aspect_ratio": "16:9"},
    )
    return attrs.evolve(request, **changes)  # type: ignore[arg-type]


def a_job(created_at: datetime = NOON, **changes: object) -> Job:
    """A queued job of backend "alpha" under a fresh id."""
    job = Job(id=new_job_id(), backend="alpha", request=a_request(), created_at=created_at)
    return attrs.evolve(job, **changes)  # type: ignore[arg-type]


def an_event(job: Job, kind: EventKind = EventKind.QUEUED, **data: str) -> JobEvent:
    """The event that a write of the job causes."""
    return event_of(job, kind, at=job.created_at, **data)


def a_failure(at: datetime = NOON, **changes: object) -> JobFailure:
    """Something that went wrong and may be tried again."""
    failure = JobFailure(
        code=FailureCode.BACKEND_ERROR,
        message="The backend answered 500.",
        retryable=True,
        attempt=1,
        at=at,
        charged=Charged.UNKNOWN,
    )
    return attrs.evolve(failure, **changes)  # type: ignore[arg-type]


def png(width: int = 8, height: int = 8, *, shade: int = 0, packed: bool = True) -> bytes:
    """A whole PNG of that size in px; unpacked, it takes more than three bytes per px."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    row = b"\x00" + bytes((shade % 256, shade // 256 % 256, 127)) * width
    pixels = zlib.compress(row * height, 6 if packed else 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def a_picture(*, seed: int = 1, width: int = 8, height: int = 6, filtered: bool = False) -> GeneratedImage:
    """One generated PNG that depends on its seed."""
    data = png(width, height, shade=seed)
    return GeneratedImage(data=data, media_type="image/png", width=width, height=height, seed=seed, filtered=filtered)


def a_result(count: int = 1, *, seed: int = 1, credits: float = 0.0, filtered: tuple[int, ...] = ()) -> Generated:  # noqa: A002
    """What a call gave: `count` pictures, those at the positions `filtered` blurred by the provider."""
    pictures = (a_picture(seed=seed + k, filtered=k in filtered) for k in range(count))
    return Generated(images=tuple(pictures), credits=credits)


def a_ref(index: int = 0) -> ImageRef:
    """A stored picture's reference, for jobs that only need to remember one."""
    data = png(shade=index)
    digest = hashlib.sha256(data).hexdigest()
    return ImageRef(
        index=index,
        key=f"key-{index}",
        media_type="image/png",
        size=len(data),
        sha256=digest,
        width=8,
        height=8,
        seed=index,
    )

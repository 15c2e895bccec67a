"""Ended jobs as a service has after a while, the same at every run; imports the core.

Prompts are words of which a few are in nearly every one and most are rare, as people write them.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from imaging_core.errors import FailureCode
from imaging_core.ids import new_job_id
from imaging_core.images import ImageRef, ImageRequest
from imaging_core.jobs import Job, JobFailure

#: In one of ten prompts, and in that of the third job alone.
COMMON_WORD, RARE_WORD = "lighthouse", "xylograph"
OWNERS = tuple(f"k_{number:016x}" for number in range(20))
CHECKPOINTS = ("sd_xl_base_1.0.safetensors", "dreamshaper_8.safetensors", "juggernautXL_v9.safetensors")
#: One job in a thousand is made with it.
RARE_CHECKPOINT = "v1-5-pruned-emaonly.safetensors"
#: When the newest job was submitted, and how long before it each other.
NEWEST = datetime(2026, 6, 1, tzinfo=UTC)
APART = timedelta(seconds=25)

_SYLLABLES = tuple(
    f"{first}{then}"
    for first, then in zip("bcdefghiklmnopqrstuvwxyzbdlmnrst", "aoaneiiaaooarauaaeiunaeeaioieaeo", strict=True)
)


def jobs(start: int, end: int, *, of: int) -> Iterator[Job]:
    """The jobs with these numbers of a history of so many, the oldest first."""
    words = _vocabulary()
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(len(words))))
    for number in range(start, end):
        dice = random.Random(number)
        drawn = dice.choices(words, cum_weights=weights, k=24)
        if number % 10 == 0:
            drawn[dice.randrange(24)] = COMMON_WORD
        if number == 2:
            drawn[7] = RARE_WORD
        yield _job(number, dice, drawn, NEWEST - (of - 1 - number) * APART)


def _vocabulary() -> list[str]:
    dice = random.Random(1)
    return sorted({"".join(dice.choices(_SYLLABLES, k=dice.randint(1, 4))) for _ in range(20_000)}, key=len)


def _job(number: int, dice: random.Random, words: Sequence[str], at: datetime) -> Job:
    local = number % 5 < 2
    checkpoint = (RARE_CHECKPOINT if number % 1000 == 0 else dice.choice(CHECKPOINTS)) if local else "core"
    request = ImageRequest(
        prompt=", ".join(" ".join(words[i : i + 3]) for i in range(0, 24, 3)),
        negative_prompt="blurry, low quality, watermark",
        checkpoint=checkpoint,
        steps=30,
        cfg_scale=7.0,
        width=1024,
        height=1024,
        seed=dice.getrandbits(32),
    )
    job = Job(
        id=new_job_id(),
        backend="sdwebui" if local else "stability",
        request=request,
        owner=OWNERS[min(int(dice.expovariate(0.3)), len(OWNERS) - 1)],
        created_at=at,
    )
    started, ended = at + timedelta(seconds=2), at + timedelta(seconds=9)
    if number % 50 == 0:
        return job.cancel(now=started)
    job = job.claimed(worker="host-1:4242", token=f"{number:016x}", now=started, lease_s=60).intending(0, f"{number:x}")
    if number % 12 == 0:
        failure = JobFailure(
            code=FailureCode.TIMEOUT, message="The backend did not answer in time.", retryable=True, attempt=1, at=ended
        )
        return job.failed(failure, now=ended)
    return job.succeeded([_picture(job, dice)], now=ended)


def _picture(job: Job, dice: random.Random) -> ImageRef:
    return ImageRef(
        index=0,
        key=f"{job.id}/0",
        media_type="image/png",
        size=1_400_000 + dice.randrange(100_000),
        sha256=f"{dice.getrandbits(256):064x}",
        width=1024,
        height=1024,
        seed=job.request.seed or 0,
    )

"""An index of what jobs are searched by, so small that a search of a million reads a few hundred KB; imports stdlib and the core.

Of each job a few bits are kept, two for each part of a word of its prompt and two each for its owner, backend and
checkpoint. All jobs' bits of one number lie side by side as a *slice*: to search is to read the slices of what is asked
for and to see where all have a bit. That may name a job wrongly, never leave one out; who asks looks at the job itself.

The bits of `WINDOW` jobs are one string of `SLICES` slices, and go when the last of these jobs is deleted. Jobs are
entered by `CHUNK`s in the order of submit, in the background and not by their submit: what is newer than the mark is
looked through. So jobs that an older version added are entered like all others.
"""

import asyncio
import logging
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from adapters.redis.layout import from_json
from adapters.redis.link import RedisLink
from imaging_core.errors import Unavailable
from imaging_core.jobs import Job
from imaging_core.ports import JobQuery
from imaging_core.searching import grams, grams_of_text

log = logging.getLogger("imaging.redis")

#: Jobs of one string, the same number that the scripts have.
WINDOW: Final = 2048
#: How many bits there are for a job: 255 bytes, so that a window fits into the 512 KiB that Redis sets aside for it, and
#: would double for a byte more. A prompt of 40 words sets about an eighth of them.
SLICES: Final = 2040
#: Jobs that are entered at once, a multiple of 8 that divides WINDOW: a script of a millisecond or two.
CHUNK = 64
#: Chunks in a row, and processor time after which no other is begun, in s: so that a sweep is not held up.
CHUNKS: Final = 32
WORK_S = 0.25
#: With more terms a prompt gets every bit: it has most of them already, and each costs time.
MOST_TERMS: Final = 3_000
#: More parts of words than these narrow a search no further.
_MOST_GRAMS: Final = 8
#: Bytes of a slice, in which each job of a window has a bit.
SLICE_BYTES: Final = WINDOW // 8


async def catch_up(link: RedisLink) -> None:
    """Enter the next jobs, `CHUNK * CHUNKS` at most. May be done by any number of processes at a time."""
    worked_s = 0.0
    try:
        for _ in range(CHUNKS):
            mark, chunk, *rows = await link.script("unsearched", CHUNK)
            if not chunk:
                return
            first = int(chunk) * CHUNK
            jobs = [(int(place) - first, body) for place, body in zip(rows[::2], rows[1::2], strict=True)]
            # In a thread: long prompts take tens of milliseconds each, and the loop has callers waiting.
            entry, took_s = await asyncio.to_thread(_slices, jobs)
            start = first % WINDOW // 8
            parts = (part for number, bits in entry for part in (number * SLICE_BYTES + start, bits))
            await link.script("enter", mark, chunk, first // WINDOW, SLICES * SLICE_BYTES, *parts)
            worked_s += took_s
            if worked_s >= WORK_S:
                return
    except Unavailable as error:
        # Without memory for the index a search looks through what is not in it.
        log.debug("Jobs were not entered where they are searched: %s", error)


def _slices(jobs: Iterable[tuple[int, bytes]]) -> tuple[list[tuple[int, bytes]], float]:
    """For each slice that any of these jobs has a bit in, its number and the chunk's part of it; and the time it took, in s."""
    began = time.thread_time()
    masks: dict[int, int] = {}
    for position, body in jobs:
        for number in _numbers(_terms_of(from_json(body))):
            masks[number] = masks.get(number, 0) | 1 << position
    parts = [(number, mask.to_bytes(CHUNK // 8, "little")) for number, mask in masks.items()]
    return parts, time.thread_time() - began


def slices_of(job: Job) -> Sequence[int]:
    """The slices in which that job has a bit for its backend and its checkpoint."""
    terms = ["b" + job.backend] + ([] if job.request.checkpoint is None else ["c" + job.request.checkpoint])
    return sorted({number for term in terms for number in _bits(term)})


def _numbers(terms: Sequence[str]) -> Iterable[int]:
    """The slices in which a job with these terms has a bit."""
    return range(SLICES) if len(terms) > MOST_TERMS else {number for term in terms for number in _bits(term)}


def _terms_of(body: dict[str, Any]) -> Sequence[str]:
    # What a newer version wrote may look otherwise, and must not stop a sweep.
    request = body.get("request") or {}
    facts = {"o": body.get("owner"), "b": body.get("backend"), "c": request.get("checkpoint")}
    terms = [kind + value for kind, value in facts.items() if value is not None]
    return terms + ["g" + gram for gram in grams(request.get("prompt") or "")]


def _bits(term: str) -> tuple[int, int]:
    digest = zlib.crc32(term.encode("utf-8", "surrogatepass"))
    return digest % SLICES, digest // SLICES % SLICES


def slices_for(query: JobQuery) -> tuple[int, ...]:
    """The slices in which every job that is meant has a bit; none when the other lists narrow it as well."""
    terms = ["g" + gram for gram in sorted(grams_of_text(query.text or ""))[:_MOST_GRAMS]]
    if query.checkpoint is not None:
        terms.append("c" + query.checkpoint)
    if terms:
        facts = {"o": query.owner, "b": query.backend}
        terms += [kind + value for kind, value in facts.items() if value is not None]
    return tuple(sorted({number for term in terms for number in _bits(term)}))


async def places(
    link: RedisLink, slices: Sequence[int], *, window: int, windows: int, after: int, before: int
) -> Iterator[int]:
    """Places of jobs that may be meant in that window and those below it, the newest first."""
    starts = [number * SLICE_BYTES for number in slices]
    rows: Sequence[Sequence[bytes]] = await link.script("slices", window, windows, SLICE_BYTES, *starts)
    found = (place for below, row in enumerate(rows) for place in _set_in(row, (window - below) * WINDOW))
    return (place for place in found if after < place < before)


def _set_in(row: Sequence[bytes], first: int) -> Iterator[int]:
    bits = (1 << WINDOW) - 1
    for part in row:
        bits &= int.from_bytes(part, "little")
    while bits:
        highest = bits.bit_length() - 1
        yield first + highest
        bits ^= 1 << highest

"""What history costs: its bytes, pages, searches, sweeps and deletes as ended jobs grow; imports the repositories.

`lists` goes to 100,000 jobs and says whether a page is flat; `growth` asks more questions, up to GROWTH_JOBS (1,000,000).
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path

import attrs

from adapters.redis import RedisJobRepository, RedisLink
from adapters.sqlite import SqliteJobRepository, open_database
from benchmarks import history
from benchmarks.figures import Figure, at_most
from imaging_core.ids import new_job_id
from imaging_core.images import ImageRequest
from imaging_core.jobs import Job, JobStatus
from imaging_core.repository import JobQuery, JobRepository
from redis_server import RedisServer

SIZES = (100, 10_000, 100_000, 1_000_000)
#: How often a question is asked, unless that takes longer than so many seconds.
PAGES, MOST_S = 40, 0.5
#: Jobs per atomic add while filling.
AT_ONCE = 200

_MIDDLE = {"created_before": history.NEWEST - timedelta(days=1)}
QUESTIONS: dict[str, JobQuery] = {
    "newest page": JobQuery(),
    "of one owner": JobQuery(owner=history.OWNERS[1]),
    "of an owner with none": JobQuery(owner="k_nobody"),
    "of a backend": JobQuery(backend="sdwebui"),
    "failed": JobQuery(statuses=frozenset({JobStatus.FAILED})),
    "open (none)": JobQuery(statuses=frozenset({JobStatus.QUEUED, JobStatus.STARTED})),
    "favourites": JobQuery(favourite=True),
    "no favourites": JobQuery(favourite=False),
    "with pictures": JobQuery(with_images=True),
    "owner, backend, pictures": JobQuery(owner=history.OWNERS[1], backend="stability", with_images=True),
    "one checkpoint": JobQuery(checkpoint=history.CHECKPOINTS[0]),
    "a rare checkpoint": JobQuery(checkpoint=history.RARE_CHECKPOINT),
    "older than a day": JobQuery(**_MIDDLE),  # type: ignore[arg-type]
    "a common word": JobQuery(text=history.COMMON_WORD),
    "a rare word": JobQuery(text=history.RARE_WORD),
    "no such word": JobQuery(text="quagmire"),
    "two letters": JobQuery(text="xy"),
    "two words of an owner": JobQuery(text=f"{history.COMMON_WORD} ba", owner=history.OWNERS[1]),
    "a common word, failed": JobQuery(text=history.COMMON_WORD, statuses=frozenset({JobStatus.FAILED})),
    "a common word, favourite": JobQuery(text=history.COMMON_WORD, favourite=True),
    "a common word, a day ago": JobQuery(text=history.COMMON_WORD, **_MIDDLE),  # type: ignore[arg-type]
}


@attrs.frozen(kw_only=True)
class _Kind:
    """A repository to be filled."""

    name: str
    jobs: JobRepository
    #: Bytes it takes.
    size: Callable[[], Awaitable[int]]
    #: Seconds of processor time it has taken, its server included.
    spent: Callable[[], Awaitable[float]]


def lists(runs: int) -> list[Figure]:
    """The newest page at each size up to 100,000 jobs."""
    targets = tuple(at_most(f"{kind}, 100,000 jobs", 2, against=f"{kind}, 100 jobs") for kind in ("sqlite", "redis"))
    figure = Figure(name="a page of 50 of the list", unit="ms", targets=targets)

    async def measure(kind: _Kind, size: int) -> None:
        for _ in range(runs):
            figure.add(f"{kind.name}, {size:,} jobs", await _timed(kind, lambda: kind.jobs.list(JobQuery())))

    asyncio.run(_grown(SIZES[:3], measure))
    return [figure]


def growth(runs: int) -> list[Figure]:
    """Everything that may depend on how many jobs have ended."""
    most = int(os.environ.get("GROWTH_JOBS", SIZES[-1]))
    figures: dict[str, Figure] = {}

    def add(name: str, unit: str, kind: _Kind, size: int, value: float) -> None:
        figures.setdefault(name, Figure(name=name, unit=unit)).add(f"{kind.name}, {size:,} jobs", value)

    async def measure(kind: _Kind, size: int) -> None:
        add("bytes per job", "B", kind, size, await kind.size() / size)
        questions = {name: _asked(kind.jobs, query) for name, query in QUESTIONS.items()}
        for name, place in (("middle page", size // 2), ("last page", 50)):
            questions[name] = _asked(kind.jobs, JobQuery(cursor=str(max(place, 2))))
        for _ in range(runs):
            for name, ask in {**questions, **_sweep(kind.jobs)}.items():
                add(name, "ms cpu", kind, size, await _timed(kind, ask))
        add("an add, a claim and an end", "ms cpu", kind, size, await _timed(kind, _life(kind.jobs)))
        add("a delete", "ms cpu", kind, size, await _deletes(kind))

    asyncio.run(_grown([size for size in SIZES if size <= most], measure))
    return list(figures.values())


def _asked(jobs: JobRepository, query: JobQuery) -> Callable[[], Awaitable[object]]:
    async def whole() -> None:
        """A page as its reader sees it: full, or at the end, whatever calls that takes."""
        page = await jobs.list(query)
        shown = len(page.jobs)
        while page.cursor is not None and shown < query.limit:
            page = await jobs.list(attrs.evolve(query, cursor=page.cursor))
            shown += len(page.jobs)

    return whole


def _sweep(jobs: JobRepository) -> dict[str, Callable[[], Awaitable[object]]]:
    return {
        "sweep: overdue": jobs.overdue,
        "sweep: state": lambda: jobs.state("sdwebui"),
        "sweep: expired (none)": lambda: jobs.expired(keep_days=10_000),
        "sweep: expired (100)": lambda: jobs.expired(keep_days=0.0),
        "claim of nothing": lambda: jobs.claim_next("sdwebui", worker="w", token="t" * 16, lease_s=60),
    }


def _life(jobs: JobRepository) -> Callable[[], Awaitable[None]]:
    async def one() -> None:
        request = ImageRequest(prompt="a red fox in the snow, at dawn, 4k", seed=1)
        now = await jobs.now()
        await jobs.add(Job(id=new_job_id(), backend="other", request=request, created_at=now))
        job = await jobs.claim_next("other", worker="w", token="t" * 16, lease_s=60)
        assert job is not None
        await jobs.save(job.succeeded([], now=await jobs.now()), token="t" * 16)

    return one


async def _deletes(kind: _Kind) -> float:
    """The same for one of the jobs that expired first, as the janitor deletes them."""
    expired = await kind.jobs.expired(keep_days=0.0, limit=50)
    begin = await kind.spent()
    for job in expired:
        await kind.jobs.delete(job)
    return (await kind.spent() - begin) / len(expired) * 1000


async def _timed(kind: _Kind, ask: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds of processor time, here and in the server, so that a busy machine shows little."""
    await ask()
    begin, times = await kind.spent(), 0
    while times < PAGES and (await kind.spent() - begin < MOST_S or not times):
        await ask()
        times += 1
    return (await kind.spent() - begin) / times * 1000


async def _grown(sizes: Sequence[int], measure: Callable[[_Kind, int], Awaitable[None]]) -> None:
    for open_kind in (_sqlite, _redis):
        if open_kind.__name__ not in os.environ.get("GROWTH_KINDS", "_sqlite _redis"):
            continue
        async with open_kind() as kind:
            there = 0
            for size in sizes:
                await _fill(kind.jobs, there, size, of=sizes[-1])
                await measure(kind, size)
                there = size


async def _fill(jobs: JobRepository, start: int, end: int, *, of: int) -> None:
    ended = history.jobs(start, end, of=of)
    while new := list(islice(ended, AT_ONCE)):
        stored = await jobs.add_all(new)
        await jobs.mark(stored[0].id, favourite=True)
        # As every sweep does; on Redis it enters jobs where they are searched.
        await jobs.overdue()


@asynccontextmanager
async def _sqlite() -> AsyncIterator[_Kind]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        async def size() -> int:
            pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            return int(await database.read(lambda c: c.execute(pages).fetchone()[0]))

        async def spent() -> float:
            return time.process_time()

        async with open_database(folder) as database:
            yield _Kind(name="sqlite", jobs=SqliteJobRepository(database), size=size, spent=spent)


@asynccontextmanager
async def _redis() -> AsyncIterator[_Kind]:
    async with AsyncExitStack() as stack:
        # As compose.yaml has it; without syncs, which filling would wait for.
        server = stack.enter_context(RedisServer("--appendfsync", "no", "--hash-max-listpack-value", "8192"))
        link = RedisLink(server.url)
        stack.push_async_callback(link.aclose)
        empty = await _used(link)

        async def size() -> int:
            return await _used(link) - empty

        async def spent() -> float:
            told = await _info(link, "cpu")
            return time.process_time() + float(told["used_cpu_sys"]) + float(told["used_cpu_user"])

        yield _Kind(name="redis", jobs=RedisJobRepository(link), size=size, spent=spent)


async def _used(link: RedisLink) -> int:
    return int((await _info(link, "memory"))["used_memory"])


async def _info(link: RedisLink, section: str) -> dict[str, str]:
    told: bytes = await link.command("INFO", section)
    return dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)

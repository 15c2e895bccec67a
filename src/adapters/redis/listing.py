"""Pages of jobs, filtered and searched; imports stdlib and the core.

Lists by status, backend and owner hold the jobs by their place. A text or a checkpoint is looked up in the index of
`job_search`, and each place that it names in these lists.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from adapters.redis import job_search
from adapters.redis.clock import to_micros
from adapters.redis.job_search import WINDOW
from adapters.redis.layout import placed_from_row
from adapters.redis.link import RedisLink
from imaging_core.errors import FieldProblem, InvalidRequest
from imaging_core.jobs import JobStatus
from imaging_core.ports import JobQuery
from imaging_core.searching import LOOKED_AT, OUT_OF_ORDER, STEP, Candidates, Placed, matches, statuses_of

#: With so few jobs in the lists of a query, they are read rather than searched for.
_FEW: Final = 500
#: Windows that one script reads, at first and at most: under a millisecond.
_FIRST_WINDOWS, _MOST_WINDOWS = 4, 64
#: Places that one script looks up: a few milliseconds.
_LOOKED_UP: Final = 500
#: Places and windows that one read looks at, however few of them fit.
_MOST_LOOKED_UP, _MOST_READ = 20_000, 1_024
#: Behind every job.
_END: Final = 10**15
#: Most jobs have finished, so they are looked up there first.
_IN_ORDER = sorted(JobStatus, key=lambda status: status is not JobStatus.FINISHED)


class Listing:
    """The candidates of one query, as `imaging_core.searching.search` asks for them."""

    def __init__(self, link: RedisLink, query: JobQuery) -> None:
        self._link = link
        self._query = query
        wanted = statuses_of(query)
        # Favourites are few: whatever else is asked of them is asked of their own list.
        statuses: list[str] = [status for status in _IN_ORDER if wanted is None or status in wanted]
        self._lists = ["favourite"] if query.favourite else statuses
        self._narrow = wanted is not None or bool(query.favourite)
        self._suffix = _suffix(query)
        self._slices = job_search.slices_for(query)
        #: What was asked for lies between these, both left out.
        self._after, self._before = 0, _END
        #: From here on jobs are not in the index yet.
        self._entered = 0
        self._prepared = False

    async def read(self, before: int | None, most: int) -> Candidates:
        """The next candidates before a place. Raises InvalidRequest for a place that no listing gave."""
        if not self._prepared:
            await self._prepare()
        place = min(self._before, _END if before is None else before)
        if not self._slices:
            rows, more = await self._listed(place, self._after, most, before or 0)
            return Candidates(rows, more)
        rows = []
        if before is None or before > self._entered:
            looked_at, entered = 0, max(self._after, self._entered - 1)
            more = place
            while more is not None:
                newer, more = await self._listed(more, entered, STEP, before or 0)
                rows += [(at, job) for at, job in newer if matches(job, self._query)][: most - len(rows)]
                looked_at += len(newer)
                if len(rows) == most:
                    return Candidates(rows, rows[-1][0])
                if more is not None and looked_at >= LOOKED_AT:
                    return Candidates(rows, more)
            place = min(place, self._entered)
        return await self._search(rows, place, most)

    async def _listed(self, before: int, after: int, most: int, cursor: int) -> tuple[list[Placed], int | None]:
        """The next jobs of the lists, and where more follow."""
        told = await self._link.script("list", self._suffix, before, after, most, cursor, *self._lists)
        if not told:
            raise InvalidRequest([FieldProblem(field="cursor", message="is not a cursor that a listing gave.")])
        more, last, *found = told
        return [placed_from_row(row) for row in found], int(last) if more else None

    async def _prepare(self) -> None:
        """Find out between which places to look, and whether to search there."""
        self._prepared = True
        query = self._query
        since, until = query.created_from, query.created_before
        if since is not None or until is not None:
            earliest = "" if since is None else to_micros(since - OUT_OF_ORDER)
            latest = "" if until is None else to_micros(until + OUT_OF_ORDER)
            after, before = await self._link.script("span", earliest, latest)
            self._after, self._before = int(after), int(before) if before else _END
        if not self._slices:
            return
        keys = [self._link.key("list", name) + self._suffix for name in self._lists]
        entered, *sizes = await self._link.answers(
            ("GET", self._link.key("searched")), *(("ZCARD", key) for key in keys)
        )
        if self._narrow and sum(sizes) <= _FEW:
            # What may change is not in the index. Few of a rare status would be looked for among all that fit else.
            self._slices = ()
        else:
            self._entered = int(entered or 0) * job_search.CHUNK

    async def _search(self, rows: list[Placed], before: int, most: int) -> Candidates:
        windows, looked_up, read = _FIRST_WINDOWS, 0, 0
        while before > self._after + 1:
            window = (before - 1) // WINDOW
            places = await job_search.places(
                self._link, self._slices, window=window, windows=windows, after=self._after, before=before
            )
            while part := list(islice(places, _LOOKED_UP)):
                looked, *found = await self._look_up(part, most - len(rows))
                rows += map(placed_from_row, found)
                looked_up += looked
                if len(rows) == most:
                    return Candidates(rows, rows[-1][0])
                before = part[-1]
                if looked_up >= _MOST_LOOKED_UP:
                    return Candidates(rows, before)
            before = max(window - windows + 1, 0) * WINDOW
            read += windows
            if read >= _MOST_READ and before:
                return Candidates(rows, before)
            windows = min(4 * windows, _MOST_WINDOWS)
        return Candidates(rows, None)

    async def _look_up(self, places: Sequence[int], most: int) -> list[Any]:
        told: list[Any] = await self._link.script(
            "look_up", self._suffix, most, len(self._lists), *self._lists, *places
        )
        return told


def _suffix(query: JobQuery) -> str:
    if query.backend is not None and query.owner is not None:
        return f":bo:{query.backend}:{query.owner}"
    if query.backend is not None:
        return f":b:{query.backend}"
    return "" if query.owner is None else f":o:{query.owner}"

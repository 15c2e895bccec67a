"""What the gallery is asked to show, as values, as the address has it and as the service takes it; pure, imports the client's words.

The words of a search stay out of the address: they are parts of prompts, and an address ends up in histories, in links
that are passed on and in the logs of proxies.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo

import attrs

from entrypoints.client import Filters
from imaging_core.jobs import JobStatus

STATUS, BACKEND, MODEL, SINCE, UNTIL, FAVOURITES = "status", "backend", "model", "since", "until", "favourites"

#: What the address may say of it.
NAMES = (STATUS, BACKEND, MODEL, SINCE, UNTIL, FAVOURITES)

#: Statuses that the gallery shows.
ENDED = tuple(status for status in JobStatus if status.terminal)

#: Longest name taken from an address.
_LONGEST = 500
#: How backends are called; the service refuses to look for another.
_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)


@attrs.frozen(kw_only=True)
class Wanted:
    """Which jobs to show; what is None or empty narrows nothing."""

    status: JobStatus = JobStatus.FINISHED
    backend: str | None = None
    model: str | None = None
    #: First and last day, by the visitor's calendar.
    since: date | None = None
    until: date | None = None
    favourites: bool = False
    words: str = ""

    @property
    def narrowed(self) -> bool:
        """Whether anything but the status is said."""
        return self != Wanted(status=self.status)

    @property
    def behind(self) -> int:
        """How many filters are set of those that lie behind a button."""
        dates = self.since is not None or self.until is not None
        return sum((self.status is not JobStatus.FINISHED, self.backend is not None, self.model is not None, dates))

    def filters(self, zone: tzinfo) -> Filters:
        """As the service takes it; days begin at midnight in that zone."""
        return Filters(
            status=self.status,
            backend=self.backend,
            checkpoint=self.model,
            favourite=True if self.favourites else None,
            words=self.words or None,
            created_from=_midnight(self.since, zone),
            created_before=_midnight(self.until and self.until + timedelta(days=1), zone),
        )

    def address(self) -> dict[str, str]:
        """As the address says it: only what differs from the usual, and no words."""
        found = {
            STATUS: "" if self.status is JobStatus.FINISHED else str(self.status),
            BACKEND: self.backend or "",
            MODEL: self.model or "",
            SINCE: self.since.isoformat() if self.since else "",
            UNTIL: self.until.isoformat() if self.until else "",
            FAVOURITES: "1" if self.favourites else "",
        }
        return {name: value for name, value in found.items() if value}


def from_address(query: Mapping[str, str]) -> Wanted:
    """What an address asks for; what it says wrongly is passed over."""
    status = query.get(STATUS, "")
    return Wanted(
        status=JobStatus(status) if status in map(str, ENDED) else JobStatus.FINISHED,
        backend=named[0] if (named := _NAME.fullmatch(query.get(BACKEND, ""))) else None,
        model=query.get(MODEL, "")[:_LONGEST] or None,
        since=_day(query.get(SINCE, "")),
        until=_day(query.get(UNTIL, "")),
        favourites=query.get(FAVOURITES) == "1",
    )


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # Far from where a day before or after it would be no date any more.
    return day if 1970 <= day.year < 9000 else None


def _midnight(day: date | None, zone: tzinfo) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), zone)

"""Looks at every job all the time, as a client would, and says when a status went backwards or a picture was not there.

May import the standard library, httpx and Pillow.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import httpx
from PIL import Image

#: How often each running job is looked at, in s.
EVERY_S = 0.05
#: Looks at other jobs, queued or ended, in each round.
SINGLE_LOOKS = 3
_RANK = {"queued": 0, "started": 1, "finished": 2, "failed": 2, "cancelled": 2}


@attrs.define(kw_only=True)
class Seen:
    """What was seen of one job."""

    status: str = ""
    #: Moment, status, attempt and where it was seen, for each change.
    changes: list[tuple[float, str, int, str]] = attrs.field(factory=list)
    ended_at: float | None = None
    pictures: list[str] = attrs.field(factory=list)


class Watcher(threading.Thread):
    """Polls the running jobs each 50 ms and the others in turn; fetches and decodes each picture once a job is finished."""

    def __init__(self, url: str, accepted: Mapping[str, str], *, probe: Callable[[], list[str] | None]) -> None:
        """`accepted` may grow meanwhile. `probe` is asked once a second for violations that no client can see.

        It gives None when there is nobody to ask just then.
        """
        super().__init__(name="watcher", daemon=True)
        self.seen: dict[str, Seen] = {}
        self.regressions: list[str] = []
        self.bad_pictures: list[str] = []
        self.bad_answers: list[str] = []
        self.probed: list[str] = []
        #: How often there was somebody to ask.
        self.probes = 0
        self.rounds = 0
        self._url = url
        self._accepted = accepted
        self._probe = probe
        self._ended = threading.Event()
        self._began = time.monotonic()
        self._running: set[str] = set()
        self._http = httpx.Client(base_url=url, timeout=10)
        self._readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="reader")

    @property
    def period_s(self) -> float:
        """Mean time between two looks at a running job."""
        return (time.monotonic() - self._began) / max(1, self.rounds)

    @property
    def open(self) -> list[str]:
        """Accepted jobs that were not yet seen to end."""
        return [job_id for job_id in list(self._accepted) if _RANK.get(self._of(job_id).status, 0) < 2]

    def run(self) -> None:
        """Watch until stopped."""
        probe_at = 0.0
        turns: Iterator[str] = iter(())
        while not self._ended.is_set():
            began = time.monotonic()
            if began >= probe_at:
                found = self._probe()
                self.probes += found is not None
                self.probed += found or []
                probe_at = began + 1.0
            try:
                self._look_at_list()
                for _ in range(SINGLE_LOOKS):
                    job_id = next(turns, None)
                    if job_id is None:
                        turns = iter(self.open + list(itertools.islice(list(self._accepted), 20)))
                        break
                    self._look_at_one(job_id)
            except httpx.TransportError:
                time.sleep(EVERY_S)
            self.rounds += 1
            self._ended.wait(max(0.0, EVERY_S - (time.monotonic() - began)))

    def finish(self) -> None:
        """Stop, after one last look at everything."""
        self._ended.set()
        self.join()
        for job_id in list(self._accepted):
            self._look_at_one(job_id)
        self._readers.shutdown()
        self._http.close()

    # --- looks -------------------------------------------------------------------------------------------

    def _look_at_list(self) -> None:
        """All that run, in one look; those that ran in the look before and do not now are looked at at once."""
        page = self._get("/jobs", params={"limit": 200, "status": "started"})
        if page is None:
            return
        for entry in page["jobs"]:
            self._note(entry, "list")
        now = {str(entry["image_id"]) for entry in page["jobs"]}
        for job_id in self._running - now:
            self._look_at_one(job_id)
        self._running = now

    def _look_at_one(self, job_id: str) -> None:
        entry = self._get(f"/status/{job_id}")
        if entry is not None:
            self._note(entry, "status")

    def _get(self, path: str, **query: Any) -> dict[str, Any] | None:
        answer = self._http.get(path, **query)
        if answer.status_code == 200:
            found: dict[str, Any] = answer.json()
            return found
        if answer.status_code != 503:
            self.bad_answers.append(f"GET {path} answered {answer.status_code}: {answer.text[:200]}")
        return None

    def _of(self, job_id: str) -> Seen:
        return self.seen.setdefault(job_id, Seen())

    def _note(self, entry: Mapping[str, Any], where: str) -> None:
        job_id, status = str(entry["image_id"]), str(entry["status"])
        seen, now = self._of(job_id), time.time()
        if seen.changes and seen.changes[-1][1:3] == (status, entry["attempt"]):
            return
        if seen.status and (_RANK[status] < _RANK[seen.status] or (_RANK[seen.status] == 2 and status != seen.status)):
            self.regressions.append(f"job {job_id} was {seen.status} and then {status} in {where}")
        seen.changes.append((now, status, entry["attempt"], where))
        seen.status = status
        if _RANK[status] == 2 and seen.ended_at is None:
            seen.ended_at = now
            for image in entry["images"]:
                self._readers.submit(self._read_picture, job_id, dict(image))

    def _read_picture(self, job_id: str, image: Mapping[str, Any]) -> None:
        """A finished job's picture is there, whole, and what the record says; from the first moment on."""
        for _ in range(200):
            try:
                answer = httpx.get(self._url + image["url"], timeout=10)
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if answer.status_code == 503:
                time.sleep(0.1)
                continue
            break
        else:
            self.bad_pictures.append(f"job {job_id}: nobody gave its picture")
            return
        wrong = _wrong(answer, image)
        if wrong:
            self.bad_pictures.append(f"job {job_id}: {wrong}")
        self._of(job_id).pictures.append(image["sha256"])


def _wrong(answer: httpx.Response, image: Mapping[str, Any]) -> str:
    if answer.status_code != 200:
        return f"its picture answered {answer.status_code}: {answer.text[:100]}"
    data = answer.content
    if len(data) != image["size"] or hashlib.sha256(data).hexdigest() != image["sha256"]:
        return f"its picture has {len(data)} bytes that are not those of the record ({image['size']})"
    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            if picture.size != (image["width"], image["height"]):
                return f"its picture has {picture.size} px"
    except Exception as error:  # noqa: BLE001  # Pillow raises many kinds; each means a damaged picture
        return f"its picture cannot be decoded: {error!r}"
    return ""

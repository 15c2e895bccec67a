"""Compares the jobs with the pictures, tells what does not fit and mends what can be mended; imports stdlib, attrs and this package.

What a crash can leave costs room and nothing else, so mending is removing it. A picture that is gone cannot be brought
back, and its job stays as it is: it really was finished.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import attrs

from imaging_core.errors import ImageNotAvailable, ImagingError, JobDeleted, JobNotFound, UnreadableJob
from imaging_core.images import ImageRef
from imaging_core.jobs import Job, JobStatus
from imaging_core.opened import Opened
from imaging_core.ports import ImageStore, JobQuery, JobRepository

#: Pictures of an unknown job are left alone for that long, in s: their job may just be coming or going.
YOUNG_S = 3600.0
_PAGE = 200


class FindingKind(StrEnum):
    """What can be wrong."""

    PICTURES_WITHOUT_JOB = "pictures-without-job"
    PICTURES_OF_DELETED_JOB = "pictures-of-deleted-job"
    PICTURE_MISSING = "picture-missing"
    PICTURE_DAMAGED = "picture-damaged"
    UNNAMED_PICTURE = "unnamed-picture"
    TEMPORARY_FILE = "temporary-file"


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that is wrong."""

    kind: FindingKind
    #: The job's id, or the file's name within the picture folder.
    subject: str
    #: What is wrong and what was or can be done, for a person.
    message: str
    mended: bool = False


@attrs.frozen(kw_only=True)
class RepairReport:
    """What was looked at, and what was wrong."""

    findings: tuple[Finding, ...]
    #: Finished jobs and their pictures that were compared.
    jobs: int
    pictures: int
    #: Folders of unknown jobs that are too young to be judged.
    left_alone: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong any more."""
        return all(finding.mended for finding in self.findings)


class InspectedStore(ImageStore, Protocol):
    """An image store that can be looked at from outside of any job."""

    async def job_ids(self) -> Sequence[str]:
        """Every job of which something is stored."""
        ...

    async def age_s(self, job_id: str) -> float:
        """Seconds since anything of that job was last written; 0 when there is nothing."""
        ...

    async def unnamed(self, job_id: str, *, older_than_s: float, kept: Sequence[ImageRef]) -> Sequence[str]:
        """Pictures in that job's folder that neither a record nor `kept` names and nobody has touched for that long."""
        ...

    async def sweep_unnamed(self, job_id: str, *, older_than_s: float, kept: Sequence[ImageRef]) -> int:
        """Remove those; how many."""
        ...

    async def temporary_files(self, *, older_than_s: float) -> Sequence[str]:
        """What crashed writers left half-written and nobody has touched for that long."""
        ...

    async def sweep_temporary(self, *, older_than_s: float) -> int:
        """Remove those; how many."""
        ...


class Repair:
    """One look at everything. Safe beside a running service: it removes only what no job can ask for."""

    def __init__(
        self,
        jobs: JobRepository,
        store: InspectedStore,
        *,
        mend: bool,
        young_s: float = YOUNG_S,
        keep_unknown: str | None = None,
    ) -> None:
        """What nobody names is judged from `young_s` after it was written: it may just be on its way to its name.

        `keep_unknown` says why pictures of unknown jobs must not be removed, None if they may.
        """
        self._jobs = jobs
        self._store = store
        self._mend = mend
        self._young_s = young_s
        self._keep_unknown = keep_unknown
        self._findings: list[Finding] = []
        self._seen = self._pictures = self._left_alone = 0

    async def run(self) -> RepairReport:
        """Look, and mend if that was asked for. Raises Unavailable when jobs or pictures cannot be read."""
        # Folders are listed before their jobs are asked for: only what a submit brings is stored before its job, moments
        # before, so what is of age and of no job then is of none for good.
        folders = await self._store.job_ids()
        await self._temporary()
        await self._finished()
        for job_id in folders:
            await self._folder(job_id)
        return RepairReport(
            findings=tuple(self._findings), jobs=self._seen, pictures=self._pictures, left_alone=self._left_alone
        )

    # --- half-written files ------------------------------------------------------------------------------

    async def _temporary(self) -> None:
        names = await self._store.temporary_files(older_than_s=self._young_s)
        if names and self._mend:
            await self._store.sweep_temporary(older_than_s=self._young_s)
        for name in names:
            self._found(FindingKind.TEMPORARY_FILE, name, "A crash left it half-written.", mended=self._mend)

    # --- jobs without their pictures ---------------------------------------------------------------------

    async def _finished(self) -> None:
        query = JobQuery(statuses=frozenset({JobStatus.FINISHED}), limit=_PAGE)
        while True:
            page = await self._jobs.list(query)
            for job in page.jobs:
                await self._finished_job(job)
            if page.cursor is None:
                return
            query = attrs.evolve(query, cursor=page.cursor)

    async def _finished_job(self, job: Job) -> None:
        self._seen += 1
        for ref in job.images:
            self._pictures += 1
            wrong = await self._wrong_with(ref)
            if wrong is None:
                continue
            try:
                await self._jobs.get(job.id)
            except (JobDeleted, JobNotFound):
                # Deleted since the page was read.
                return
            kind, reason = wrong
            message = f"Picture {ref.index} of a finished job: {reason} Put it back from a backup, or delete the job."
            self._found(kind, job.id, message)

    async def _wrong_with(self, ref: ImageRef) -> tuple[FindingKind, str] | None:
        try:
            size, sha256 = await _measured(await self._store.open(ref))
        except ImageNotAvailable as error:
            damaged = "damaged" in str(error)
            return FindingKind.PICTURE_DAMAGED if damaged else FindingKind.PICTURE_MISSING, str(error)
        if (size, sha256) != (ref.size, ref.sha256):
            return FindingKind.PICTURE_DAMAGED, "The stored picture is damaged: its SHA-256 is not the recorded one."
        return None

    # --- pictures without their job ----------------------------------------------------------------------

    async def _folder(self, job_id: str) -> None:
        try:
            job = await self._jobs.get(job_id)
        except JobDeleted:
            await self._remove(FindingKind.PICTURES_OF_DELETED_JOB, job_id, "The job was deleted; its pictures remain.")
        except JobNotFound:
            await self._unknown(job_id)
        except UnreadableJob:
            # A newer version's job is a job.
            return
        else:
            await self._unnamed(job)

    async def _unnamed(self, job: Job) -> None:
        if not job.status.terminal:
            # Its worker is about to name it, or the next one removes it.
            return
        # A job's own pictures are kept also where the record of their call is lost: they can still be asked for.
        names = await self._store.unnamed(job.id, older_than_s=self._young_s, kept=job.images)
        if names and self._mend:
            await self._store.sweep_unnamed(job.id, older_than_s=self._young_s, kept=job.images)
        for name in names:
            message = (
                "The job has ended and neither it nor a record names this picture: a crash or a failing disk left it."
            )
            self._found(FindingKind.UNNAMED_PICTURE, name, message, mended=self._mend)

    async def _unknown(self, job_id: str) -> None:
        if await self._store.age_s(job_id) < self._young_s:
            self._left_alone += 1
            return
        message = "There are pictures, and no job of that id."
        if self._keep_unknown is not None:
            self._found(
                FindingKind.PICTURES_WITHOUT_JOB, job_id, f"{message} They are left alone: {self._keep_unknown}"
            )
            return
        await self._remove(FindingKind.PICTURES_WITHOUT_JOB, job_id, message)

    async def _remove(self, kind: FindingKind, job_id: str, message: str) -> None:
        if self._mend:
            try:
                await self._store.delete(job_id)
            except ImagingError as error:
                self._found(kind, job_id, f"{message} They could not be removed: {error}")
                return
        self._found(kind, job_id, message, mended=self._mend)

    def _found(self, kind: FindingKind, subject: str, message: str, *, mended: bool = False) -> None:
        self._findings.append(Finding(kind=kind, subject=subject, message=message, mended=mended))


async def _measured(opened: Opened) -> tuple[int, str]:
    if isinstance(opened, bytes | memoryview):
        return len(opened), hashlib.sha256(opened).hexdigest()
    size, digest = 0, hashlib.sha256()
    async for part in opened:
        size += len(part)
        digest.update(part)
    return size, digest.hexdigest()

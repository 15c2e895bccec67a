"""Where an open job stands, in a person's words; pure, imports the client's values.

Every line answers one of: how far is it, why does it wait, and does somebody have to do anything.
"""

from datetime import datetime

from entrypoints.client import JobInfo, Parked
from entrypoints.gui.words import duration, pictures, place
from imaging_core.jobs import JobStatus


def silent(job: JobInfo) -> bool:
    """Whether its backend does not tell how far it is; a bar that stands at nothing would look stuck."""
    return not job.progress and job.step is None and job.parked is None


def standing(job: JobInfo, now: datetime) -> str:
    """One line: the place in the queue, or the step and the time left."""
    if job.cancel_requested:
        return "Stopping …"
    left = f"about {duration(job.eta_s)} left" if job.eta_s is not None and job.eta_s >= 0.5 else ""
    if job.status is JobStatus.QUEUED:
        waits = place(job.queue_position) if job.queue_position else "waiting"
        # How long a pause lasts, nobody knows.
        left = "" if job.paused else left
        return _line(waits[:1].upper() + waits[1:], pictures(job.count), left)
    if job.parked is not None:
        return _goes_on(job, job.parked, now)
    if silent(job):
        since = (now - (job.started_at or job.created_at)).total_seconds()
        return _line(f"Under way for {duration(since)}", left)
    done = f"{round(100 * (job.progress or 0))} %"
    step = f"step {job.step} of {job.steps}" if job.step is not None and job.steps else ""
    which = f"picture {min((job.images_done or 0) + 1, job.count)} of {job.count}" if job.count > 1 else ""
    return _line(done, which, step, left)


def _goes_on(job: JobInfo, parked: Parked, now: datetime) -> str:
    if job.paused:
        return "Goes on once the backend is resumed"
    if parked.reason == "stranded":
        return "Another backend is looked for"
    seconds = (parked.until - now).total_seconds()
    return f"Goes on in {duration(seconds)}" if seconds > 0 else "Goes on in a moment"


def trouble(job: JobInfo) -> str:
    """Why it waits, what went wrong before, or why it is at another backend now; empty when all is well."""
    if job.paused is not None:
        said = f" They say: {job.paused.reason}" if job.paused.reason else ""
        return f"An operator has paused this backend; the job goes on by itself once it is resumed.{said}"
    before = job.previous_failures[-1].reason if job.previous_failures else ""
    if job.parked is not None:
        return " ".join(filter(None, (before, job.parked.message)))
    if job.attempt <= 1:
        # Where it went on by itself, and why.
        return job.moves[-1].reason if job.moves else ""
    if job.crashes and not before:
        return f"Attempt {job.attempt}: the worker before was lost, and another one took over by itself."
    return f"Attempt {job.attempt}." + (f" The one before: {before}" if before else "")


def _line(*parts: str) -> str:
    return " · ".join(filter(None, parts))

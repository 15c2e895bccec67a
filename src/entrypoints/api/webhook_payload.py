"""The body of a message to a webhook: what /status says of the job, and never its prompt; imports stdlib and this package."""

import json

from entrypoints.api import job_answers
from entrypoints.api.moments import time_text
from imaging_core.deliveries import Delivery
from imaging_core.jobs import Job
from imaging_core.service import JobView


def webhook_payload(job: Job, delivery: Delivery, *, public_url: str = "") -> bytes:
    """The same bytes for every attempt, since an ended job does not change.

    With a `public_url`, which has no slash at its end, the pictures' addresses are whole.
    """
    status = job_answers.status(JobView(job=job))
    # All that may change after the end.
    del status["favourite"]
    status["images"] = [{**image, "url": f"{public_url}{image['url']}"} for image in status["images"]]
    message = {
        "type": f"job.{delivery.event}",
        "timestamp": time_text(job.finished_at or delivery.created_at),
        "data": status,
    }
    return json.dumps(message, separators=(",", ":"), ensure_ascii=True).encode()

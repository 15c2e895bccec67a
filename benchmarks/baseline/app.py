"""The API of the straightforward design."""

import os
from pathlib import Path
from uuid import uuid4

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse
from pydantic import BaseModel
from redis import Redis
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job

from benchmarks.baseline.tasks import make_image

FOLDER = Path(os.environ["BASELINE_FOLDER"])
app = FastAPI()
connection = Redis.from_url(os.environ["BASELINE_REDIS"])
queue = Queue("images", connection=connection)


class Submission(BaseModel):
    """What is asked for."""

    prompt: str


@app.post("/images", status_code=202)
def images(submission: Submission) -> dict[str, str]:
    """Queue a job."""
    image_id = uuid4().hex
    queue.enqueue(make_image, image_id, submission.prompt, job_id=image_id)
    return {"image_id": image_id, "status": "queued"}


@app.get("/status/{image_id}")
def status(image_id: str) -> dict[str, str]:
    """Finished once its file is there."""
    if (FOLDER / f"{image_id}.png").exists():
        return {"image_id": image_id, "status": "finished"}
    try:
        job = Job.fetch(image_id, connection=connection)
    except NoSuchJobError:
        raise HTTPException(404) from None
    return {"image_id": image_id, "status": job.get_status().value}


@app.get("/image/{image_id}")
def image(image_id: str) -> FileResponse:
    """The file."""
    path = FOLDER / f"{image_id}.png"
    if not path.exists():
        raise HTTPException(404)
    return FileResponse(path, media_type="image/png")

"""What runs now, for whom, and how far it is: the one global state, the queue of tasks, and the preview.

May import the standard library, Pillow and this package.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from PIL import Image

from fakes.sdwebui.pictures import encode

#: How many finished tasks are remembered.
_REMEMBERED = 16


class State:
    """The running job as /progress tells it: global, nameless, and back at 0 when the job ends."""

    def __init__(self) -> None:
        self.skipped = self.interrupted = False
        self.job = ""
        self.job_count = self.job_no = self.sampling_step = self.sampling_steps = 0
        self.job_timestamp = "0"
        self.time_start = 0.0
        self.latent: Image.Image | None = None
        self.image: Image.Image | None = None
        self._image_step = 0
        self.id_live_preview = 0

    def begin(self, job: str) -> None:
        """A job takes the lock: flags that were raised while idle are forgotten; -1 jobs until it is prepared."""
        self.skipped = self.interrupted = False
        self.job, self.job_count, self.job_no, self.sampling_step = job, -1, 0, 0
        self.job_timestamp = datetime.now().astimezone().strftime("%Y%m%d%H%M%S")
        self.time_start = time.monotonic()
        self.latent = self.image = None
        self._image_step = self.id_live_preview = 0

    def next_job(self) -> None:
        """One pass is done."""
        self.job_no += 1
        self.sampling_step = self._image_step = 0

    def end(self) -> None:
        """The job is over; its other figures stay as they were."""
        self.job, self.job_count = "", 0

    def listed(self) -> dict[str, Any]:
        """The `state` of /progress."""
        return {
            "skipped": self.skipped,
            "interrupted": self.interrupted,
            "stopping_generation": False,
            "job": self.job,
            "job_count": self.job_count,
            "job_timestamp": self.job_timestamp,
            "job_no": self.job_no,
            "sampling_step": self.sampling_step,
            "sampling_steps": self.sampling_steps,
        }

    def refresh_preview(self, every_n_steps: int) -> None:
        """Take a new preview if enough steps have passed since the last one."""
        if self.latent is not None and self.sampling_step - self._image_step >= every_n_steps:
            self.image, self._image_step = self.latent, self.sampling_step
            self.id_live_preview += 1

    def fraction(self) -> float:
        """Passes and steps done, 0..1."""
        done = max(self.job_no, 0) / self.job_count if self.job_count > 0 else 0.0
        if self.sampling_steps > 0 and self.job_count > 0:
            done += self.sampling_step / self.sampling_steps / self.job_count
        return min(done, 1.0)

    def progress(self, *, every_n_steps: int, with_image: bool) -> dict[str, Any]:
        """The body of GET /progress."""
        body = {"progress": 0.0, "eta_relative": 0.0, "state": self.listed(), "current_image": None, "textinfo": None}
        if self.job_count == 0:
            return body
        self.refresh_preview(every_n_steps)
        fraction = 0.01 + self.fraction()
        elapsed = time.monotonic() - self.time_start
        body |= {"progress": min(fraction, 1.0), "eta_relative": elapsed / fraction - elapsed}
        if with_image and self.image is not None:
            body["current_image"] = encode(self.image, "png", None)
        return body


class Tasks:
    """The named tasks of the UI's own progress route.

    A task that fails is never marked as finished and stays `current` until another starts; a re-used id shows completed
    at once.
    """

    def __init__(self) -> None:
        self.current: str | None = None
        self.pending: dict[str, float] = {}
        self.finished: list[str] = []

    def add(self, task_id: str) -> None:
        """A call has arrived and waits for the lock."""
        self.pending[task_id] = time.monotonic()

    def start(self, task_id: str) -> None:
        """It has the lock."""
        self.current = task_id
        self.pending.pop(task_id, None)

    def finish(self, task_id: str) -> None:
        """It has ended well."""
        if self.current == task_id:
            self.current = None
        self.finished = [*self.finished, task_id][-_REMEMBERED:]

    def progress(self, request: dict[str, Any], state: State, every_n_steps: int) -> dict[str, Any]:
        """The body of POST /internal/progress."""
        task_id = request["id_task"]
        body = {
            "active": task_id == self.current,
            "queued": task_id in self.pending,
            "completed": task_id in self.finished,
            "progress": None,
            "eta": None,
            "live_preview": None,
            "id_live_preview": -1,
            "textinfo": None,
        }
        if task_id != self.current:
            position = (
                f"In queue: {list(self.pending).index(task_id) + 1}/{len(self.pending)}" if body["queued"] else ""
            )
            return body | {"textinfo": position or "Waiting..."}
        if task_id is None:
            # No id and no running task are the same None to the real server, which then subtracts its unset start time.
            raise TypeError("unsupported operand type(s) for -: 'float' and 'NoneType'")
        fraction = state.fraction()
        elapsed = time.monotonic() - state.time_start
        body |= {"progress": fraction, "eta": elapsed / fraction - elapsed if fraction > 0 else None}
        body["id_live_preview"] = request["id_live_preview"]
        state.refresh_preview(every_n_steps)
        if request["live_preview"] and state.image is not None and state.id_live_preview != request["id_live_preview"]:
            body["live_preview"] = f"data:image/png;base64,{encode(state.image, 'png', None)}"
            body["id_live_preview"] = state.id_live_preview
        return body

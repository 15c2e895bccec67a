"""A client as patient as the documentation tells it to be: same Idempotency-Key until there is an answer.

May import the standard library and httpx.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx


class Client:
    """Submits jobs and remembers which were accepted under which prompt."""

    def __init__(self, url: str, *, deadline_s: float = 120.0) -> None:
        """`deadline_s` is how long one submit is repeated while the API is away."""
        self.url = url
        self.accepted: dict[str, str] = {}
        #: Answers that no client should ever see, in words.
        self.bad_answers: list[str] = []
        self.refused_503 = 0
        self.refused_503_without_retry_after = 0
        self._deadline_s = deadline_s
        self._http = httpx.Client(base_url=url, timeout=15)
        self._guard = threading.Lock()

    def submit(self, prompt: str, *, path: str = "/images", **body: Any) -> str | None:
        """The id of the accepted job; None when nobody accepted it within the deadline."""
        give_up = time.monotonic() + self._deadline_s
        headers = {"Idempotency-Key": prompt.replace(" ", "-")}
        while time.monotonic() < give_up:
            try:
                answer = self._http.post(path, json={"prompt": prompt, **body}, headers=headers)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == 202:
                job_id = str(answer.json()["image_id"])
                with self._guard:
                    self.accepted[job_id] = prompt
                return job_id
            self._note_refusal(answer)
            time.sleep(0.1)
        return None

    def _note_refusal(self, answer: httpx.Response) -> None:
        if answer.status_code != 503:
            self.bad_answers.append(f"submit answered {answer.status_code}: {answer.text[:200]}")
            return
        self.refused_503 += 1
        if not answer.headers.get("retry-after", "").isdigit():
            self.refused_503_without_retry_after += 1

    def detail(self, job_id: str) -> dict[str, Any]:
        """Everything the service tells of a job; its problem when it tells none."""
        for _ in range(100):
            try:
                answer = self._http.get(f"/jobs/{job_id}")
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if answer.status_code != 503:
                told: dict[str, Any] = answer.json()
                return told
            time.sleep(0.1)
        return {"status": "unreachable"}

    def retry(self, job_id: str) -> str:
        """The id of the new job that tries an ended one again."""
        answer = self._http.post(f"/jobs/{job_id}/retry")
        answer.raise_for_status()
        return str(answer.json()["image_id"])

    def readiness(self) -> int:
        """The status of /readyz; 0 while nobody answers."""
        try:
            return self._http.get("/readyz").status_code
        except httpx.TransportError:
            return 0

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

"""A job's way from one backend to another: a value of its own, for the job and for whoever writes it down; imports stdlib and attrs."""

from collections.abc import Sized
from datetime import datetime

import attrs

from imaging_core.moments import aware_time


@attrs.frozen(kw_only=True)
class Move:
    """That a job left to the service's choice went to another backend, since nothing came of it where it was."""

    #: The backend it left, which it never comes back to.
    left: str
    #: The one it went to.
    backend: str
    #: Why: a sentence for a person.
    reason: str
    at: datetime = aware_time()
    #: The list price of the whole job there, in credits.
    credits: float = 0.0
    #: What counts for the backends before: attempts, crashes, and how many calls and failures were on record.
    attempts: int = 0
    crashes: int = 0
    calls: int = 0
    failures: int = 0

    def after(self, attempts: int, crashes: int, calls: Sized, failures: Sized) -> "Move":
        """With what counts for the backends before."""
        return attrs.evolve(self, attempts=attempts, crashes=crashes, calls=len(calls), failures=len(failures))

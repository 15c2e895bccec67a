"""A job's way from one backend to another: a value of its own, for the job and for whoever writes it down; imports attrs."""

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

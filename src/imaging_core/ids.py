"""Ids of jobs, and tokens; imports stdlib only."""

import re
import secrets
import time

#: What a job id looks like; anything else is unknown before any part is asked. Nothing is read out of one.
JOB_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


def new_job_id() -> str:
    """A fresh id: the ms in which it was made, and 76 random bits, not guessable.

    Ids of one time are neighbours, so that an index enters them on one page, not each on a page of its own. The first two
    digits change each second and take all values in turn, for stores that have a folder for each.
    """
    ms = time.time_ns() // 1_000_000 % 2**44
    return f"{ms >> 10 & 0xFF:02x}{ms:011x}{secrets.randbits(76):019x}"


def new_token() -> str:
    """A fresh lease token or task id."""
    return secrets.token_hex(8)

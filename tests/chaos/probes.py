"""Looks where no client can: whether a job is started under no live lease; imports redis-py and this package."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis

from chaos.checker import TAKE_OVER_S
from chaos.clients import Client
from chaos.stack import Stack


def lease_probe(stack: Stack, client: Client) -> Callable[[], list[str]]:
    """A question to ask each second: which started jobs have had no live lease for longer than lease + 5 s.

    Counted while one worker was there all the time: without any, nobody can claim.
    """
    server = stack.redis
    if server is None:
        return list
    allowed = stack.lease_s + TAKE_OVER_S

    def probe() -> list[str]:
        now = time.time()
        served = max((now - begin for worker in stack.workers for begin, end in worker.lives if end > now), default=0.0)
        if served <= allowed:
            return []
        found = []
        try:
            with server.admin() as admin:
                seconds, micros = admin.time()
                for job_id in list(client.accepted):
                    status, until = admin.hmget(f"imaging:job:{job_id}", "status", "until")
                    if status == b"started" and until is not None:
                        late = min(served, seconds + micros / 1e6 - int(until) / 1e6)
                        if late > allowed:
                            found.append(f"job {job_id}: started without a live lease for {late:.1f} s")
        except redis.RedisError:
            # Killed at the moment; it is asked again in a second.
            return []
        return found

    return probe

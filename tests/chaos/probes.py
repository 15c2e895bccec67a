"""Looks where no client can: whether a job is started under no live lease; imports redis-py and this package."""

from __future__ import annotations

from collections.abc import Callable

import redis

from chaos.checker import TAKE_OVER_S
from chaos.clients import Client
from chaos.stack import Stack


def lease_probe(stack: Stack, client: Client) -> Callable[[], list[str]]:
    """A question to ask each second: which started jobs have had no live lease for longer than lease + 5 s."""
    server = stack.redis
    if server is None:
        return list
    allowed = stack.lease_s + TAKE_OVER_S

    def probe() -> list[str]:
        found = []
        try:
            with server.admin() as admin:
                seconds, micros = admin.time()
                for job_id in client.accepted.copy():
                    status, until = admin.hmget(f"imaging:job:{job_id}", "status", "until")
                    if status == b"started" and until is not None:
                        late = seconds + micros / 1e6 - int(until) / 1e6
                        if late > allowed:
                            found.append(f"job {job_id} has been started without a live lease for {late:.1f} s")
        except redis.RedisError:
            # Killed at the moment; it is asked again in a second.
            return []
        return found

    return probe

"""Looks where no client can: whether a job is started under no live lease; imports redis-py and this package."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

import redis

from chaos.checker import TAKE_OVER_S
from chaos.clients import Client
from chaos.stack import Stack

#: The violations found, None when there was nobody to ask.
Probe = Callable[[], list[str] | None]


def lease_probe(stack: Stack, client: Client) -> Probe:
    """A question to ask each second: which started jobs have had no live lease for longer than lease + 5 s.

    Counted while one worker was there all the time: without any, nobody can claim. The one process of the embedded
    mode takes everything up anew in each of its lives, and what counts is their sum.
    """
    return _embedded_probe(stack) if stack.redis is None else _redis_probe(stack, client)


def _redis_probe(stack: Stack, client: Client) -> Probe:
    server = stack.redis
    assert server is not None
    allowed = stack.lease_s + TAKE_OVER_S

    def probe() -> list[str] | None:
        now = time.time()
        served = max((now - begin for worker in stack.workers for begin, end in worker.lives if end > now), default=0.0)
        found, told = [], False
        try:
            with server.admin() as admin:
                seconds, micros = admin.time()
                for job_id in list(client.accepted):
                    status, until, worker = admin.hmget(f"imaging:job:{job_id}", "status", "until", "worker")
                    told |= status is not None
                    # Nobody died who has parked it: it waits for its backend, which may be away.
                    if status == b"started" and until is not None and worker:
                        late = min(served, seconds + micros / 1e6 - int(until) / 1e6)
                        if late > allowed:
                            found.append(f"job {job_id}: started without a live lease for {late:.1f} s")
        except redis.RedisError:
            # Killed at the moment; it is asked again in a second.
            return None
        return found if told else None

    return probe


def _embedded_probe(stack: Stack) -> Probe:
    allowed = stack.lease_s + TAKE_OVER_S
    started = "SELECT id, claimable_at FROM jobs WHERE status = 'started'"

    def probe() -> list[str] | None:
        try:
            with closing(sqlite3.connect(f"file:{stack.database}?mode=ro", uri=True, timeout=1.0)) as database:
                rows = database.execute(started).fetchall()
        except sqlite3.OperationalError:
            # Locked, or just being recovered by the next life; a run in which that is never otherwise is told.
            return None
        now, found = time.time(), []
        for job_id, until in rows:
            late = sum(
                max(0.0, min(end, now) - max(begin, until / 1e6))
                for worker in stack.workers
                for begin, end in list(worker.lives)
            )
            if late > allowed:
                found.append(f"job {job_id}: started without a live lease for {late:.1f} s")
        return found

    return probe

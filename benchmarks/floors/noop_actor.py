"""Dramatiq doing nothing: how many messages a second one worker process takes."""

import os
import sys
import threading
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

JOBS = 500


def main() -> None:
    """Print jobs per second."""
    broker = RedisBroker(url=os.environ["FLOOR_REDIS"], namespace="floor")  # type: ignore[no-untyped-call]
    done = threading.Event()
    left = JOBS

    def nothing() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            done.set()

    actor = dramatiq.actor(broker=broker, max_retries=0, queue_name="floor")(nothing)
    for _ in range(JOBS):
        actor.send()
    worker = dramatiq.Worker(broker, worker_threads=1)
    begin = time.perf_counter()
    worker.start()
    done.wait(120)
    sys.stdout.write(f"{JOBS / (time.perf_counter() - begin)}\n")
    worker.stop()
    broker.close()


if __name__ == "__main__":
    main()

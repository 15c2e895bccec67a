"""The console script: says what a signal means before the work begins and after it has ended, then loads the command line.

Imports next to nothing itself, so that a process can be told to stop almost from its first moment.
"""

import atexit
import gc
import os
import signal
import sys
import threading

#: How long a process that has stopped waits for its last threads, in s.
_LAST_S = 2.0
#: Commands that run until they are told to stop. To the others a signal means that they were broken off.
LASTING = frozenset({"up", "api", "worker", "gui"})


def main() -> None:
    """The console script."""
    lasting = bool(LASTING.intersection(sys.argv[1:2]))
    if lasting:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end)
        # The last that runs: from then on Python has the system's default back, by which a late signal looks like a crash.
        atexit.register(_hear_no_more)
        # What is loaded stays: to search it for garbage again and again is a tenth of a start. `cli` ends this.
        gc.disable()
    # httpx loads its own command line wherever it is installed, and with it rich and pygments: a third of its import.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # what import takes for "there is none"
    # After the handlers: loading it takes most of a start.
    from entrypoints.cli import app  # noqa: PLC0415

    try:
        app()
    except SystemExit as end:
        if lasting:
            # Python waits for threads, also for one in a request to a bucket that says nothing. Nothing hangs on it any more.
            last = threading.Timer(_LAST_S, os._exit, (end.code,))
            last.daemon = True
            last.start()
        raise


def _end(*_: object) -> None:
    """End as a stop that had nothing to hand over: nothing was begun yet, or all of it has ended."""
    os._exit(0)


def _hear_no_more() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)

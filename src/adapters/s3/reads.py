"""Reads of pictures that somebody waits for, in threads of their own; imports stdlib and this folder.

A store that is silent holds those threads and no others. Once it has kept a read waiting in vain, one at a time tries it
anew, and everybody else is told at once.
"""

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from adapters.s3.failures import NoAnswer, no_answer
from adapters.s3.place import S3Place
from imaging_core.errors import ImagingError

P = ParamSpec("P")
T = TypeVar("T")

#: Reads at a time of one process.
READERS = 16
#: How long a bucket is believed to be silent after it last kept a read waiting in vain, in s: it may have been back for long
#: when the next pictures are wanted, of which all but one would be refused.
BELIEVED_S = 30.0


class Reads:
    """Reads from a bucket, and knows whether it answers them."""

    def __init__(self, place: S3Place) -> None:
        self._place = place
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="imaging-s3-read")
        self._knowing = threading.Lock()
        #: Until when it is taken for silent, and when an answer last came, by the monotonic clock.
        self._silent_until = self._answered_at = 0.0
        self._trying = False

    def close(self) -> None:
        """End the threads once what they do is done, and begin nothing more; waits for none of them."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` gives, which blocks. Raises what it raises, and Unavailable at once while the bucket is silent."""
        context = contextvars.copy_context()
        step = partial(context.run, partial(self._step, partial(work, *args, **kwargs)))
        return await asyncio.get_running_loop().run_in_executor(self._pool, step)

    def _step(self, work: Callable[[], T]) -> T:
        trying = self._admit()
        began, answered = time.monotonic(), None
        try:
            given = work()
        except NoAnswer:
            answered = False
            raise
        except ImagingError:
            # A refusal is an answer too.
            answered = True
            raise
        else:
            answered = True
            return given
        finally:
            self._note(answered, began=began, trying=trying)

    def _admit(self) -> bool:
        """Whether this read is the one that tries a silent bucket. Raises Unavailable while another does."""
        with self._knowing:
            silent = time.monotonic() < self._silent_until
            if silent and self._trying:
                raise no_answer(self._place)
            self._trying = trying = silent
            return trying

    def _note(self, answered: bool | None, *, began: float, trying: bool) -> None:
        with self._knowing:
            if trying:
                self._trying = False
            if answered:
                self._silent_until, self._answered_at = 0.0, time.monotonic()
            elif answered is not None and self._answered_at < began:
                # Others that were answered meanwhile show that only this one's connection was dead.
                self._silent_until = time.monotonic() + BELIEVED_S

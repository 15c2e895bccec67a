"""Makes one backend call at a time, to be stopped from outside; imports stdlib, attrs and this package.

Whatever a generator does, what leaves here is pictures that were asked for, a GenerationError, Stopped or OutOfTime.
"""

import asyncio
import logging
from enum import StrEnum

from imaging_core.errors import AnswerLost, BadAnswer, CallFailed, Charged, FailureCode, GenerationError
from imaging_core.faults import log_fault
from imaging_core.images import Generated, Operation
from imaging_core.inputs import call_with_inputs
from imaging_core.ports import GenerationCall, ImageGenerator, ImageStore, Report

log = logging.getLogger("imaging.runner")

#: How long a backend gets to stop its own task after a cancel or a time-out, in s.
STOP_GRACE_S = 10.0


class StopReason(StrEnum):
    """Why calls are made no more."""

    CANCEL = "cancel"
    DRAIN = "drain"
    LOST = "lost"


class Stopped(Exception):
    """The call was stopped from outside; `sent` tells whether it had begun."""

    def __init__(self, reason: StopReason, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


class OutOfTime(Exception):
    """The time for the call is over; `sent` tells whether it had begun."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__()
        self.sent = sent


class Caller:
    """One attempt's way to its generator."""

    def __init__(self, generator: ImageGenerator, report: Report, store: ImageStore) -> None:
        self._generator = generator
        self._report = report
        self._store = store
        self._task: asyncio.Task[Generated] | None = None
        self._stop: StopReason | None = None
        #: Whether calls cost money; a costly one is not stopped for the worker's own sake.
        self.paid = False

    def stop(self, reason: StopReason) -> None:
        """Make no further call, and stop the one under way.

        A paid one is stopped only by a cancel: its answer is worth storing, for whoever has the job then.
        """
        self._stop = self._stop or reason
        if self._task is not None and not (self.paid and reason is not StopReason.CANCEL):
            self._task.cancel()

    async def make(self, call: GenerationCall, *, time_left_s: float) -> Generated:
        """The pictures of one call, whose own pictures are read here. Raises GenerationError, Stopped and OutOfTime."""
        if call.request.operation is not Operation.GENERATE:
            call = await call_with_inputs(self._store, call)
        if self._stop is not None:
            raise Stopped(self._stop, sent=False)
        if time_left_s <= 0:
            raise OutOfTime(sent=False)
        self._task = task = asyncio.create_task(self._generator.generate(call, report=self._report))
        try:
            done, _ = await asyncio.wait({task}, timeout=time_left_s)
        finally:
            self._task = None
            await self._end(task)
        if not done:
            raise OutOfTime(sent=True)
        return self._answer_of(task, call)

    async def _end(self, task: "asyncio.Task[Generated]") -> None:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=STOP_GRACE_S)
        if not task.done():
            log.warning("Backend %r did not stop its task within %g s.", self._generator.backend, STOP_GRACE_S)
        elif not task.cancelled():
            # Nobody may ask for it any more, and asyncio complains of errors that nobody looked at.
            task.exception()

    def _answer_of(self, task: "asyncio.Task[Generated]", call: GenerationCall) -> Generated:
        stopped = self._stop if task.cancelling() else None
        try:
            generated = task.result()
            if len(generated.images) == call.images:
                return generated
        except asyncio.CancelledError as error:
            if stopped is None:
                raise self._fault(error, call) from error
            raise Stopped(stopped, sent=True) from None
        except GenerationError:
            if stopped is None:
                raise
            raise Stopped(stopped, sent=True) from None
        except Exception as error:
            raise self._fault(error, call) from error
        message = f"The backend gave {len(generated.images)} pictures instead of {call.images}."
        charged = Charged.YES if generated.credits else Charged.NO
        raise BadAnswer(message, retryable=not self.paid, charged=charged)

    def _fault(self, error: BaseException, call: GenerationCall) -> GenerationError:
        facts: dict[str, object] = {"job_id": call.job_id, "backend": self._generator.backend}
        log_fault(log, "A generator raised what it must not raise.", error, facts)
        return fault(self._generator.backend, error, paid=self.paid)


def fault(backend: str, error: BaseException, *, paid: bool) -> GenerationError:
    """What an unforeseen error means for the job: worth another attempt, unless somebody may have been charged."""
    kind, charged = (AnswerLost, Charged.UNKNOWN) if paid else (CallFailed, Charged.NO)
    message = f"Something unforeseen ({type(error).__name__}) happened while backend {backend!r} was used."
    return kind(message, code=FailureCode.INTERNAL, charged=charged)

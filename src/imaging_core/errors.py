"""Every error the core raises, so that an entrypoint can translate each one without looking inside; imports stdlib and attrs.

ImagingError
    InvalidRequest              what the caller asked for cannot be made; names every field that is wrong
    UnknownBackend              no backend of that name
    BackendNotConfigured        the backend exists, but a setting is missing
    JobNotFound                 no job has that id
    JobDeleted                  the job was there and has been deleted
    DeliveryNotFound            the job has no such message to a webhook
    ImageNotReady               the job has not finished yet
    ImageNotAvailable           the job ended without that picture
    JobConflict                 the job's status does not allow it
    IdempotencyMismatch         the key was used before, for another request
    QueueFull                   too many jobs are waiting
    StaleJob                    somebody else changed the job since it was read
    LeaseLost                   another worker owns the job now
    UnknownCursor               the event log does not reach back that far
    UnreadableJob               the record was written by a newer version
    UnreadableDelivery          the same of a message to a webhook
    Unavailable                 a part the service stands on does not answer
        StorageFull             no room for another picture
    GenerationError             one backend call did not give pictures
        CallRefused             certainly nothing was done and nothing billed
            BackendUnreachable      nothing was sent
            BackendThrottled        turned away by a rate limit
        CallRejected            the backend's definite no; asking again gives the same
        CallFailed              the backend says that it failed
        AnswerLost              sent, and nobody knows what became of it
        BadAnswer               an answer came, but it is not what was asked for
"""

from collections.abc import Sequence
from enum import StrEnum

import attrs


class FailureCode(StrEnum):
    """Why a job or an attempt failed: stable words for programs; sentences for people stand beside them."""

    BACKEND_UNREACHABLE = "backend_unreachable"
    THROTTLED = "throttled"
    NOT_AUTHORIZED = "not_authorized"
    INSUFFICIENT_CREDITS = "insufficient_credits"
    CONTENT_MODERATED = "content_moderated"
    CONTENT_FILTERED = "content_filtered"
    REJECTED = "rejected"
    BACKEND_ERROR = "backend_error"
    OUT_OF_MEMORY = "out_of_memory"
    ANSWER_LOST = "answer_lost"
    BAD_ANSWER = "bad_answer"
    NOT_AS_ASKED = "not_as_asked"
    TIMEOUT = "timeout"
    PAID_CALLS_USED_UP = "paid_calls_used_up"
    WORKER_CRASH = "worker_crash"
    STORAGE_FULL = "storage_full"
    INTERNAL = "internal"


class Charged(StrEnum):
    """Whether a failed call cost credits."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class ImagingError(Exception):
    """Root of every error of this package; `str()` is a sentence for a person, free of secrets and prompts."""


@attrs.frozen(kw_only=True)
class FieldProblem:
    """One thing wrong with one field of a request."""

    #: The canonical field name, or "" for the request as a whole.
    field: str
    #: What is wrong and what would be right; never repeats what was sent in free text.
    message: str


class InvalidRequest(ImagingError):
    """The request cannot be made by that backend; `problems` names every field that is wrong."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{p.field}: {p.message}" if p.field else p.message for p in self.problems))


class UnknownBackend(ImagingError):
    """No backend of that name; `known` lists those there are."""

    def __init__(self, backend: str, known: Sequence[str]) -> None:
        self.backend = backend
        self.known = tuple(known)
        super().__init__(f"There is no backend of that name. There are: {', '.join(self.known) or 'none'}.")


class BackendNotConfigured(ImagingError):
    """The backend is known but not set up; the sentence says which setting is missing."""

    def __init__(self, backend: str, message: str) -> None:
        self.backend = backend
        super().__init__(message)


class JobNotFound(ImagingError):
    """No job has that id (or it is somebody else's, which looks the same)."""

    def __init__(self) -> None:
        super().__init__("There is no job with that id.")


class JobDeleted(ImagingError):
    """The job existed and was deleted, with its pictures; `owner` tells whose it was, so that nobody else is told."""

    def __init__(self, owner: str | None = None) -> None:
        self.owner = owner
        super().__init__("That job and its pictures have been deleted.")


class DeliveryNotFound(ImagingError):
    """The job has no message to a webhook with that id."""

    def __init__(self) -> None:
        super().__init__("This job has no delivery with that id.")


class ImageNotReady(ImagingError):
    """The job is still queued or started; ask again later."""

    def __init__(self, status: str) -> None:
        self.status = status
        super().__init__(f"The picture is not ready yet: the job is {status}.")


class ImageNotAvailable(ImagingError):
    """The job ended without that picture; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class JobConflict(ImagingError):
    """The job's status does not allow what was asked."""


class IdempotencyMismatch(ImagingError):
    """The idempotency key was used for another request within its lifetime."""

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used before, with a different request. Use a new key.")


class QueueFull(ImagingError):
    """Too many jobs wait; `mine` tells whether it is the caller's own share that is used up."""

    def __init__(self, *, retry_after_s: int, mine: bool = False) -> None:
        self.retry_after_s = retry_after_s
        self.mine = mine
        whose = "You have too many jobs" if mine else "Too many jobs are"
        super().__init__(f"{whose} waiting. Try again in {retry_after_s} s.")


class StaleJob(ImagingError):
    """The job changed since it was read; read it again and decide anew."""


class LeaseLost(ImagingError):
    """The lease token is no longer the job's: another worker owns it, or it has ended."""


class UnknownCursor(ImagingError):
    """The event log no longer holds that place; read the job and subscribe anew."""


class UnreadableJob(ImagingError):
    """The stored record has a newer schema than this version understands."""


class UnreadableDelivery(ImagingError):
    """A message to a webhook is not stored as this version understands it; `given_up` when it will not be claimed again."""

    def __init__(self, delivery_id: str, *, given_up: bool) -> None:
        self.delivery_id = delivery_id
        self.given_up = given_up
        super().__init__(f"The message {delivery_id} to a webhook cannot be read by this version.")


class Unavailable(ImagingError):
    """A part the service stands on does not answer now; nothing was lost, try again after `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: int = 5) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class StorageFull(Unavailable):
    """There is no room for another picture; nothing half-written was kept."""


class GenerationError(ImagingError):
    """One backend call gave no pictures.

    `code` is stable, `retryable` says whether another call may help, `charged` whether this one cost credits.
    """

    code: FailureCode = FailureCode.BACKEND_ERROR
    retryable: bool = True
    charged: Charged = Charged.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        code: FailureCode | None = None,
        retryable: bool | None = None,
        charged: Charged | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = self.code if code is None else code
        self.retryable = self.retryable if retryable is None else retryable
        self.charged = self.charged if charged is None else charged
        self.retry_after_s = retry_after_s


class CallRefused(GenerationError):
    """Certainly nothing was done and nothing billed: the call may be repeated at no cost."""

    charged = Charged.NO


class BackendUnreachable(CallRefused):
    """No connection came about, so nothing was sent."""

    code = FailureCode.BACKEND_UNREACHABLE


class BackendThrottled(CallRefused):
    """The backend's rate limit turned the call away; `retry_after_s` is how long it asked us to stay away."""

    code = FailureCode.THROTTLED


class CallRejected(GenerationError):
    """The backend's definite no (bad field, no credit, moderation): the same call gives the same answer."""

    code = FailureCode.REJECTED
    retryable = False
    charged = Charged.NO


class CallFailed(GenerationError):
    """The backend tried and says that it failed."""


class AnswerLost(GenerationError):
    """The call was sent and no answer came: it may have run, and may have been billed."""

    code = FailureCode.ANSWER_LOST


class BadAnswer(GenerationError):
    """An answer came, but it is no picture, or not the one asked for."""

    code = FailureCode.BAD_ANSWER


#: What a person can do about each failure, for every door to show beside the reason.
ADVICE: dict[FailureCode, str] = {
    FailureCode.BACKEND_UNREACHABLE: "Check that the backend runs and that its address is right (imaging doctor tells), then retry.",
    FailureCode.THROTTLED: "The backend is busy. Retry in a minute.",
    FailureCode.NOT_AUTHORIZED: "Check the backend's key or password in the settings.",
    FailureCode.INSUFFICIENT_CREDITS: "Buy credits for the account behind the key, then retry.",
    FailureCode.CONTENT_MODERATED: "Rephrase the prompt: the provider refuses it. Nothing was charged.",
    FailureCode.CONTENT_FILTERED: "The provider filtered the picture. Rephrase the prompt or try another seed.",
    FailureCode.REJECTED: "Change the request as the reason says.",
    FailureCode.BACKEND_ERROR: "The backend failed. Retry; if it goes on, look into the backend's own log.",
    FailureCode.OUT_OF_MEMORY: "Ask for a smaller picture or a smaller batch.",
    FailureCode.ANSWER_LOST: "The call may have been charged. Retry if you accept that it may be charged again.",
    FailureCode.BAD_ANSWER: "The backend answered with something that is no picture. Check its address and its version.",
    FailureCode.NOT_AS_ASKED: "The backend used other settings than asked. Refresh its lists and choose again.",
    FailureCode.TIMEOUT: "It took too long. Retry, or ask for fewer steps or a smaller picture.",
    FailureCode.PAID_CALLS_USED_UP: "The limit of paid calls for one picture is reached. Retry if you accept another charge.",
    FailureCode.WORKER_CRASH: "The job ended its worker several times. Try other settings, and look into the worker's log.",
    FailureCode.STORAGE_FULL: "Free disk space or delete old pictures, then retry.",
    FailureCode.INTERNAL: "This is a fault of the service. Look into its log.",
}

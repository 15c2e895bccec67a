"""The one place where the API's and the HTTP library's errors become ours, with what each means for money.

May import the core, httpcore and what tells why a connection failed. The API answers in this order: fields, key, balance,
moderation, run; so everything up to a 429 is certain to have cost nothing, and everything from a 500 on is in doubt.
"""

import contextlib
import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence

import attrs
import httpcore

from adapters.connecting import why_not
from imaging_core.errors import (
    AnswerLost,
    BackendThrottled,
    BackendUnreachable,
    BadAnswer,
    CallFailed,
    CallRejected,
    Charged,
    FailureCode,
    GenerationError,
)

#: The documented lock-out after 150 requests in 10 s.
LOCKOUT_S = 60.0
#: Longest time we let a Retry-After keep the backend paused.
_LONGEST_PAUSE_S = 300.0
_LONGEST_QUOTE = 300
#: What is raised of a connection that ends, or goes wrong, in the middle of an exchange. A TLS record that cannot be read
#: comes as ssl.SSLError, an OSError, which httpcore does not translate.
BROKEN: tuple[type[Exception], ...] = (httpcore.NetworkError, httpcore.ProtocolError, OSError)
_FOREIGN: tuple[type[Exception], ...] = (*BROKEN, httpcore.TimeoutException, httpcore.ProxyError)


@attrs.define
class Sending:
    """How far a call has come."""

    #: Whether any of the request itself may have left, rather than a question to a proxy or a handshake.
    begun: bool = False


@contextlib.contextmanager
def foreign_errors_as_ours(where: str, sending: Sending, *, paid: bool) -> Iterator[None]:
    """Raise the HTTP library's errors as ours; `where` names the address for people, `paid` says that calls cost."""
    try:
        yield
    except _FOREIGN as error:
        if not sending.begun:
            message = f"Stability AI cannot be reached at {where}: {why_not(error)}. Nothing was sent."
            raise BackendUnreachable(message) from error
        if isinstance(error, TimeoutError | httpcore.TimeoutException):
            raise _lost("gave no complete answer in time", FailureCode.TIMEOUT, paid=paid) from error
        raise _lost("broke the connection before its answer was complete", None, paid=paid) from error


def error_for(
    status: int, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], paid: bool
) -> GenerationError:
    """Our error for an answer other than 200. `secrets` (key, prompts) are struck out of anything quoted from it."""
    name, said = _read(body, secrets)
    trace = _trace(headers)
    if status == 429:
        wait = retry_after_s(headers.get("retry-after"))
        message = f"Stability AI's rate limit (150 requests in 10 s) is exceeded; it wants {wait:.0f} s of rest.{trace}"
        return BackendThrottled(message, retry_after_s=wait)
    if status >= 500:
        # The document promises that failed generations are free, yet a gateway's 5xx can hide one that succeeded.
        return _lost(
            f"failed with status {status}, a fault on its side", FailureCode.BACKEND_ERROR, paid=paid, trace=trace
        )
    if status < 400:
        what = "redirects elsewhere, which is not followed" if status >= 300 else f"answered with status {status}"
        message = f"The address of Stability AI {what}. Check the base URL.{trace}"
        return BadAnswer(message, retryable=False, charged=Charged.UNKNOWN if paid else Charged.NO)
    code, message = _rejection(status, name, said)
    return CallRejected(f"{message}{trace}", code=code)


def _lost(what: str, code: FailureCode | None, *, paid: bool, trace: str = "") -> GenerationError:
    if not paid:
        return CallFailed(f"Stability AI {what}.{trace}", code=code, charged=Charged.NO)
    return AnswerLost(f"Stability AI {what}. The call was sent, so it may have been charged.{trace}", code=code)


def bad_answer(what: str, *, charged: Charged = Charged.YES) -> BadAnswer:
    """A 200 that is no good. It is not asked for again by itself, since the first was paid for."""
    return BadAnswer(
        f"Stability AI answered, but {what}. The call was probably charged.", retryable=False, charged=charged
    )


def retry_after_s(text: str | None) -> float:
    """Seconds to stay away: a whole number or an HTTP date, within 1 s to 5 min; the lock-out time for anything else."""
    text = (text or "").strip()
    if re.fullmatch(r"[0-9]{1,12}", text):
        seconds = float(text)
    else:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, OverflowError, OSError):
            return LOCKOUT_S
    return min(max(seconds, 1.0), _LONGEST_PAUSE_S)


def _rejection(status: int, name: str, said: str) -> tuple[FailureCode, str]:
    code, sentence = FailureCode.REJECTED, f"Stability AI refused the call with status {status}. {said}".rstrip()
    match status, name:
        case 400, _:
            sentence = f"Stability AI does not accept a field of the request. {said}".rstrip()
        case (401, _) | (403, "unauthorized" | "permission_denied"):
            code = FailureCode.NOT_AUTHORIZED
            sentence = "Stability AI does not accept the API key."
        case 402, _:
            code = FailureCode.INSUFFICIENT_CREDITS
            sentence = "The Stability AI account has too few credits for this picture."
        case 403, _:
            code = FailureCode.CONTENT_MODERATED
            sentence = "Stability AI's moderation flagged the request and refused it; nothing was charged."
        case ((404 | 405), _):
            code = FailureCode.BAD_ANSWER
            sentence = f"The address of Stability AI has no such route (status {status}). Check the base URL."
        case 407, _:
            code = FailureCode.BACKEND_UNREACHABLE
            sentence = "The HTTP proxy on the way to Stability AI wants a user name and password."
        case 413, _:
            sentence = "The request is larger than the 10 MiB that Stability AI takes."
        case 422, "invalid_language":
            sentence = "Stability AI takes prompts in English only."
        case 422, "public_figure":
            sentence = "Stability AI detected the likeness of a public figure and refused the request."
    return code, sentence


def _read(body: bytes, secrets: Sequence[str]) -> tuple[str, str]:
    """The error's name and its sentences, fit to be shown; empty for anything that is not the API's own error."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(parsed, dict):
        return "", ""
    name, errors = parsed.get("name"), parsed.get("errors")
    sentences = (
        [_without(text, secrets) for text in errors if isinstance(text, str)] if isinstance(errors, list) else []
    )
    said = f"It says: {'; '.join(sentences)[:_LONGEST_QUOTE]}" if sentences else ""
    return (name if isinstance(name, str) else ""), said


def _without(text: str, secrets: Sequence[str]) -> str:
    """A sentence of the API on one line, without the key and without anything that was typed as a prompt."""
    field, colon, _ = text.partition(":")
    if colon and field in ("prompt", "negative_prompt"):
        # It may quote a part of the prompt, which no comparison finds.
        return f"{field} is not accepted"
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "[...]")
    return "".join(character if character.isprintable() else " " for character in text)


def _trace(headers: Mapping[str, str]) -> str:
    request_id = headers.get("x-request-id", "")
    return f" (Stability AI's request id: {request_id})" if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", request_id) else ""

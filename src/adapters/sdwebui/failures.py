"""The one place where the WebUI's and the HTTP library's errors become ours, each with a sentence for people.

May import the core, httpx and what tells why a connection failed. WebUI 1.10 speaks four shapes: `{"detail": [...]}` for
a field, `{"detail": "Not Found"}` for a route, `{"error": "HTTPException", "detail": text}` for what it refuses, and
`{"error": class, "errors": text}` for any exception. Forge says `message` for `errors`; SD.Next adds a `code`.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence

import httpx

from adapters.connecting import why_not
from imaging_core.errors import (
    AnswerLost,
    BackendUnreachable,
    BadAnswer,
    CallFailed,
    CallRejected,
    Charged,
    FailureCode,
    GenerationError,
)

_LONGEST_QUOTE = 300
#: What is raised of a connection that goes wrong in the middle of an exchange. A TLS record that cannot be read comes as
#: ssl.SSLError, an OSError, which httpx does not translate.
BROKEN: tuple[type[Exception], ...] = (httpx.HTTPError, httpx.InvalidURL, OSError)


@contextlib.contextmanager
def foreign_errors_as_ours(where: str, *, job: bool) -> Iterator[None]:
    """Raise the HTTP library's errors as ours; `job` tells that the request makes pictures, rather than asks."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise BackendUnreachable(f"The WebUI at {where} cannot be reached: {why_not(error)}.") from error
    except (TimeoutError, httpx.TimeoutException) as error:
        if job:
            message = f"The WebUI at {where} gave no complete answer in time."
            raise AnswerLost(message, code=FailureCode.TIMEOUT, retryable=False) from error
        raise BackendUnreachable(f"The WebUI at {where} accepts connections but does not answer.") from error
    except BROKEN as error:
        if job:
            raise AnswerLost(f"The WebUI at {where} broke the connection before its answer was complete.") from error
        raise BackendUnreachable(f"What answers at {where} breaks the connection; it may be no WebUI.") from error


def error_for(status: int, body: bytes, *, where: str, secrets: Sequence[str] = ()) -> GenerationError:
    """Our error for an answer other than 200; `secrets` (prompts, password) are struck out of anything quoted."""
    if status in (401, 403):
        message = f"The WebUI at {where} does not accept the user name and password (its --api-auth)."
        return CallRejected(message, code=FailureCode.NOT_AUTHORIZED)
    if status < 400:
        what = "redirects elsewhere, which is not followed" if status >= 300 else f"answered with status {status}"
        return BadAnswer(f"The WebUI at {where} {what}. Check its address.", retryable=False, charged=Charged.NO)
    return _told(status, _parsed(body), where, secrets)


def no_api(where: str) -> CallRejected:
    """The router knows no such route: the WebUI was started without its API, or it is none."""
    message = f"What answers at {where} has no WebUI API. Start the WebUI with --api and check the address."
    return CallRejected(message, code=FailureCode.BAD_ANSWER)


def _told(status: int, parsed: Mapping[str, object], where: str, secrets: Sequence[str]) -> GenerationError:
    detail, name = parsed.get("detail"), parsed.get("error")
    said = _without(_text(detail) or _text(parsed.get("errors")) or _text(parsed.get("message")), secrets)
    if status == 422 and isinstance(detail, list):
        return CallRejected(f"The WebUI at {where} does not accept {_fields(detail)}.")
    if status < 500:
        # SD.Next puts its sentence where the others put a class.
        said = said or (_without(_text(name), secrets) if name != "HTTPException" else "")
        return CallRejected(f"The WebUI at {where} refuses the call{_quoted(said)}.")
    if isinstance(name, str) or isinstance(detail, str):
        return _exception(str(name or ""), said, where)
    # No shape of the WebUI's: a proxy in between, behind which the job may well go on.
    return AnswerLost(f"Something between here and the WebUI at {where} answered with status {status}.")


def bad_answer(where: str, what: str, *, retryable: bool = True) -> BadAnswer:
    """A 200 that holds no good picture."""
    return BadAnswer(f"The WebUI at {where} answered {what}.", retryable=retryable, charged=Charged.NO)


def not_as_asked(where: str, what: str) -> BadAnswer:
    """A good picture of something else: the WebUI falls back in silence on whatever it does not know."""
    message = f"The WebUI at {where} {what}. It falls back in silence on what it does not find."
    return BadAnswer(message, code=FailureCode.NOT_AS_ASKED, retryable=False, charged=Charged.NO)


def _exception(name: str, said: str, where: str) -> GenerationError:
    """A 500 with an exception's class: the job has ended and made nothing."""
    code, retryable = FailureCode.BACKEND_ERROR, False
    if name == "OutOfMemoryError" or "out of memory" in said.lower():
        code, sentence = FailureCode.OUT_OF_MEMORY, f"The WebUI at {where} ran out of memory."
    elif name == "NansException":
        sentence = f"The WebUI at {where} computed only NaNs. Try another VAE or start it with --no-half-vae."
    elif name in ("SafetensorError", "UnpicklingError", "FileNotFoundError"):
        sentence = f"The WebUI at {where} cannot load a model file ({name}){_quoted(said)}."
    elif name == "KeyError":
        sentence = f"The WebUI at {where} does not know one of the settings sent with the call{_quoted(said)}."
    elif name == "IndexError":
        # What 1.8 to 1.10 raise when a job is interrupted before its first picture.
        retryable, sentence = True, f"The WebUI at {where} ended the job without a picture; somebody interrupted it."
    else:
        retryable, label = True, name if name.isidentifier() and name != "HTTPException" else ""
        sentence = f"The WebUI at {where} failed{f' with {label}' if label else ''}{_quoted(said)}."
    return CallFailed(sentence, code=code, retryable=retryable, charged=Charged.NO)


def _parsed(body: bytes) -> dict[str, object]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _quoted(said: str) -> str:
    return f": {said}" if said else ""


def _fields(detail: Sequence[object]) -> str:
    """The names and complaints of a 422, as pydantic words them; they never hold the values."""
    found = []
    for item in detail[:5]:
        place = item.get("loc") if isinstance(item, dict) else None
        if isinstance(item, dict) and isinstance(place, list) and place:
            found.append(f"{place[-1]} ({_text(item.get('msg'))[:80]})")
    return ", ".join(found) or "the request"


def _without(text: str, secrets: Sequence[str]) -> str:
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "[...]")
    return "".join(character if character.isprintable() else " " for character in text)[:_LONGEST_QUOTE].strip(" .")

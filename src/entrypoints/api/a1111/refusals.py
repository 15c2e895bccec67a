"""Why a call was refused or failed, in the four shapes that WebUI 1.10.1 has; imports Starlette and this API's problems.

Where the WebUI answers 500 to a mistake of the client's, it is told here as what it is, a 4xx: the shapes stay.
"""

import logging
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from entrypoints.api.encoding import json_answer
from entrypoints.api.problems import Problem, problem_of
from imaging_core.errors import ADVICE, FailureCode, ImagingError
from imaging_core.jobs import Job

log = logging.getLogger("imaging.api")

#: Where these shapes are used, and nowhere else.
BELOW = ("/sdapi/", "/internal/")

#: The caller's to change; the other failures are the service's or the backend's.
_OF_THE_CALLER = frozenset(
    {
        FailureCode.CONTENT_MODERATED,
        FailureCode.CONTENT_FILTERED,
        FailureCode.REJECTED,
        FailureCode.OUT_OF_MEMORY,
    }
)


def tell(problem: Problem) -> Response:
    """The answer that a problem is to A1111's clients."""
    errors = problem.extra.get("errors")
    status = problem.status
    if isinstance(errors, list) and errors:
        body: object = {"detail": [_wrong(error["field"], error["message"]) for error in errors]}
    elif problem.kind == "malformed-json":
        status = 422
        body = {"detail": [{"loc": ["body"], "msg": problem.detail, "type": "value_error.jsondecode"}]}
    elif problem.kind == "internal":
        body = shape(error="InternalError", errors=problem.detail)
    else:
        body = shape(error="HTTPException", detail=problem.detail)
    return json_answer(body, status, problem.headers)


def shape(*, error: str, detail: str = "", errors: str = "") -> dict[str, str]:
    """A refusal that is about more than fields."""
    return {"error": error, "detail": detail, "body": "", "errors": errors}


def failed(job: Job) -> Response:
    """Why a job that ended has no pictures."""
    failure = job.failure
    if failure is None:
        return json_answer(shape(error="HTTPException", detail="The job was cancelled."), 409)
    text = f"{failure.message} {ADVICE[failure.code]}"
    if failure.code in _OF_THE_CALLER:
        return json_answer(shape(error="HTTPException", detail=text), 422)
    return json_answer(shape(error=failure.code.value, errors=text), 500)


def stopping(job: Job) -> Response:
    """What is told to whom the service cannot answer to the end."""
    text = f"The service is being stopped. The job goes on with its next start: GET /jobs/{job.id} tells its end."
    return json_answer(shape(error="HTTPException", detail=text), 503)


def fault() -> Response:
    """What is told of a fault of the service."""
    return json_answer(shape(error="InternalError", errors="This is a fault of the service. Its log says more."), 500)


async def told(answer: Callable[[], Awaitable[Response]]) -> Response:
    """The answer, or why there is none."""
    try:
        return await answer()
    except Problem as problem:
        return tell(problem)
    except ImagingError as error:
        return tell(problem_of(error))
    except ClientDisconnect:
        raise
    except Exception:  # the layer that usually tells of faults speaks another language
        log.exception("A request failed.")
        return fault()


def _wrong(field: str, message: str) -> dict[str, object]:
    return {"loc": ["body", field] if field else ["body"], "msg": message, "type": "value_error"}

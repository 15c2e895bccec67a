"""Every refusal in OpenAI's envelope: {"error": {message, type, param, code}}; imports this API's problems and the core's errors.

What comes of a job that was taken is marked `x-should-retry: false`: the service has itself tried as often as makes sense,
and a client's retry would be a new job, paid for anew.
"""

from collections.abc import Mapping

import attrs
from starlette.responses import Response

from entrypoints.api.encoding import json_answer
from entrypoints.api.openai.catalogue import UnknownModel
from entrypoints.api.problems import Problem, problem_of
from imaging_core.errors import ADVICE, FailureCode, ImagingError
from imaging_core.jobs import Job, JobStatus

#: Where this envelope is used, and nowhere else.
BELOW = "/v1/"

#: Longest wait a client is told, in s: OpenAI's clients give up at once on more than 120.
_LONGEST_WAIT_S = 119

_WRONG, _SERVER, _RATE = "invalid_request_error", "server_error", "rate_limit_error"

#: By kind of problem: status (None for the problem's own), type and code.
_KINDS: Mapping[str, tuple[int | None, str, str | None]] = {
    "malformed-json": (400, _WRONG, "invalid_json"),
    "invalid-request": (400, _WRONG, "invalid_value"),
    "unknown-backend": (404, _WRONG, "model_not_found"),
    "backend-not-configured": (503, _SERVER, "backend_not_configured"),
    "idempotency-mismatch": (400, _WRONG, "idempotency_mismatch"),
    "unauthorized": (401, _WRONG, "invalid_api_key"),
    "forbidden": (403, "permission_error", "insufficient_permissions"),
    "cross-site": (403, "permission_error", "cross_site"),
    "too-many-requests": (429, _RATE, "rate_limit_exceeded"),
    "queue-full": (429, _RATE, "rate_limit_exceeded"),
    "credit-limit": (429, "insufficient_quota", "insufficient_quota"),
    "unavailable": (503, _SERVER, "service_unavailable"),
    "storage-full": (503, _SERVER, "storage_full"),
    "internal": (500, _SERVER, "internal_error"),
}
#: Problems that the same request may not meet a little later.
_PASSING = frozenset({"body-too-slow", "too-many-requests", "queue-full", "unavailable", "internal"})

#: By why a job failed: status, type and code; the rest is the service's or the backend's fault.
_FAILURES: Mapping[FailureCode, tuple[int, str, str]] = {
    FailureCode.CONTENT_MODERATED: (400, "image_generation_user_error", "moderation_blocked"),
    FailureCode.CONTENT_FILTERED: (400, "image_generation_user_error", "moderation_blocked"),
    FailureCode.REJECTED: (400, _WRONG, "rejected"),
    FailureCode.OUT_OF_MEMORY: (400, _WRONG, "out_of_memory"),
    FailureCode.THROTTLED: (429, _RATE, "rate_limit_exceeded"),
    FailureCode.INSUFFICIENT_CREDITS: (429, "insufficient_quota", "insufficient_quota"),
    FailureCode.BACKEND_UNREACHABLE: (503, _SERVER, "backend_unreachable"),
    FailureCode.TIMEOUT: (504, _SERVER, "timeout"),
}


@attrs.frozen(kw_only=True)
class Refusal(Exception):
    """An error as a client of OpenAI's API reads it."""

    status: int
    message: str
    type: str
    code: str | None = None
    #: The field that is wrong.
    param: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def body(self) -> dict[str, object]:
        """The envelope."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        """The answer as it goes out."""
        return json_answer(self.body, self.status, self.headers)

    def of_job(self, job_id: str) -> "Refusal":
        """The same about a job that was taken, so that nobody makes a second one of it."""
        return attrs.evolve(self, headers={**self.headers, "x-job-id": job_id, "x-should-retry": "false"})


def refusal_of(error: Problem | ImagingError, sent: Mapping[str, str]) -> Refusal:
    """How an error is told; `sent` are the names that fields have here, by their canonical ones."""
    if isinstance(error, UnknownModel):
        [problem] = error.problems
        return Refusal(
            status=404,
            message=problem.message,
            type=_WRONG,
            param="model",
            code="model_not_found",
            headers={"x-should-retry": "false"},
        )
    return _of_problem(error if isinstance(error, Problem) else problem_of(error), sent)


def _of_problem(problem: Problem, sent: Mapping[str, str]) -> Refusal:
    status, type_, code = _KINDS.get(problem.kind, (None, _WRONG if problem.status < 500 else _SERVER, None))
    message, param = problem.detail, None
    errors = problem.extra.get("errors")
    if isinstance(errors, list) and errors:
        named = [(sent.get(error["field"], error["field"]), error["message"]) for error in errors]
        message = " ".join(f"{field}: {text}" if field else text for field, text in named)
        param = named[0][0] or None
        if named[0][1] == "is required.":
            code = "missing_required_parameter"
    headers = dict(problem.headers)
    if problem.kind not in _PASSING:
        headers["x-should-retry"] = "false"
    elif headers.get("retry-after", "").isdecimal():
        headers["retry-after"] = str(max(1, min(int(headers["retry-after"]), _LONGEST_WAIT_S)))
    return Refusal(
        status=problem.status if status is None else status,
        message=message,
        type=type_,
        param=param,
        code=code,
        headers=headers,
    )


def failed(job: Job, *, model: str | None) -> Refusal:
    """Why a job that ended has no pictures; `model` is the one that was named."""
    if job.status is JobStatus.CANCELLED or job.failure is None:
        return Refusal(status=409, message="The job was cancelled.", type=_WRONG, code="job_cancelled").of_job(job.id)
    code = job.failure.code
    status, type_, word = _FAILURES.get(code, (500, _SERVER, code.value))
    if word == "moderation_blocked" and (model or "").startswith("dall-e-"):
        # Under these names the API had another word, which their clients look for.
        type_, word = _WRONG, "content_policy_violation"
    message = f"{job.failure.message} {ADVICE[code]}"
    return Refusal(status=status, message=message, type=type_, code=word).of_job(job.id)


def stopping(job_id: str) -> Refusal:
    """What is told to whom the service cannot answer to the end."""
    message = f"The service is being stopped. The job goes on with its next start: GET /status/{job_id} tells its end."
    return Refusal(status=503, message=message, type=_SERVER, code="service_stopping").of_job(job_id)


def tell(problem: Problem) -> Response:
    """The answer to a request that was refused before it came here."""
    return _of_problem(problem, {}).response()


def fault() -> Refusal:
    """What is told of a fault of the service."""
    message = "This is a fault of the service. Its log says more."
    return Refusal(status=500, message=message, type=_SERVER, code="internal_error")

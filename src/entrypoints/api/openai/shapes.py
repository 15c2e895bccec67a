"""The shapes of OpenAI's answers, as the API's description shows them; imports pydantic and this API's shapes."""

from entrypoints.api.openai.answers import USAGE
from entrypoints.api.openapi import Spec
from entrypoints.api.shapes import Shape, example

_MODEL: dict[str, object] = {"id": "stability/core", "object": "model", "created": 0, "owned_by": "stability"}


class OpenAiModel(Shape):
    """A model."""

    model_config = example(**_MODEL)

    id: str
    object: str
    created: int
    owned_by: str


class OpenAiModels(Shape):
    """All models."""

    model_config = example(object="list", data=[_MODEL])

    object: str
    data: list[OpenAiModel]


class OpenAiTokens(Shape):
    """Tokens by kind; none are counted here."""

    image_tokens: int
    text_tokens: int


class OpenAiUsage(Shape):
    """Tokens; none are counted here."""

    input_tokens: int
    input_tokens_details: OpenAiTokens
    output_tokens: int
    output_tokens_details: OpenAiTokens
    total_tokens: int


class OpenAiPicture(Shape):
    """A picture, in base64 or behind an address."""

    b64_json: str | None = None
    url: str | None = None


class OpenAiImages(Shape):
    """The pictures of a call."""

    model_config = example(
        created=1_763_831_400,
        background="opaque",
        data=[{"b64_json": "iVBORw0KGgo="}],
        output_format="png",
        size="1536x1024",
        quality="high",
        usage=USAGE,
    )

    created: int
    background: str
    data: list[OpenAiPicture]
    output_format: str
    #: Of the pictures as they are, which may differ from the size asked for.
    size: str
    quality: str | None = None
    usage: OpenAiUsage


class OpenAiErrorDetails(Shape):
    """What is wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAiError(Shape):
    """An error below /v1."""

    model_config = example(
        error={
            "message": "n: must be at most 10.",
            "type": "invalid_request_error",
            "param": "n",
            "code": "invalid_value",
        }
    )

    error: OpenAiErrorDetails


_MEANINGS = {
    400: "The request is wrong, or a content filter refused it.",
    401: "A key is needed, and none or a wrong one came.",
    403: "The key lacks a scope.",
    404: "There is no such model.",
    408: "The body did not come in time.",
    409: "The job was cancelled.",
    410: "The job was deleted.",
    413: "The body is too large.",
    415: "The body is of the wrong type.",
    421: "The service is not known under that name.",
    429: "Too many jobs are waiting, too many requests came, or the credits are used up.",
    500: "The backend or the service has a fault.",
    503: "A part of the service does not answer or is being stopped.",
    504: "It took too long.",
}

_STREAM = (
    'event: image_generation.completed\ndata: {"type":"image_generation.completed","b64_json":"iVBORw0KGgo=", ... }\n\n'
)


def errors(*statuses: int) -> dict[int | str, Spec]:
    """`responses` of an endpoint below /v1."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/OpenAiError"}}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in statuses}


#: `responses` of both calls.
CALL: dict[int | str, Spec] = {
    200: {
        "model": OpenAiImages,
        "description": "The pictures; with `stream`, events. `X-Job-Id` names the job.",
        "headers": {"X-Job-Id": {"description": "The job's id.", "schema": {"type": "string"}}},
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _STREAM}},
    },
    **errors(*_MEANINGS),
}

"""What /openapi.json says beyond what FastAPI reads off the endpoints; imports FastAPI and the models."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from entrypoints.api.backend_shapes import PauseRequest
from entrypoints.api.edit_submissions import EditSubmission, UpscaleSubmission
from entrypoints.api.job_shapes import CancelRequest
from entrypoints.api.key_docs import describe_keys
from entrypoints.api.key_shapes import KeyRequest
from entrypoints.api.openai.fields import OpenAiEdit, OpenAiGeneration
from entrypoints.api.operation_ids import name_operations
from entrypoints.api.problems import TITLES
from entrypoints.api.shapes import Problem, Shape
from entrypoints.api.submissions import LocalSubmission, StabilitySubmission
from entrypoints.api.webhook_docs import describe_webhooks

Spec = dict[str, Any]

_REF = "#/components/schemas/{model}"

_MEANINGS = {
    400: "The body is not strict JSON.",
    403: "The key does not allow it.",
    404: "There is no job with that id.",
    408: "The body did not come in time.",
    409: "The job's status does not allow it.",
    410: "The job was deleted.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    416: "The picture has no such range.",
    422: "The request is wrong; errors names the fields.",
    429: "Too many of your jobs are waiting.",
    503: "A part of the service does not answer, is not set up, or too many jobs are waiting.",
}

#: Statuses that any endpoint which reads a body may answer.
BODY_PROBLEMS = (400, 408, 413, 415, 422)


def reference(model: type[BaseModel]) -> Spec:
    """The schema that points to the model's own."""
    return {"$ref": _REF.format(model=model.__name__)}


def problems(*statuses: int) -> dict[int | str, Spec]:
    """`responses` of an endpoint: these errors, as problem+json."""
    content = {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in statuses}


def body(model: type[BaseModel], *, required: bool = True) -> Spec:
    """`openapi_extra` of an endpoint that reads this body itself."""
    content = {"application/json": {"schema": reference(model)}}
    return {"requestBody": {"required": required, "content": content}}


def header(name: str, description: str, **schema: Any) -> Spec:
    """`openapi_extra` of an endpoint that reads this header itself."""
    spec = {"name": name, "in": "header", "required": False, "description": description}
    return {"parameters": [{**spec, "schema": {"type": "string", **schema}}]}


def query(name: str, description: str, **schema: Any) -> Spec:
    """`openapi_extra` of an endpoint that reads this query parameter itself."""
    spec = {"name": name, "in": "query", "required": False, "description": description}
    return {"parameters": [{**spec, "schema": schema}]}


def queries(*specs: Spec) -> Spec:
    """`openapi_extra` of an endpoint that reads several query parameters itself, each as `query` gives it."""
    return {"parameters": [parameter for spec in specs for parameter in spec["parameters"]]}


def describe(app: FastAPI) -> None:
    """Make `app.openapi` give the whole truth."""

    def openapi() -> Spec:
        if app.openapi_schema is None:
            app.openapi_schema = _spec(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _shapes(root: type[Shape]) -> Iterator[type[Shape]]:
    for shape in root.__subclasses__():
        yield shape
        yield from _shapes(shape)


def _spec(app: FastAPI) -> Spec:
    spec = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    # Anew for all of them: FastAPI drops every null, and an example without its nulls does not fit its own schema.
    models: list[type[BaseModel]] = [
        StabilitySubmission,
        LocalSubmission,
        EditSubmission,
        UpscaleSubmission,
        KeyRequest,
        PauseRequest,
        CancelRequest,
        OpenAiGeneration,
        OpenAiEdit,
        Problem,
        *_shapes(Shape),
    ]
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    schemas = spec.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(definitions["$defs"])
    spec["components"]["schemas"] = schemas = dict(sorted(schemas.items()))
    schemas["Problem"]["properties"]["type"]["enum"] = [f"/problems/{kind}" for kind in TITLES]
    # FastAPI's own shape of a 422 is never sent.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operations in spec["paths"].values():
        for operation in operations.values():
            answers = operation["responses"]
            if "HTTPValidationError" in str(answers.get("422")):
                del answers["422"]
    name_operations(spec)
    describe_keys(spec)
    describe_webhooks(spec)
    return spec

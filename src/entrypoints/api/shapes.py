"""What the shapes of all answers and of small bodies share, and the shape of an error; imports pydantic.

Shapes are for OpenAPI and for the tests that compare them with what is sent; nothing is built through them.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """An answer with exactly these members."""

    # Their validators are made when somebody asks for them: a start makes some sixty shapes and needs none.
    model_config = ConfigDict(extra="forbid", defer_build=True)


def example(**example: Any) -> ConfigDict:
    """The configuration of an answer's shape, with an example."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})


def sent(**example: Any) -> ConfigDict:
    """The configuration of a small body's model, which is read strictly, with an example."""
    return ConfigDict(strict=True, frozen=True, extra="forbid", json_schema_extra={"examples": [example]})


class FieldError(Shape):
    """One field that is wrong."""

    field: str
    message: str


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/invalid-request",
                    "title": "The request cannot be made",
                    "status": 422,
                    "detail": "steps: must be from 1 to 150.",
                    "errors": [{"field": "steps", "message": "must be from 1 to 150."}],
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []

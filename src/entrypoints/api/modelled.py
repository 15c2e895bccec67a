"""A JSON value as the model of a small body, or what is wrong with it, field by field; imports pydantic and this package."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from entrypoints.api.problems import field_problems, invalid
from imaging_core.errors import FieldProblem

M = TypeVar("M", bound=BaseModel)


def model_of(model: type[M], value: object) -> M:
    """The value as that model. Raises Problem (422), which never repeats what was sent."""
    if not isinstance(value, dict):
        raise invalid([FieldProblem(field="", message="The body must be a JSON object.")])
    unknown = set(value) - set(model.model_fields)
    if unknown:
        known = ", ".join(model.model_fields)
        raise invalid([FieldProblem(field="", message=f"There is a field that is not known here. There are: {known}.")])
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(field_problems(error.errors(include_url=False, include_input=False))) from None

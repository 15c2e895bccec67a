"""Settings of the choice of a backend; imports pydantic and the core's policy."""

from typing import Annotated

from pydantic import BaseModel, Field, NonNegativeFloat, field_validator
from pydantic_settings import NoDecode

from entrypoints.settings.lists import Listed
from imaging_core.routing import AutoPolicy


class RoutingSettings(BaseModel):
    """Where a request goes whose caller names the backend "auto"."""

    auto_order: Annotated[tuple[str, ...], NoDecode, Listed] = Field(
        default=AutoPolicy().order, min_length=1, description='Backends for "auto", the preferred first.'
    )
    auto_max_wait_s: NonNegativeFloat = Field(
        default=AutoPolicy().max_wait_s, description='Expected wait beyond which "auto" looks at the next backend.'
    )
    auto_max_credits: NonNegativeFloat | None = Field(
        default=None, description='Most credits that a job may cost where "auto" sends it.'
    )

    @field_validator("auto_order")
    @classmethod
    def _known_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = ("local", "stability", "demo")
        if unknown := [name for name in value if name not in known]:
            raise ValueError(f"has no backend {unknown[0]!r}; there are: {', '.join(known)}")
        return value

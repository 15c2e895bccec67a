"""Settings of the APIs that other programs' clients speak; imports pydantic."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, Field, field_validator
from pydantic_settings import NoDecode


class FacadeSettings(BaseModel):
    """What names from elsewhere mean here."""

    openai_aliases: Annotated[Mapping[str, str], NoDecode] = Field(
        default={},
        description="Further model names of the OpenAI API and what each means, separated by commas: "
        "dall-e-3=stability/ultra, gpt-image-1=local.",
    )

    a1111_api: bool = Field(default=True, description="AUTOMATIC1111's API below /sdapi/v1 and /internal.")

    @field_validator("openai_aliases", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if not all(name.strip() and meant.strip() for name, _, meant in pairs):
            raise ValueError("must be pairs such as dall-e-3=stability/ultra, separated by commas")
        return {name.strip(): meant.strip() for name, _, meant in pairs}

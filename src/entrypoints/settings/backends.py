"""Settings of the backends; imports pydantic and the core's values."""

from typing import Annotated

from pydantic import AliasChoices, BaseModel, Field, PositiveFloat, PositiveInt, SecretStr, field_validator
from pydantic_settings import NoDecode

from entrypoints.settings.addresses import check_http_url
from entrypoints.settings.lists import Listed


class BackendSettings(BaseModel):
    """Which backends there are, and how they are called."""

    stability_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("IMAGING_STABILITY_API_KEY", "STABILITY_KEY", "STABILITY_API_KEY"),
        description="Key of the Stability AI API (alias STABILITY_KEY).",
    )
    stability_base_url: str = Field(default="https://api.stability.ai", description="Address of the Stability AI API.")
    stability_slots: PositiveInt = Field(default=64, description="Stability calls at a time, over all workers.")
    stability_rate: PositiveInt = Field(
        default=148, description="Stability calls in 10 s, over all workers (their limit is 150)."
    )
    stability_timeout_s: PositiveFloat = Field(default=300.0, description="Longest wait for a Stability answer.")
    sdwebui_urls: Annotated[tuple[str, ...], NoDecode, Listed] = Field(
        default=(),
        validation_alias=AliasChoices("IMAGING_SDWEBUI_URLS", "STABLE_DIFFUSION_URL", "SD_WEBUI_URL"),
        description="Addresses of Stable Diffusion WebUI instances, separated by commas (alias STABLE_DIFFUSION_URL).",
    )
    sdwebui_auth: SecretStr | None = Field(default=None, description="user:password of the WebUI's --api-auth.")
    demo: bool | None = Field(
        default=None, description="The built-in demo backend; by default on in `imaging up` when no other is set up."
    )
    demo_step_s: float = Field(default=0.08, ge=0, le=10, description="Least time of one demo step.")

    @field_validator("sdwebui_urls")
    @classmethod
    def _without_slash(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(url.rstrip("/") for url in value)

    @field_validator("sdwebui_urls", "stability_base_url")
    @classmethod
    def _http(cls, value: tuple[str, ...] | str) -> tuple[str, ...] | str:
        for url in (value,) if isinstance(value, str) else value:
            check_http_url(url)
        return value

    @field_validator("sdwebui_auth")
    @classmethod
    def _pair(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and ":" not in value.get_secret_value():
            raise ValueError("must be user:password")
        return value

    @property
    def unconfigured(self) -> dict[str, str]:
        """Backends that are not set up, each with a sentence that says which setting is missing."""
        missing = {
            "stability": self.stability_api_key is None
            and "set IMAGING_STABILITY_API_KEY (or STABILITY_KEY) to a key of the Stability AI API.",
            "local": not self.sdwebui_urls
            and "set IMAGING_SDWEBUI_URLS to the address of a Stable Diffusion WebUI that runs with --api, "
            "for instance http://127.0.0.1:7860.",
            "demo": not self.demo and "set IMAGING_DEMO=1 to turn the built-in demo on.",
        }
        return {name: f"Backend '{name}' is not set up: {hint}" for name, hint in missing.items() if hint}

    @property
    def images_backend(self) -> str:
        """Where POST /images goes: Stability AI, or the demo while that is on and no key is set."""
        return "demo" if self.demo and self.stability_api_key is None else "stability"

    @property
    def demo_by_default(self) -> bool:
        """Whether nothing else is set up, so that `imaging up` shows the demo."""
        return self.stability_api_key is None and not self.sdwebui_urls

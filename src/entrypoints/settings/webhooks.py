"""Settings of the messages to webhooks; imports pydantic, the core's values and what reads the list."""

from typing import Annotated

from pydantic import BaseModel, Field, PositiveFloat, field_validator
from pydantic_settings import NoDecode

from adapters.webhooks.addresses import Allowed
from entrypoints.settings.lists import Listed
from imaging_core.deliverer import DeliveryLimits
from imaging_core.deliveries import Schedule


class WebhookSettings(BaseModel):
    """Where messages may go, and how patiently they are sent. Times in s."""

    webhook_allow: Annotated[tuple[str, ...], NoDecode, Listed] = Field(
        default=(),
        description="Hosts and networks beyond the public ones that webhooks may lead to, also by http, "
        "separated by commas: hooks.internal, 10.0.0.0/8.",
    )
    webhook_timeout_s: PositiveFloat = Field(default=15.0, le=120, description="Longest wait for a webhook's answer.")
    webhook_retry_s: Annotated[tuple[PositiveFloat, ...], NoDecode, Listed] = Field(
        default=Schedule().delays_s,
        max_length=50,
        description="Waits after a webhook's first, second and further failures; after the last it is given up.",
    )

    @field_validator("webhook_allow")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Allowed(value)
        return value

    @property
    def webhook_schedule(self) -> Schedule:
        """When a message is sent again."""
        return Schedule(delays_s=self.webhook_retry_s)

    @property
    def webhook_limits(self) -> DeliveryLimits:
        """How much one process sends at a time."""
        # Time for the message, and as much again for the record of it.
        return DeliveryLimits(lease_s=2 * self.webhook_timeout_s + 3.0)

"""What a key looks like to its managers, and what they may say when they make one; imports pydantic and this package's shapes."""

from typing import Literal

from pydantic import BaseModel, Field

from entrypoints.api.shapes import Shape, example, sent
from imaging_core.keys import MAX_NAME


class KeyRequest(BaseModel):
    """Body of POST /keys; absent and null both mean no limit."""

    model_config = sent(name="laptop", scopes=["read", "submit"], credits_per_day=100)

    name: str = Field(description="What people call it.", max_length=MAX_NAME)
    scopes: list[Literal["read", "submit", "admin"]] | None = Field(
        default=None, max_length=3, description="By default everything for the first key, then read and submit."
    )
    max_queued: int | None = Field(default=None, ge=1, description="Jobs of one backend that may wait.")
    requests_per_minute: int | None = Field(default=None, ge=1, description="Requests of any kind in a minute.")
    credits_per_day: float | None = Field(default=None, gt=0, description="Credits in a day, by UTC.")


_KEY = {
    "id": "5f0c61d7a6c9",
    "name": "laptop",
    "scopes": ["read", "submit"],
    "created_at": "2026-11-22T17:10:00.123Z",
    "revoked_at": None,
    "last_used_at": "2026-11-22T18:02:00.456Z",
    "max_queued": None,
    "requests_per_minute": None,
    "credits_per_day": 100.0,
}


class Key(Shape):
    """A key, without its secret."""

    model_config = example(**_KEY)

    id: str
    name: str
    scopes: list[str]
    created_at: str
    revoked_at: str | None
    last_used_at: str | None
    max_queued: int | None
    requests_per_minute: int | None
    credits_per_day: float | None


class MadeKey(Key):
    """A key, with its secret, this once."""

    model_config = example(**_KEY, key=f"img_5f0c61d7a6c9_{'0' * 64}")

    key: str


class Keys(Shape):
    """Every key, oldest first."""

    model_config = example(keys=[_KEY])

    keys: list[Key]


class AuditRecord(Shape):
    """Something that was done."""

    at: str
    action: str
    subject: str
    actor: str | None


class Audit(Shape):
    """The newest records, newest first."""

    model_config = example(
        records=[{"at": "2026-11-22T17:10:00.123Z", "action": "key.created", "subject": "5f0c61d7a6c9", "actor": None}]
    )

    records: list[AuditRecord]

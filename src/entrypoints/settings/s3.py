"""Settings of the bucket that IMAGING_STORAGE_URL may name; imports pydantic."""

import re
from urllib.parse import urlsplit

from pydantic import AliasChoices, BaseModel, Field, SecretStr, field_validator

from entrypoints.settings.addresses import check_http_url

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()/-]*", re.ASCII)


class S3Settings(BaseModel):
    """How the bucket is reached. Names that Amazon's own tools read are taken too."""

    s3_endpoint: str | None = Field(
        default=None,
        validation_alias=AliasChoices("IMAGING_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        description="Address of an S3 API that is not Amazon's (alias AWS_ENDPOINT_URL_S3).",
    )
    s3_region: str | None = Field(
        default=None,
        validation_alias=AliasChoices("IMAGING_S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
        description="Region of the bucket (alias AWS_REGION).",
    )
    s3_path_style: bool | None = Field(
        default=None, description="Name the bucket in the path; by default with IMAGING_S3_ENDPOINT only."
    )
    s3_access_key_id: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("IMAGING_S3_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"),
        description="Key id (alias AWS_ACCESS_KEY_ID); without one, web identity, container and host are asked.",
    )
    s3_secret_access_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("IMAGING_S3_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"),
        description="Its secret (alias AWS_SECRET_ACCESS_KEY).",
    )
    s3_session_token: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("IMAGING_S3_SESSION_TOKEN", "AWS_SESSION_TOKEN"),
        description="Token of temporary credentials (alias AWS_SESSION_TOKEN).",
    )
    s3_redirect: bool = Field(
        default=False, description="Send whoever may see a picture to the bucket for it, by a link good for 15 minutes."
    )
    s3_public_endpoint: str | None = Field(
        default=None, description="The endpoint as those who are sent there reach it, if they do by another address."
    )

    @field_validator("s3_endpoint", "s3_public_endpoint")
    @classmethod
    def _s3_address(cls, value: str | None) -> str | None:
        if value is not None:
            check_http_url(value)
            value = value.rstrip("/")
        return value


def bucket_and_prefix(storage_url: str | None) -> tuple[str, str] | None:
    """What an address s3://bucket/prefix names; None for what is no such address. Raises ValueError for a wrong one."""
    parts = urlsplit(storage_url or "")
    if parts.scheme != "s3":
        return None
    bucket, prefix = parts.netloc, parts.path.strip("/")
    if not _BUCKET.fullmatch(bucket) or not _PREFIX.fullmatch(prefix) or parts.query or parts.fragment:
        raise ValueError(
            "must be s3://bucket or s3://bucket/prefix, the bucket in small letters, digits, dots and hyphens"
        )
    if any(part in ("", ".", "..") for part in prefix.split("/")) and prefix:
        raise ValueError("must be s3://bucket/prefix, and the prefix must not have empty parts, . or ..")
    return bucket, prefix

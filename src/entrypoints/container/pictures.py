"""Where the pictures are: in a folder or in a bucket; imports their adapters."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from adapters.directory import DirectoryImageStore
from entrypoints.settings import Settings, SettingsError
from entrypoints.settings.s3 import bucket_and_prefix
from imaging_core.images import ImageRef
from imaging_core.quota import MeasuredStore
from imaging_core.repair import InspectedStore

#: Gives an address under which a picture may be read for a quarter of an hour. Raises ImageNotAvailable.
Link = Callable[[ImageRef], Awaitable[str]]


class PictureStore(InspectedStore, MeasuredStore, Protocol):
    """A store with all that repair, janitor and quota ask of one."""

    @property
    def root(self) -> str:
        """Where it is, for a person."""
        ...


def pictures_folder(settings: Settings) -> Path | None:
    """The folder that IMAGING_STORAGE_URL names, below the data folder by default; None when it names a bucket."""
    if settings.storage_url is None:
        return settings.data_dir / "pictures"
    parts = urlsplit(settings.storage_url)
    if parts.scheme == "s3":
        return None
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        raise SettingsError(
            "IMAGING_STORAGE_URL: must be a folder, as a path or as file:///path, or s3://bucket/prefix."
        )
    return Path(unquote(parts.path)).expanduser()


def picture_store(settings: Settings) -> PictureStore:
    """What keeps the pictures; does nothing until it is used. Raises SettingsError."""
    folder = pictures_folder(settings)
    if folder is not None:
        return DirectoryImageStore(folder, reserve_bytes=settings.storage_reserve_bytes)
    from adapters.s3 import S3Credentials, S3ImageStore, S3Place  # noqa: PLC0415  # not for those who have a folder

    key, secret, token = settings.s3_access_key_id, settings.s3_secret_access_key, settings.s3_session_token
    # Only now: those who keep pictures in a folder may have set Amazon's names for something else.
    if (key is None) != (secret is None):
        raise SettingsError("IMAGING_S3_ACCESS_KEY_ID and IMAGING_S3_SECRET_ACCESS_KEY: set both, or none.")
    try:
        bucket, prefix = bucket_and_prefix(settings.storage_url) or ("", "")
        return S3ImageStore(
            S3Place(
                bucket=bucket,
                prefix=prefix,
                endpoint=settings.s3_endpoint,
                public_endpoint=settings.s3_public_endpoint,
                region=settings.s3_region,
                path_style=settings.s3_path_style,
                credentials=S3Credentials(
                    access_key_id=key.get_secret_value(),
                    secret_access_key=secret.get_secret_value(),
                    session_token=token.get_secret_value() if token else None,
                )
                if key and secret
                else None,
            )
        )
    except ValueError as error:
        raise SettingsError(f"IMAGING_STORAGE_URL: {error}") from None


def link_of(store: PictureStore, settings: Settings) -> Link | None:
    """What gives links to a bucket, when callers are to be sent there."""
    if not settings.s3_redirect or pictures_folder(settings) is not None:
        return None
    link: Link = store.link  # type: ignore[attr-defined]  # only a bucket has it
    return link

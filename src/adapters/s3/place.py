"""Where a bucket is and who asks for it; imports stdlib, attrs and obstore."""

from datetime import timedelta
from typing import TYPE_CHECKING

import attrs
from obstore.exceptions import BaseError
from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

#: Nothing is heard within that long, in s: the store is away.
CONNECT_S = 5
#: Longest request, body and answer included, in s: a part of an upload, or a piece of a picture.
REQUEST_S = 30
#: Further tries of a request that had no answer or a 5xx, and the time after which none is begun, in s.
RETRIES, RETRY_S = 3, 15
#: The same two for whoever waits for a picture: nothing of it is heard within the first, and no try is begun after the second.
SILENT_S, READ_RETRY_S = 10, 5


@attrs.frozen(kw_only=True)
class S3Credentials:
    """A key pair that was set; without one, the usual places are asked."""

    access_key_id: str
    secret_access_key: str = attrs.field(repr=False)
    #: Of temporary ones.
    session_token: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class S3Place:
    """A part of a bucket."""

    bucket: str
    #: Begins every key, without slashes at its ends; may be empty.
    prefix: str = ""
    #: Address of the API; None for Amazon's.
    endpoint: str | None = None
    #: The same as those see it who are sent there; None when it is the same.
    public_endpoint: str | None = None
    region: str | None = None
    #: Whether the bucket is named in the path instead of the host; None: with an endpoint of one's own it is.
    path_style: bool | None = None
    #: None to ask the environment, a web identity, the container's or the host's metadata service.
    credentials: S3Credentials | None = None

    @property
    def url(self) -> str:
        """As a person writes it."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def address(self) -> str:
        """Who answers for it, for a sentence."""
        return self.endpoint or "Amazon S3"

    def client(self) -> S3Store:
        """What talks to it; connects to nothing yet. Raises ValueError for what cannot be meant."""
        return self._client(self.endpoint)

    def reading_client(self) -> S3Store:
        """The same for reads that somebody waits for: it gives up sooner on a store that says nothing.

        Writes keep to the other, since the time in which one sends counts as silence.
        """
        return self._client(self.endpoint, read_timeout=timedelta(seconds=SILENT_S), retry_s=READ_RETRY_S)

    def public_client(self) -> S3Store:
        """The same under the address that callers know, for signing links."""
        return self._client(self.public_endpoint or self.endpoint)

    def _client(
        self, endpoint: str | None, *, read_timeout: timedelta | None = None, retry_s: float = RETRY_S
    ) -> S3Store:
        # The store checks what it gets against this sum, whatever lies on the way.
        config: S3Config = {"checksum_algorithm": "SHA256"}
        if endpoint is not None:
            # Not `endpoint`: AWS_ENDPOINT_URL_S3 of the environment would win over that.
            config["aws_endpoint_url_s3"] = endpoint
        if self.region is not None:
            config["region"] = self.region
        path_style = self.endpoint is not None if self.path_style is None else self.path_style
        config["virtual_hosted_style_request"] = not path_style
        if self.credentials is not None:
            config["access_key_id"] = self.credentials.access_key_id
            config["secret_access_key"] = self.credentials.secret_access_key
            if self.credentials.session_token is not None:
                config["session_token"] = self.credentials.session_token
        options: ClientConfig = {
            "allow_http": endpoint is not None and endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=CONNECT_S),
            "timeout": timedelta(seconds=REQUEST_S),
        }
        if read_timeout is not None:
            options["read_timeout"] = read_timeout
        try:
            return S3Store(
                self.bucket,
                prefix=self.prefix or None,
                config=config,
                client_options=options,
                retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=retry_s)},
            )
        except BaseError as error:
            # Its own text may repeat what it was given.
            raise ValueError(f"The settings of {self.url} cannot be used ({type(error).__name__}).") from None

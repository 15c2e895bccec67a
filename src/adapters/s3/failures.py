"""The one place where an error of S3 becomes one of the core's errors; imports stdlib, obstore and imaging_core.

What S3 answers may repeat a request's headers, a session token among them: only its error code is ever shown, and what is
raised here has no cause.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import AlreadyExistsError, BaseError

from adapters.s3.place import S3Place
from imaging_core.errors import StorageFull, Unavailable

_CODE = re.compile(r"<Code>(\w{1,64})</Code>", re.ASCII)
_STATUS = re.compile(r"status code: (\d{3})|status: (\d{3}),", re.ASCII)
_REGION = re.compile(r"<Region>([a-z0-9-]{1,40})</Region>|expecting '([a-z0-9-]{1,40})'", re.ASCII)
#: Where a host's or a container's credentials come from; asked when there are none nearer.
_METADATA = re.compile(r"https?://(?:[^/\s]+/latest/(?:api/token|meta-data)|169\.254\.170\.2)", re.ASCII)

#: Until S3 has moved a part of a bucket to more servers, in s.
_SLOW_DOWN_S = 10
_WHERE = "The bucket {bucket} at {address}"
_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_SENTENCES = {
    "full": f"{_WHERE} has no room for another picture{{told}}. Delete old pictures or raise its quota.",
    "no bucket": "There is no bucket {bucket} at {address}. Create it, or correct IMAGING_STORAGE_URL.",
    "clock": f"{_WHERE} refuses this host's requests{{told}}: its clock is wrong. Set it, for instance by NTP.",
    "region": f"{_WHERE} is in another region. Set IMAGING_S3_REGION{{region}}, or correct IMAGING_S3_ENDPOINT.",
    "slow down": f"{_WHERE} asks for fewer requests{{told}}. Try again.",
    "credentials": f"{_WHERE} does not accept the credentials{{told}}. Set {_KEYS} to valid ones.",
    "no credentials": f"There are no credentials for the bucket {{bucket}}. Set {_KEYS}, or give this host a role.",
    "permission": f"{_WHERE} may not be used with these credentials{{told}}. Allow s3:GetObject, s3:PutObject and "
    "s3:DeleteObject below {url}, and s3:ListBucket on the bucket.",
    "unknown": f"{_WHERE} does not know a request that is needed{{told}}. It must support If-None-Match.",
    "away": f"{_WHERE} does not answer. Check IMAGING_S3_ENDPOINT, and that it runs and can be reached.",
    "other": f"{_WHERE} cannot be used now{{told}}. Its own log says why.",
}
_BY_CODE = {
    # Amazon has no end; these are said by MinIO, Ceph and others.
    **dict.fromkeys(
        ("XMinioStorageFull", "XMinioStorageQuotaExceeded", "QuotaExceeded", "InsufficientStorage"), "full"
    ),
    "NoSuchBucket": "no bucket",
    "RequestTimeTooSkewed": "clock",
    **dict.fromkeys(("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"), "region"),
    "IllegalLocationConstraintException": "region",
    **dict.fromkeys(
        ("SlowDown", "SlowDownRead", "SlowDownWrite", "TooManyRequests", "RequestLimitExceeded"), "slow down"
    ),
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"), "credentials"),
    "NotImplemented": "unknown",
}
_BY_STATUS = {
    **dict.fromkeys(("301", "307"), "region"),
    "401": "credentials",
    "403": "permission",
    "429": "slow down",
    "501": "unknown",
    "503": "slow down",
    "507": "full",
}


class NoAnswer(Unavailable):
    """Nothing was heard of it, in time."""


@contextmanager
def translated(place: S3Place) -> Iterator[None]:
    """Raise StorageFull or Unavailable, with a sentence that names the bucket, for every error of S3 inside.

    An object that is not there stays FileNotFoundError, and one that is there already AlreadyExistsError.
    """
    try:
        yield
    except AlreadyExistsError:
        raise
    except FileNotFoundError as error:
        if _first(_CODE, error) != "NoSuchBucket":
            raise
        raise _translation(error, place) from None
    except (BaseError, OSError, ValueError) as error:
        raise _translation(error, place) from None


def no_answer(place: S3Place) -> NoAnswer:
    """What is said when it takes too long to answer."""
    return NoAnswer(str(_translation(TimeoutError(), place)))


def _translation(error: Exception, place: S3Place) -> Unavailable:
    code, status, region = _first(_CODE, error), _first(_STATUS, error), _first(_REGION, error)
    kind = _kind_of(error, code, status)
    sentence = _SENTENCES[kind].format(
        bucket=place.bucket,
        address=place.address,
        url=place.url,
        told=f" ({code or status})" if code or status else "",
        region=f"={region}" if region else " to the bucket's",
    )
    if kind == "full":
        return StorageFull(sentence)
    if kind == "away":
        return NoAnswer(sentence)
    return Unavailable(sentence, retry_after_s=_SLOW_DOWN_S) if kind == "slow down" else Unavailable(sentence)


def _kind_of(error: Exception, code: str | None, status: str | None) -> str:
    if code in _BY_CODE:
        return _BY_CODE[code]
    if _METADATA.search(str(error)):
        return "no credentials"
    if "without LOCATION" in str(error):
        # object_store's words for a redirect of S3, which names no address.
        return "region"
    return "away" if status is None else _BY_STATUS.get(status, "other")


def _first(pattern: re.Pattern[str], error: Exception) -> str | None:
    match = pattern.search(str(error))
    return next(filter(None, match.groups())) if match else None

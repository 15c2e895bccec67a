"""What the adapter must be told, checked once at the start.

May import the standard library and attrs.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

import attrs


def _plain(urls: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(url.strip().rstrip("/") for url in urls if url.strip()))


def _instances(_: object, __: "attrs.Attribute[tuple[str, ...]]", value: tuple[str, ...]) -> None:
    if not value:
        raise ValueError("Give the address of at least one Stable Diffusion WebUI, such as http://localhost:7860.")
    for url in value:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(
                "The address of a WebUI must look like http://localhost:7860, with http or https and a host."
            )
        if parts.username or parts.password:
            raise ValueError("The address of a WebUI must not hold a user name or password; give them separately.")


def _pair(_: object, __: "attrs.Attribute[str | None]", value: str | None) -> None:
    if value is not None and ":" not in value:
        raise ValueError("The WebUI's credentials must look like user:password.")


@attrs.frozen(kw_only=True)
class SdWebuiSettings:
    """Addresses, credentials and limits; times in s, sizes in bytes or px."""

    #: One per instance; each makes one picture call at a time.
    urls: tuple[str, ...] = attrs.field(converter=_plain, validator=_instances)
    #: "user:password" of --api-auth, the same for all instances.
    auth: str | None = attrs.field(default=None, repr=False, validator=_pair)
    #: Time to connect. Nothing is sent before that.
    connect_timeout_s: float = 5.0
    #: Time a question about lists, progress or queue may take.
    question_timeout_s: float = 10.0
    #: Time from the start of a call to the last byte of its answer. No byte comes before the pictures are done, and a
    #: call behind somebody else's job waits for it in silence.
    total_timeout_s: float = 1800.0
    #: How long the lists of models and samplers are good for.
    lists_ttl_s: float = 5.0
    #: How often progress is asked for.
    poll_s: float = 0.5
    #: Time to stop our own task after a cancel.
    stop_timeout_s: float = 5.0
    #: Time to wait for an earlier try of the same job that still runs.
    take_over_timeout_s: float = 60.0
    #: Time that somebody else's work is made room for before a call queues up behind it.
    stranger_timeout_s: float = 60.0
    #: Largest answer that is read.
    max_answer_bytes: int = 32 * 1024 * 1024
    #: Largest picture that is asked for and decoded, in px.
    max_pixels: int = 4096 * 4096
    #: Longest side that is asked for, before hires, in px.
    max_side: int = 2048
    #: Most pictures of one job, and side by side in one call.
    max_count: int = 100
    max_batch: int = 8

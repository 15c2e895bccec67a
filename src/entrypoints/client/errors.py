"""What can go wrong between a program and the service, each with a sentence for people; imports stdlib and attrs."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import attrs


class ClientError(Exception):
    """Root of the client's errors; `str()` is a sentence for a person, free of secrets and prompts."""


@attrs.frozen(kw_only=True)
class Problem:
    """An error answer (RFC 9457) as values."""

    status: int
    #: Stable, for programs; "about:blank" when the answer named none.
    type: str
    title: str
    #: The sentence for people.
    detail: str
    #: What is wrong with which field; "" is the request as a whole.
    field_errors: Mapping[str, str] = attrs.field(factory=dict)
    #: Seconds after which asking again makes sense, None when it does not or nobody knows.
    retry_after_s: float | None = None


class ApiError(ClientError):
    """The service answered, and the answer is no."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.detail or problem.title)

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.problem.status

    @property
    def type(self) -> str:
        """The stable name of the kind of problem."""
        return self.problem.type

    @property
    def title(self) -> str:
        """The kind of problem, for people."""
        return self.problem.title

    @property
    def detail(self) -> str:
        """This very problem, for people."""
        return self.problem.detail

    @property
    def field_errors(self) -> Mapping[str, str]:
        """What is wrong with which field."""
        return self.problem.field_errors

    @property
    def retry_after_s(self) -> float | None:
        """Seconds after which asking again makes sense."""
        return self.problem.retry_after_s


class NotTheService(ApiError):
    """Something else answers at that address: a web server, a proxy, another program."""


class ServiceUnreachable(ClientError):
    """No answer came; whether the request arrived is unknown unless `sent` is False."""

    def __init__(self, url: str, reason: str, *, sent: bool, lasting: bool = False) -> None:
        """`lasting` is for an address where nobody will ever answer."""
        self.url = without_credentials(url)
        self.reason = reason
        self.sent = sent
        self.lasting = lasting
        super().__init__(
            f"The imaging service at {self.url} does not answer ({reason}). "
            "Start it with `imaging up`, or set IMAGING_API_URL to where it runs."
        )


def without_credentials(url: str) -> str:
    """The address as it may be shown."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()

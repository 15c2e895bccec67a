"""Who asks: what a request's key, or its absence, permits; imports attrs and Starlette."""

from enum import StrEnum

import attrs
from starlette.requests import HTTPConnection

#: Where the edge leaves the caller in a request's scope.
CALLER = "imaging.caller"


class Scope(StrEnum):
    """What a key may do."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


@attrs.frozen(kw_only=True)
class Caller:
    """Somebody who may use the service."""

    #: The id of the key; None while no key exists and everybody may do everything.
    key_id: str | None = None
    scopes: frozenset[Scope] = frozenset(Scope)

    @property
    def owner(self) -> str | None:
        """Whose the caller's new jobs are."""
        return self.key_id

    @property
    def sees(self) -> str | None:
        """Whose jobs the caller may see and change; None for everybody's."""
        return None if Scope.ADMIN in self.scopes else self.key_id


#: Everybody, while the service has no keys.
ANYBODY = Caller()


def caller_of(request: HTTPConnection) -> Caller:
    """Who makes a request."""
    caller = request.scope.get(CALLER, ANYBODY)
    assert isinstance(caller, Caller)  # noqa: S101  # narrows for the type checker; only the edge writes it
    return caller

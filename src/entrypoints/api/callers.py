"""Who asks: what a request's key, or its absence, permits; imports attrs, Starlette and the core's scopes."""

import attrs
from starlette.requests import HTTPConnection

from imaging_core.keys import KeyLimits, Scope

__all__ = ["ANYBODY", "CALLER", "LINK", "STRANGER", "Caller", "Scope", "caller_of"]

#: Where the edge leaves the caller in a request's scope.
CALLER = "imaging.caller"


@attrs.frozen(kw_only=True)
class Caller:
    """Somebody who may use the service."""

    #: The id of the key; None while no key exists and everybody may do everything.
    key_id: str | None = None
    scopes: frozenset[Scope] = frozenset(Scope)
    #: How much the key may.
    limits: KeyLimits = KeyLimits()

    @property
    def owner(self) -> str | None:
        """Whose the caller's new jobs are."""
        return self.key_id

    @property
    def sees(self) -> str | None:
        """Whose jobs the caller may see and change; None for everybody's."""
        return None if self.may(Scope.ADMIN) else self.key_id

    def may(self, scope: Scope) -> bool:
        """Whether the caller may do what needs that scope; an admin may do everything."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


#: Everybody, while the service has no keys.
ANYBODY = Caller()
#: Somebody without a key, where none is needed although there are keys; the owner of nothing.
STRANGER = Caller(key_id="", scopes=frozenset())
#: Whoever holds a signed link, at the one picture that it names, whoever's that is.
LINK = Caller(scopes=frozenset({Scope.READ}))


def caller_of(request: HTTPConnection) -> Caller:
    """Who makes a request."""
    caller = request.scope.get(CALLER, ANYBODY)
    assert isinstance(caller, Caller)  # noqa: S101  # narrows for the type checker; only the edge writes it
    return caller

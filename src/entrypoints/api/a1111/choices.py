"""What each caller has set by POST /sdapi/v1/options: they choose a model once and then just draw; imports Starlette and the callers.

Kept in this process, each key's by itself: another process knows nothing of it, and a new start begins with the defaults. Clients
that need more send `override_settings` with each call.
"""

from collections import OrderedDict
from collections.abc import Mapping

from starlette.requests import Request

from entrypoints.api.callers import caller_of

#: Callers whose choices are remembered; who has not asked for the longest is forgotten.
_MOST_CALLERS = 10_000


class Choices:
    """Options by caller; everybody without a key is one caller."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, dict[str, object]] = OrderedDict()

    def of(self, request: Request) -> Mapping[str, object]:
        """What the caller has set."""
        owner = caller_of(request).owner or ""
        if owner in self._of:
            self._of.move_to_end(owner)
        return self._of.get(owner, {})

    def set(self, request: Request, values: Mapping[str, object]) -> None:
        """Remember these for the caller; the others stay."""
        owner = caller_of(request).owner or ""
        self._of[owner] = {**self._of.get(owner, {}), **values}
        self._of.move_to_end(owner)
        if len(self._of) > _MOST_CALLERS:
            self._of.popitem(last=False)

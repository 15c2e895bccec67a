"""Words for how urgent a job is, and who may use which; imports the API's callers and problems."""

from collections.abc import Mapping
from typing import Literal

from entrypoints.api.callers import Caller, Scope
from entrypoints.api.problems import Problem

Word = Literal["low", "normal", "high"]

#: The core's numbers for them, with room in between for those who embed it.
PRIORITIES: Mapping[Word, int] = {"low": -10, "normal": 0, "high": 10}


def priority_of(word: Word | None, caller: Caller) -> int:
    """The core's number for what the caller asks for. Raises Problem (403) for one that only an admin may ask for."""
    if word == "high" and not caller.may(Scope.ADMIN):
        detail = f"Priority 'high' needs a key with the scope '{Scope.ADMIN}'. Use 'normal', or leave priority out."
        raise Problem("forbidden", 403, detail, extra={"scope": Scope.ADMIN.value})
    return PRIORITIES[word or "normal"]


def word_of(priority: int) -> Word:
    """The word for a job's number, which may be any."""
    if priority == 0:
        return "normal"
    return "high" if priority > 0 else "low"

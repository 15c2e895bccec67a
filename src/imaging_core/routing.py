"""Where a request goes that leaves the choice to the service, and where its job goes on: pure decisions; imports attrs.

A job is moved only while it certainly cost nothing, and to each backend once, so no choice is ever paid for twice.
"""

from collections.abc import Sequence

import attrs

#: What callers name instead of a backend.
AUTO = "auto"


@attrs.frozen(kw_only=True)
class AutoPolicy:
    """What counts in the choice."""

    #: Backends by preference; those that are not set up are left out.
    order: tuple[str, ...] = ("local", "stability")
    #: With more than this to wait before it would begin, the next one is looked at, in s.
    max_wait_s: float = 60.0
    #: Most credits that a job may cost by its list price; None leaves that to the limits of the day.
    max_credits: float | None = None


@attrs.frozen(kw_only=True)
class Option:
    """What is known of one backend in view of one request."""

    backend: str
    #: Why it cannot make the request at all, if so: half a sentence that follows its name.
    objection: str | None = None
    #: Whether that may pass by itself.
    passing: bool = False
    #: Why it cannot begin soon, whatever the wait.
    trouble: str | None = None
    #: List price, in credits.
    credits: float = 0.0
    #: Until it would begin, in s.
    wait_s: float = 0.0


@attrs.frozen(kw_only=True)
class Route:
    """A choice and why it was made."""

    backend: str
    #: What spoke for it, in sentences for a person.
    because: str
    #: Its list price, in credits.
    credits: float = 0.0

    @property
    def reason(self) -> str:
        """The choice of a submit, in sentences."""
        return f"The service chose {self.backend!r}. {self.because}"


@attrs.frozen(kw_only=True)
class NoRoute:
    """No backend can make the request, or none of those it may go to."""

    #: Why not, a sentence for each.
    reason: str
    #: Whether one of them may pass by itself.
    passing: bool = False


def choose(options: Sequence[Option], policy: AutoPolicy) -> Route | NoRoute:
    """The first backend that can make the request and would begin it soon enough; else the one that would begin first."""
    objections = {option.backend: _objection(option, policy) for option in options}
    able = [option for option in options if objections[option.backend] is None]
    if not able:
        reason = " ".join(f"{name!r} {why}." for name, why in objections.items())
        return NoRoute(reason=reason, passing=any(option.passing for option in options))
    delays = {option.backend: _delay(option, policy) for option in able}
    soon = [option for option in able if delays[option.backend] is None]
    chosen = soon[0] if soon else min(able, key=lambda option: (option.trouble is not None, option.wait_s))
    # What comes after the chosen one speaks neither for nor against it, unless it was looked at.
    seen = options[: options.index(chosen)] if soon else [option for option in options if option is not chosen]
    against = [(option.backend, objections[option.backend] or delays.get(option.backend)) for option in seen]
    others = [f"{name!r} {why}" for name, why in against]
    because = f"{'; '.join(others)}." if others else "It is ready, and comes first."
    if chosen.backend in delays and delays[chosen.backend] is not None:
        because += f" It {delays[chosen.backend]}, but no other is known to begin sooner."
    return Route(backend=chosen.backend, because=because, credits=chosen.credits)


def choose_another(here: Option, others: Sequence[Option], policy: AutoPolicy, *, must: bool) -> Route | NoRoute:
    """Where a job goes on that cannot go on `here`, which is the objection to that one.

    To a backend in trouble only if it `must` go: if it would else fail, instead of waiting.
    """
    if not must:
        others = [attrs.evolve(other, objection=other.objection or other.trouble) for other in others]
    return choose([here, *others], policy)


def _objection(option: Option, policy: AutoPolicy) -> str | None:
    if option.objection is not None:
        return option.objection
    if policy.max_credits is not None and option.credits > policy.max_credits:
        return f"would cost {option.credits:g} credits, and at most {policy.max_credits:g} may be spent on such a job"
    return None


def _delay(option: Option, policy: AutoPolicy) -> str | None:
    if option.trouble is not None:
        return option.trouble
    if option.wait_s > policy.max_wait_s:
        return f"would let it wait for about {option.wait_s:.0f} s, more than {policy.max_wait_s:g} s"
    return None

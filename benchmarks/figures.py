"""What was measured: values per subject and run, their median and spread, and the ratio that is asked for; imports attrs."""

import statistics
from collections.abc import Callable

import attrs

#: The subject that ratios are taken against unless a target says otherwise.
BASELINE = "baseline"


@attrs.frozen(kw_only=True)
class Target:
    """What a subject's figure must be, as a ratio to another subject's in the same run, or as a plain number."""

    subject: str
    #: None for a plain number.
    against: str | None
    at_most: float | None = None
    at_least: float | None = None

    def met(self, value: float) -> bool:
        """Whether a ratio or number is within the target."""
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)

    def __str__(self) -> str:
        sign, bound = ("<=", self.at_most) if self.at_most is not None else (">=", self.at_least)
        return f"{self.subject} {sign} {bound:g}{f' x {self.against}' if self.against else ''}"


@attrs.define(kw_only=True)
class Figure:
    """One quantity, measured alternately on every subject."""

    name: str
    unit: str
    targets: tuple[Target, ...] = ()
    #: By subject, a value per run.
    values: dict[str, list[float]] = attrs.field(factory=dict)

    def add(self, subject: str, value: float) -> None:
        """One more run."""
        self.values.setdefault(subject, []).append(value)

    def median(self, subject: str) -> float:
        """The subject's median."""
        return statistics.median(self.values[subject])

    def spread(self, subject: str) -> tuple[float, float]:
        """Least and most."""
        return min(self.values[subject]), max(self.values[subject])

    def reached(self, target: Target) -> float | None:
        """The number a target is about; None when it was not measured. Ratios are taken run by run, then their median."""
        mine = self.values.get(target.subject)
        if not mine:
            return None
        if target.against is None:
            return statistics.median(mine)
        others = self.values.get(target.against)
        if not others:
            return None
        paired = [a / b for a, b in zip(mine, others, strict=False)] if len(mine) == len(others) else None
        return statistics.median(paired) if paired else statistics.median(mine) / statistics.median(others)


def at_most(subject: str, bound: float, against: str | None = BASELINE) -> Target:
    """No more than `bound` times the other's."""
    return Target(subject=subject, against=against, at_most=bound)


def at_least(subject: str, bound: float, against: str | None = BASELINE) -> Target:
    """No less than `bound` times the other's."""
    return Target(subject=subject, against=against, at_least=bound)


def percentile(values: list[float], share: float) -> float:
    """The value below which that share lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


#: Fills the figures of one theme, running everything it needs.
Measure = Callable[[int], list[Figure]]

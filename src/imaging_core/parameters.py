"""One field of a backend's requests: its limits, and how a value is brought into canonical spelling; imports attrs and images."""

import re
import sys
from collections.abc import Mapping
from enum import StrEnum

import attrs

from imaging_core.images import FieldValue, InputImage, Operation, OptionValue

#: Largest number any field may hold.
_LARGEST = sys.float_info.max
#: What no text may hold. A pattern, since prompts are long and a loop over their characters is slow.
_NO_TEXT = re.compile("[\\x00\\ud800-\\udfff]")


class ParameterKind(StrEnum):
    """What values a parameter takes."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"
    CHOICE = "choice"
    CHOICES = "choices"
    IMAGE = "image"


@attrs.frozen(kw_only=True)
class Parameter:
    """One field a backend understands, with its limits: enough to check it and to draw a form for it."""

    name: str
    kind: ParameterKind
    default: OptionValue | None = None
    #: Of an IMAGE, the limits of its sides in px.
    minimum: float | None = None
    maximum: float | None = None
    #: Values must be a multiple of this.
    multiple_of: int | None = None
    #: Legal values of CHOICE and CHOICES.
    choices: tuple[str, ...] = ()
    #: Other spellings and the choice they mean.
    aliases: Mapping[str, str] = attrs.field(factory=dict)
    #: Longest TEXT, in characters.
    max_length: int | None = None
    #: Least and most px of an IMAGE.
    min_pixels: int | None = None
    max_pixels: int | None = None
    #: How many times longer than the other one side of an IMAGE may be.
    max_ratio: float | None = None
    required: bool = False
    #: The checkpoints that take it; empty means all.
    only_for: tuple[str, ...] = ()
    #: The operations that take it; empty means all that the backend can do.
    operations: tuple[Operation, ...] = ()
    #: One short sentence for a form.
    description: str = ""

    def serves(self, operation: Operation) -> bool:
        """Whether it is a field of that operation, by some checkpoint."""
        return not self.operations or operation in self.operations

    def takes_part(self, operation: Operation, checkpoint: str | None) -> bool:
        """Whether it is a field of that operation by that checkpoint."""
        return self.serves(operation) and (not self.only_for or checkpoint in self.only_for)

    def fit(self, value: FieldValue) -> FieldValue:
        """The value in its canonical spelling.

        Raises ValueError with a sentence that says what would be right.
        """
        if self.kind is ParameterKind.IMAGE:
            return self._fit_image(value)
        if isinstance(value, InputImage):
            raise ValueError("must not be a picture.")
        return self._fit_option(value)

    def _fit_option(self, value: OptionValue) -> OptionValue:
        match self.kind:
            case ParameterKind.TEXT:
                return self._fit_text(value)
            case ParameterKind.INTEGER | ParameterKind.NUMBER:
                return self._fit_number(value)
            case ParameterKind.FLAG:
                if not isinstance(value, bool):
                    raise ValueError("must be true or false.")
                return value
            case ParameterKind.CHOICES:
                items = (value,) if isinstance(value, str) else value
                if not isinstance(items, tuple):
                    raise ValueError("must be a list of names.")
                return tuple(self._fit_choice(item) for item in items)
            case _:
                return self._fit_choice(value)

    def _fit_image(self, value: FieldValue) -> InputImage:
        if not isinstance(value, InputImage):
            raise ValueError("must be a picture.")
        shorter, longer = sorted((value.width, value.height))
        has = f"it has {value.width} x {value.height}."
        if (self.minimum is not None and shorter < self.minimum) or (
            self.maximum is not None and longer > self.maximum
        ):
            raise ValueError(f"must have sides {span(self.minimum, self.maximum)} px; {has}")
        pixels = value.width * value.height
        if (self.min_pixels is not None and pixels < self.min_pixels) or (
            self.max_pixels is not None and pixels > self.max_pixels
        ):
            raise ValueError(f"must have {span(self.min_pixels, self.max_pixels)} px in all; {has}")
        if self.max_ratio is not None and longer > shorter * self.max_ratio:
            raise ValueError(f"must have no side longer than {self.max_ratio:g} times the other; {has}")
        return value

    def _fit_text(self, value: OptionValue) -> str:
        if not isinstance(value, str):
            raise ValueError("must be text.")
        if _NO_TEXT.search(value):
            raise ValueError("must not contain NUL or unpaired surrogate characters.")
        if self.required and not value.strip():
            raise ValueError("must not be empty.")
        if self.max_length is not None and len(value) > self.max_length:
            raise ValueError(f"must have at most {self.max_length} characters, not {len(value)}.")
        return value

    def _fit_number(self, value: OptionValue) -> int | float:
        whole = self.kind is ParameterKind.INTEGER
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise ValueError("must be a whole number." if whole else "must be a number.")
        assert isinstance(value, int | float)  # noqa: S101  # narrows for the type checker; checked above
        low, high = self.minimum, self.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            raise ValueError(f"must be {span(low, high)}.")
        # No record can hold NaN or infinity, and no float a whole number of 400 digits.
        if not abs(value) <= _LARGEST:
            raise ValueError("must be a finite number.")
        if self.multiple_of and value % self.multiple_of:
            raise ValueError(f"must be a multiple of {self.multiple_of}.")
        return value if whole else float(value)

    def _fit_choice(self, value: object) -> str:
        if isinstance(value, str):
            if value in self.choices:
                return value
            if value in self.aliases:
                return self.aliases[value]
        shown = ", ".join(self.choices[:40]) + (", ..." if len(self.choices) > 40 else "")
        raise ValueError(f"is not among the choices. There are: {shown or 'none'}.")


def span(low: float | None, high: float | None) -> str:
    """The range as words: "from 1 to 150", "at least 1", "at most 150"."""

    def show(number: float) -> str:
        return str(int(number)) if number == int(number) else str(number)

    if low is None or high is None:
        return f"at least {show(low)}" if low is not None else f"at most {show(high or 0)}"
    return f"from {show(low)} to {show(high)}"

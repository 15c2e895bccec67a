"""What is asked of a backend and what comes back: values only; imports stdlib, attrs and this package's errors."""

import sys
from collections.abc import Mapping
from enum import StrEnum

import attrs

from imaging_core.errors import FieldProblem, InvalidRequest

#: What a backend-specific setting may hold.
OptionValue = str | int | float | bool | tuple[str, ...]

#: Largest number any field may hold.
_LARGEST = sys.float_info.max

#: Largest seed all backends share: Stability takes 0..4294967294.
MAX_SEED = 4_294_967_294


@attrs.frozen(kw_only=True)
class ImageRequest:
    """What to draw, in the field's standard terms; None means "the backend's default"."""

    prompt: str
    negative_prompt: str = ""
    #: The model: a WebUI checkpoint, or a Stability model such as "core" or "sd3.5-large".
    checkpoint: str | None = None
    sampler: str | None = None
    scheduler: str | None = None
    steps: int | None = None
    cfg_scale: float | None = None
    #: Size in px.
    width: int | None = None
    height: int | None = None
    #: None until submit, which draws one; picture k of the job is made with seed + k.
    seed: int | None = None
    #: How many pictures.
    count: int = 1
    #: How many of them the backend makes side by side in one call.
    batch_size: int = 1
    #: Settings only some backends have (aspect_ratio, clip_skip, ...), by the name their `Capabilities` give.
    options: Mapping[str, OptionValue] = attrs.field(factory=dict)

    def value(self, name: str) -> OptionValue | None:
        """The value of a canonical field or option, None when it was left to the backend."""
        if name in CANONICAL:
            value: OptionValue | None = getattr(self, name)
            return value
        return self.options.get(name)

    def with_values(self, values: Mapping[str, OptionValue | None]) -> "ImageRequest":
        """A copy with these fields and options set."""
        fields = {k: v for k, v in values.items() if k in CANONICAL}
        options = {k: v for k, v in values.items() if k not in CANONICAL and v is not None}
        return attrs.evolve(self, **fields, options={**self.options, **options})  # type: ignore[arg-type]


#: Field names of `ImageRequest` that every backend shares.
CANONICAL = frozenset(a.name for a in attrs.fields(ImageRequest)) - {"options"}


@attrs.frozen(kw_only=True)
class GeneratedImage:
    """One picture as a backend gave it."""

    #: The encoded file.
    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    #: image/png, image/jpeg or image/webp, from the bytes themselves.
    media_type: str
    #: Size in px.
    width: int
    height: int
    #: The seed really used.
    seed: int
    #: The provider blurred it: an outcome of its own, never delivered as a good picture.
    filtered: bool = False


@attrs.frozen(kw_only=True)
class Generated:
    """What one backend call gave."""

    images: tuple[GeneratedImage, ...]
    #: What the call cost; 0 for backends that cost nothing.
    credits: float = 0.0


@attrs.frozen(kw_only=True)
class ImageRef:
    """Where a stored picture is and what it must be: enough to check it without opening it."""

    #: Position within the job, from 0.
    index: int
    #: Opaque; only the store that gave it can read it.
    key: str
    media_type: str
    #: Length of the file in bytes.
    size: int
    sha256: str
    #: Size in px.
    width: int
    height: int
    seed: int


@attrs.frozen(kw_only=True)
class StoredCall:
    """What the store holds of one backend call: written last, so its presence means all its pictures are whole."""

    #: Which of the job's calls, from 0.
    call: int
    images: tuple[ImageRef, ...]
    #: How many pictures of the call the provider filtered.
    filtered: int = 0
    credits: float = 0.0


class ParameterKind(StrEnum):
    """What values a parameter takes."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"
    CHOICE = "choice"
    CHOICES = "choices"


@attrs.frozen(kw_only=True)
class Parameter:
    """One field a backend understands, with its limits: enough to check it and to draw a form for it."""

    name: str
    kind: ParameterKind
    default: OptionValue | None = None
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
    required: bool = False
    #: The checkpoints that take it; empty means all.
    only_for: tuple[str, ...] = ()
    #: One short sentence for a form.
    description: str = ""

    def fit(self, value: OptionValue) -> OptionValue:
        """The value in its canonical spelling.

        Raises ValueError with a sentence that says what would be right.
        """
        match self.kind:
            case ParameterKind.TEXT:
                return self._fit_text(value)
            case ParameterKind.INTEGER | ParameterKind.NUMBER:
                return self._fit_number(value)
            case ParameterKind.FLAG:
                if not isinstance(value, bool):
                    raise ValueError("must be true or false.")
                return value
            case ParameterKind.CHOICE:
                return self._fit_choice(value)
            case ParameterKind.CHOICES:
                items = (value,) if isinstance(value, str) else value
                if not isinstance(items, tuple):
                    raise ValueError("must be a list of names.")
                return tuple(self._fit_choice(item) for item in items)

    def _fit_text(self, value: OptionValue) -> str:
        if not isinstance(value, str):
            raise ValueError("must be text.")
        if "\x00" in value or any("\ud800" <= c <= "\udfff" for c in value):
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
            raise ValueError(f"must be {_span(low, high)}.")
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


def _span(low: float | None, high: float | None) -> str:
    def show(number: float) -> str:
        return str(int(number)) if number == int(number) else str(number)

    if low is None or high is None:
        return f"at least {show(low)}" if low is not None else f"at most {show(high or 0)}"
    return f"from {show(low)} to {show(high)}"


@attrs.frozen(kw_only=True)
class Capabilities:
    """What one backend can do now, enough to check a request, to price it and to draw a form."""

    backend: str
    #: For people: "Stability AI".
    title: str
    parameters: tuple[Parameter, ...]
    #: Most pictures one call can make.
    images_per_call: int = 1
    #: Most px in one picture, None for no limit beyond the sides'.
    max_pixels: int | None = None
    #: Whether calls cost money; such calls are never repeated lightly.
    paid: bool = False
    #: Credits per call, by checkpoint; "" is the price of any other.
    credits: Mapping[str, float] = attrs.field(factory=dict)
    #: A sentence people should see with every picture ("Not AI: ..."), if any.
    notice: str | None = None

    def parameter(self, name: str, checkpoint: str | None = None) -> Parameter | None:
        """The parameter of that name which applies to that checkpoint, None when there is none."""
        for parameter in self.parameters:
            if parameter.name == name and (not parameter.only_for or checkpoint in parameter.only_for):
                return parameter
        return None

    def price(self, request: ImageRequest) -> float:
        """List price of the whole request, in credits."""
        per_call = self.credits.get(request.checkpoint or "", self.credits.get("", 0.0))
        return per_call * len(plan_calls(request))

    def fit(self, request: ImageRequest) -> ImageRequest:
        """The request in canonical spelling, with this backend's defaults filled in.

        Raises InvalidRequest that names every field which is wrong and what would be right.
        """
        problems: list[FieldProblem] = []
        fitted: dict[str, OptionValue | None] = {}
        checkpoint = self._fit_one("checkpoint", request, None, fitted, problems)
        model = checkpoint if isinstance(checkpoint, str) else None
        names = dict.fromkeys([*(p.name for p in self.parameters), *sorted(CANONICAL), *request.options])
        for name in names:
            if name not in ("checkpoint", "count", "batch_size"):
                self._fit_one(name, request, model, fitted, problems)
        self._fit_counts(request, fitted, problems)
        if not problems:
            self._check_area(fitted, problems)
        if problems:
            raise InvalidRequest(problems)
        return request.with_values(fitted)

    def _fit_one(
        self,
        name: str,
        request: ImageRequest,
        checkpoint: str | None,
        fitted: dict[str, OptionValue | None],
        problems: list[FieldProblem],
    ) -> OptionValue | None:
        value = request.value(name)
        parameter = self.parameter(name, checkpoint)
        absent = value is None or (value == "" and not (parameter and parameter.required))
        if parameter is None:
            # The seed is part of every job, whether or not the backend takes one.
            if not absent and name != "seed":
                problems.append(FieldProblem(field=name, message=self._refusal(name, checkpoint)))
            return None
        if absent:
            if parameter.required:
                problems.append(FieldProblem(field=name, message="is required."))
            elif parameter.default is not None:
                fitted[name] = parameter.default
            return parameter.default
        assert value is not None  # noqa: S101  # narrows for the type checker; absent covers None
        try:
            fitted[name] = parameter.fit(value)
        except ValueError as error:
            problems.append(FieldProblem(field=name, message=str(error)))
            return None
        return fitted[name]

    def _refusal(self, name: str, checkpoint: str | None) -> str:
        takers = [c for p in self.parameters if p.name == name for c in p.only_for]
        if takers:
            return f"is not taken by model {checkpoint!r}. These take it: {', '.join(takers)}."
        return f"is not a setting of backend {self.backend!r}."

    def _fit_counts(
        self, request: ImageRequest, fitted: dict[str, OptionValue | None], problems: list[FieldProblem]
    ) -> None:
        most = self.parameter("count")
        limits = {"count": int(most.maximum or 1) if most else 1, "batch_size": self.images_per_call}
        for name, limit in limits.items():
            value = getattr(request, name)
            if not 1 <= value <= limit:
                problems.append(FieldProblem(field=name, message=f"must be {_span(1, limit)}."))
            fitted[name] = value

    def _check_area(self, fitted: Mapping[str, OptionValue | None], problems: list[FieldProblem]) -> None:
        width, height = fitted.get("width"), fitted.get("height")
        if self.max_pixels and isinstance(width, int) and isinstance(height, int) and width * height > self.max_pixels:
            message = f"width x height must be at most {self.max_pixels} px, not {width * height}."
            problems.append(FieldProblem(field="width", message=message))


@attrs.frozen(kw_only=True)
class PlannedCall:
    """One backend call of a job, as planned from its count and batch size."""

    #: Which of the job's calls, from 0.
    index: int
    #: Position within the job of its first picture.
    first_image: int
    #: How many pictures it makes.
    images: int


def plan_calls(request: ImageRequest) -> tuple[PlannedCall, ...]:
    """The backend calls a request needs, in order: `batch_size` pictures each, the last one what is left."""
    starts = range(0, request.count, request.batch_size)
    return tuple(
        PlannedCall(index=i, first_image=start, images=min(request.batch_size, request.count - start))
        for i, start in enumerate(starts)
    )

"""What one backend can do: enough to check a request, to price it and to draw a form; imports attrs and this package's values."""

from collections.abc import Mapping

import attrs

from imaging_core.errors import FieldProblem, InvalidRequest
from imaging_core.images import CANONICAL, FieldValue, ImageRequest, InputImage, Operation, plan_calls
from imaging_core.parameters import Parameter, span
from imaging_core.sizes import SIZE, size_options

#: Checked by rules of their own, not as one parameter among others.
_APART = frozenset({"operation", "checkpoint", "count", "batch_size"})
_SHARED = tuple(sorted(CANONICAL))

#: What is done, and what a backend does to it, in sentences.
_VERBS = {
    Operation.GENERATE: "draw from a prompt",
    Operation.EDIT: "edit pictures",
    Operation.UPSCALE: "enlarge pictures",
}
_DEEDS = {Operation.GENERATE: "drawing from a prompt", Operation.EDIT: "edits", Operation.UPSCALE: "enlarging"}


def _checked_in(capabilities: "Capabilities") -> tuple[str, ...]:
    names = dict.fromkeys([*(parameter.name for parameter in capabilities.parameters), *_SHARED])
    return tuple(name for name in names if name not in _APART)


@attrs.frozen(kw_only=True)
class Capabilities:
    """What one backend can do now, enough to check a request, to price it and to draw a form."""

    backend: str
    #: For people: "Stability AI".
    title: str
    parameters: tuple[Parameter, ...]
    #: What it can do at all; each takes the parameters that name it, or name no operation.
    operations: tuple[Operation, ...] = (Operation.GENERATE,)
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
    #: The names that are checked one by one, in this order, but for options that no parameter has.
    _checked: tuple[str, ...] = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(_checked_in, takes_self=True)
    )
    #: What applies, by operation and checkpoint, as far as it was asked for: looking through all takes as long as a submit.
    _forms: dict[tuple[Operation, str | None], Mapping[str, Parameter]] = attrs.field(
        init=False, eq=False, repr=False, factory=dict
    )

    def parameter(
        self, name: str, checkpoint: str | None = None, operation: Operation = Operation.GENERATE
    ) -> Parameter | None:
        """The parameter of that name which applies to that checkpoint and operation, None when there is none."""
        return self.form(checkpoint, operation).get(name)

    def applicable(
        self, checkpoint: str | None = None, operation: Operation = Operation.GENERATE
    ) -> tuple[Parameter, ...]:
        """The parameters that this checkpoint takes for that operation, each name once."""
        return tuple(self.form(checkpoint, operation).values())

    def form(self, checkpoint: str | None, operation: Operation) -> Mapping[str, Parameter]:
        """The same by name."""
        found = self._forms.get((operation, checkpoint))
        if found is not None:
            return found
        # Callers may name any checkpoint, and those that no parameter names are all alike.
        told = checkpoint if any(checkpoint in parameter.only_for for parameter in self.parameters) else None
        if (operation, told) not in self._forms:
            applying = (parameter for parameter in self.parameters if parameter.takes_part(operation, told))
            # Of several of one name the first counts.
            form: dict[str, Parameter] = {}
            for parameter in applying:
                form.setdefault(parameter.name, parameter)
            self._forms[operation, told] = form
        return self._forms[operation, told]

    def price(self, request: ImageRequest) -> float:
        """List price of the whole request, in credits."""
        per_call = self.credits.get(request.checkpoint or "", self.credits.get("", 0.0))
        return per_call * len(plan_calls(request))

    def fit(self, request: ImageRequest) -> ImageRequest:
        """The request in canonical spelling, with this backend's defaults filled in.

        An option `size` (WIDTHxHEIGHT), for requests that may go to any backend, becomes the nearest that this one can make.
        Raises InvalidRequest that names every field which is wrong and what would be right.
        """
        if request.operation not in self.operations:
            raise InvalidRequest([FieldProblem(field="backend", message=cannot(self.backend, request.operation))])
        return _Fitting(self, request).fitted()


def cannot(backend: str, operation: Operation, others: tuple[str, ...] = ()) -> str:
    """The sentence for a backend that does not do that; `others` are those that do."""
    able = f" These can: {', '.join(others)}." if others else ""
    return f"Backend {backend!r} cannot {_VERBS[operation]}.{able}"


class _Fitting:
    """One request on its way into canonical spelling."""

    def __init__(self, capabilities: Capabilities, request: ImageRequest) -> None:
        self._able = capabilities
        self._request = request
        self._operation = request.operation
        self._problems: list[FieldProblem] = []
        self._values: dict[str, FieldValue | None] = {}
        self._checkpoint: str | None = None
        self._form = capabilities.form(None, request.operation)

    def fitted(self) -> ImageRequest:
        """Raises InvalidRequest that names every field which is wrong."""
        self._fit_checkpoint()
        self._form = self._able.form(self._checkpoint, self._operation)
        self._fit_size()
        self._follow_the_picture()
        checked = self._able._checked
        for name in (*checked, *(name for name in self._request.options if name not in checked and name not in _APART)):
            self._fit(name)
        self._fit_counts()
        if not self._problems:
            self._check_area()
            self._check_mask()
        if self._problems:
            raise InvalidRequest(self._problems)
        return self._request.with_values(self._values)

    def _parameter(self, name: str) -> Parameter | None:
        return self._form.get(name)

    def _wrong(self, field: str, message: str) -> None:
        self._problems.append(FieldProblem(field=field, message=message))

    def _fit_checkpoint(self) -> None:
        parameter = self._able.parameter("checkpoint", None, self._operation)
        asked = self._request.checkpoint
        if parameter is not None and asked and self._elsewhere(asked):
            known = ", ".join(parameter.choices)
            self._wrong("checkpoint", f"{asked!r} does not {_VERBS[self._operation]}. These do: {known}.")
            return
        if parameter is not None and not asked and not parameter.required:
            self._values["checkpoint"] = self._best_checkpoint(parameter)
        else:
            self._fit("checkpoint")
        fitted = self._values.get("checkpoint")
        self._checkpoint = fitted if isinstance(fitted, str) else None

    def _best_checkpoint(self, parameter: Parameter) -> str | None:
        """The default, or the first that takes the request's mask where the default takes none."""
        default = parameter.default if isinstance(parameter.default, str) else None
        if self._request.mask is not None and self._able.parameter("mask", default, self._operation) is None:
            masks = (p for p in self._able.parameters if p.name == "mask" and p.serves(self._operation))
            return next((checkpoint for p in masks for checkpoint in p.only_for), default)
        return default

    def _elsewhere(self, checkpoint: str) -> bool:
        """Whether only other operations know that checkpoint."""
        models = [p for p in self._able.parameters if p.name == "checkpoint"]
        knowing = [p for p in models if checkpoint in p.choices or checkpoint in p.aliases]
        return bool(knowing) and not any(p.takes_part(self._operation, None) for p in knowing)

    def _fit(self, name: str) -> None:
        value, parameter = self._request.value(name), self._form.get(name)
        absent = value is None or (value == "" and not (parameter and parameter.required))
        if parameter is None:
            # The seed is part of every job, whether or not the backend takes one.
            if not absent and name != "seed":
                self._wrong(name, self._refusal(name))
        elif absent or value is None:
            if parameter.required:
                self._wrong(name, "is required.")
            elif parameter.default is not None:
                self._values[name] = parameter.default
        else:
            try:
                self._values[name] = parameter.fit(value)
            except ValueError as error:
                self._wrong(name, str(error))

    def _refusal(self, name: str) -> str:
        named = [p for p in self._able.parameters if p.name == name]
        takers = [c for p in named if p.serves(self._operation) for c in p.only_for]
        if takers:
            return f"is not taken by model {self._checkpoint!r}. These take it: {', '.join(takers)}."
        if named:
            return f"is not a setting of backend {self._able.backend!r} for {_DEEDS[self._operation]}."
        return f"is not a setting of backend {self._able.backend!r}."

    def _fit_size(self) -> None:
        size = self._request.options.get(SIZE)
        if size is None or self._parameter(SIZE) is not None:
            return
        others = {name: value for name, value in self._request.options.items() if name != SIZE}
        self._request = attrs.evolve(self._request, options=others)
        if any(self._request.value(name) is not None for name in ("width", "height", "aspect_ratio")):
            self._wrong(SIZE, "must not stand beside width, height or aspect_ratio, which say the same.")
            return
        try:
            nearest = size_options(str(size), self._able, self._checkpoint, self._operation)
        except InvalidRequest as error:
            self._problems += error.problems
        else:
            self._request = self._request.with_values(nearest)

    def _follow_the_picture(self) -> None:
        """An edit that says nothing of its size is as large as its picture, as nearly as the backend can."""
        request, picture = self._request, self._request.init_image
        said = (request.width, request.height) != (None, None)
        if self._operation is not Operation.EDIT or said or not isinstance(picture, InputImage):
            return
        width, height = self._parameter("width"), self._parameter("height")
        if width is None or height is None:
            return
        share = min(
            1.0,
            (width.maximum or picture.width) / picture.width,
            (height.maximum or picture.height) / picture.height,
            ((self._able.max_pixels or picture.width * picture.height) / (picture.width * picture.height)) ** 0.5,
        )
        self._request = attrs.evolve(
            request, width=_side(picture.width * share, width), height=_side(picture.height * share, height)
        )

    def _fit_counts(self) -> None:
        most = self._parameter("count")
        limits = {"count": int(most.maximum or 1) if most else 1, "batch_size": self._able.images_per_call}
        for name, limit in limits.items():
            value = getattr(self._request, name)
            if not 1 <= value <= limit:
                self._wrong(name, f"must be {span(1, limit)}.")
            self._values[name] = value

    def _check_area(self) -> None:
        width, height, most = self._values.get("width"), self._values.get("height"), self._able.max_pixels
        if most and isinstance(width, int) and isinstance(height, int) and width * height > most:
            self._wrong("width", f"width x height must be at most {most} px, not {width * height}.")
        picture, scale = self._values.get("init_image"), self._values.get("scale")
        if most and isinstance(picture, InputImage) and isinstance(scale, int | float):
            largest = (most / (picture.width * picture.height)) ** 0.5
            if scale > largest:
                has = f"{picture.width} x {picture.height} px"
                self._wrong(
                    "scale", f"must be at most {largest:.2f} for a picture of {has}: the result has up to {most} px."
                )

    def _check_mask(self) -> None:
        picture, mask = self._values.get("init_image"), self._values.get("mask")
        if isinstance(picture, InputImage) and isinstance(mask, InputImage):
            size, its = (picture.width, picture.height), (mask.width, mask.height)
            if size != its:
                self._wrong(
                    "mask", f"must be as large as the picture, {size[0]} x {size[1]} px, not {its[0]} x {its[1]}."
                )


def _side(length: float, parameter: Parameter) -> int:
    """That length in px, or the next smaller one that the parameter takes."""
    step = parameter.multiple_of or 1
    low, high = int(parameter.minimum or 1), int(min(length, parameter.maximum or length))
    return max(-(-low // step), high // step) * step

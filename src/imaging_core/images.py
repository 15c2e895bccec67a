"""What is asked of a backend and what comes back: values only; imports stdlib and attrs."""

from collections.abc import Callable, Mapping
from enum import StrEnum

import attrs

#: What a backend-specific setting may hold.
OptionValue = str | int | float | bool | tuple[str, ...]

#: Largest seed all backends share: Stability takes 0..4294967294.
MAX_SEED = 4_294_967_294


class Operation(StrEnum):
    """What is done to get a picture."""

    #: Draw it from the prompt alone.
    GENERATE = "generate"
    #: Draw it over another one: image-to-image, and with a mask inpainting.
    EDIT = "edit"
    #: Make another one larger.
    UPSCALE = "upscale"


@attrs.frozen(kw_only=True)
class InputImage:
    """A picture that a request begins with: what it is and where its bytes are, never the bytes."""

    #: Opaque; only the store that gave it can read it. Empty until the picture is stored.
    key: str = ""
    #: image/png, image/jpeg or image/webp.
    media_type: str
    #: Length of the file in bytes.
    size: int
    sha256: str
    #: Size in px.
    width: int
    height: int


#: What a field of a request may hold.
FieldValue = OptionValue | InputImage


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
    operation: Operation = Operation.GENERATE
    #: The picture to edit or to enlarge.
    init_image: InputImage | None = None
    #: Of an edit, as large as its picture: what is white is painted anew, what is black is kept.
    mask: InputImage | None = None
    #: How much an edit may change, 0..1: 0 keeps the picture, 1 hardly looks at it (A1111: denoising_strength).
    strength: float | None = None
    #: Settings only some backends have (aspect_ratio, clip_skip, ...), by the name their `Capabilities` give.
    options: Mapping[str, OptionValue] = attrs.field(factory=dict)

    def value(self, name: str) -> FieldValue | None:
        """The value of a canonical field or option, None when it was left to the backend."""
        if name in CANONICAL:
            value: FieldValue | None = getattr(self, name)
            return value
        return self.options.get(name)

    def with_values(self, values: Mapping[str, FieldValue | None]) -> "ImageRequest":
        """A copy with these fields and options set."""
        fields, options = _sorted(values)
        return attrs.evolve(self, **fields, options={**self.options, **options})  # type: ignore[arg-type]


def request_of_values(values: Mapping[str, FieldValue | None]) -> ImageRequest:
    """A request of these fields and options, and of an empty prompt unless there is one among them."""
    fields, options = _sorted(values)
    return ImageRequest(**{"prompt": "", **fields}, options=options)  # type: ignore[arg-type]


def _sorted(values: Mapping[str, FieldValue | None]) -> tuple[dict[str, FieldValue | None], dict[str, OptionValue]]:
    fields = {k: v for k, v in values.items() if k in CANONICAL}
    options: dict[str, OptionValue] = {
        k: v for k, v in values.items() if k not in CANONICAL and v is not None and not isinstance(v, InputImage)
    }
    return fields, options


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
    #: Looks at what was not looked at yet, every pixel; None when nothing is left. Blocks, and raises a GenerationError.
    proof: Callable[[], None] | None = attrs.field(default=None, eq=False)


@attrs.frozen(kw_only=True)
class ImageRef:
    """Where a stored picture is and what it must be: enough to check it without opening it."""

    #: Position within the job, from 0: of an ended one among the pictures that it has, before among those it asked for.
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

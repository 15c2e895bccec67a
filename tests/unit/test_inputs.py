"""The pictures that jobs begin with: stored before the job, gone with it, read right before the call."""

import attrs
import pytest

from contracts.samples import NOON, a_job, a_request, png
from imaging_core.capabilities import Capabilities
from imaging_core.errors import (
    FailureCode,
    IdempotencyMismatch,
    ImageNotAvailable,
    InvalidRequest,
    QueueFull,
    StorageFull,
    Unavailable,
    UnreadableJob,
)
from imaging_core.images import ImageRequest, InputImage, Operation
from imaging_core.jobs import CallState, Job, JobStatus
from imaging_core.parameters import Parameter, ParameterKind
from imaging_core.ports import QueueLimits
from imaging_core.records import job_from_record, job_to_record
from scripted import ScriptedGenerator, World, away
from virtual_time import in_virtual_time

PICTURE, OTHER, MASK = png(64, 48), png(64, 48, shade=3), png(64, 48, shade=255)

BOTH = (Operation.GENERATE, Operation.EDIT)
PARAMETERS = (
    Parameter(name="prompt", kind=ParameterKind.TEXT, required=True),
    Parameter(name="init_image", kind=ParameterKind.IMAGE, required=True, operations=(Operation.EDIT,), maximum=100),
    Parameter(name="mask", kind=ParameterKind.IMAGE, operations=(Operation.EDIT,)),
    Parameter(name="strength", kind=ParameterKind.NUMBER, default=0.75, minimum=0, maximum=1, operations=BOTH[1:]),
)


class Editor(ScriptedGenerator):
    """A scripted generator that edits too."""

    def __init__(self, backend: str = "alpha", **kwargs: float) -> None:
        super().__init__(backend, **kwargs)  # type: ignore[arg-type]
        self.can = attrs.evolve(self.can, parameters=PARAMETERS, operations=BOTH)


EDIT = ImageRequest(prompt="a lighthouse", operation=Operation.EDIT)


async def an_edit(world: World, **more: object) -> Job:
    """Queue an edit."""
    return await world.service.submit(EDIT, backend="alpha", init_image=PICTURE, mask=MASK, **more)  # type: ignore[arg-type]


def stored_inputs(world: World) -> int:
    """How many pictures that jobs begin with are stored."""
    return sum(map(len, world.store._inputs.values()))


@in_virtual_time
async def test_the_generator_gets_the_very_bytes_and_the_job_knows_what_they_are() -> None:
    editor = Editor()
    world = World(editor)

    job = await an_edit(world)
    done = await world.run_to_end(job)

    assert done.status is JobStatus.FINISHED
    (call,) = editor.calls
    assert (call.init_image, call.mask) == (PICTURE, MASK)
    assert "PNG" not in repr(call)
    picture = job.request.init_image
    assert picture is not None
    assert (picture.width, picture.height, picture.media_type, picture.size) == (64, 48, "image/png", len(PICTURE))
    assert job.request.strength == 0.75
    assert await world.jobs.get(job.id) == done


@in_virtual_time
async def test_a_retry_begins_with_the_same_pictures_whatever_becomes_of_the_first_job() -> None:
    world = World(Editor())
    first = await an_edit(world)
    await world.service.cancel(first.id)

    second = await world.service.retry(first.id)
    await world.service.delete(first.id)
    done = await world.run_to_end(second)

    assert done.status is JobStatus.FINISHED
    assert second.request.init_image != first.request.init_image, "the copy has a key of its own"
    editor = world.generators["alpha"]
    assert isinstance(editor, Editor)
    assert editor.calls[-1].init_image == PICTURE


@in_virtual_time
async def test_a_retry_of_a_job_whose_picture_is_gone_says_so() -> None:
    world = World(Editor())
    first = await an_edit(world)
    await world.service.cancel(first.id)
    await world.store.delete(first.id)

    with pytest.raises(ImageNotAvailable):
        await world.service.retry(first.id)


@in_virtual_time
async def test_deleting_a_job_removes_its_pictures() -> None:
    world = World(Editor())
    job = await world.run_to_end(await an_edit(world))

    await world.service.delete(job.id)

    assert stored_inputs(world) == 0


@in_virtual_time
async def test_the_key_of_a_submit_covers_what_its_picture_shows() -> None:
    world = World(Editor())
    first = await an_edit(world, idempotency_key="k")

    again = await an_edit(world, idempotency_key="k")

    assert again.id == first.id
    assert stored_inputs(world) == 2, "the second submit's copies are gone again"
    with pytest.raises(IdempotencyMismatch):
        await world.service.submit(EDIT, backend="alpha", init_image=OTHER, mask=MASK, idempotency_key="k")
    assert stored_inputs(world) == 2


@in_virtual_time
async def test_a_job_that_was_not_taken_leaves_no_pictures() -> None:
    world = World(Editor(), queue_limits=QueueLimits(max_queued=1))
    await an_edit(world)

    with pytest.raises(QueueFull):
        await an_edit(world)

    assert stored_inputs(world) == 2


@in_virtual_time
async def test_pictures_stay_when_nobody_knows_whether_the_job_was_added() -> None:
    world = World(Editor())
    away(world.jobs, "add")

    with pytest.raises(Unavailable):
        await an_edit(world)

    assert stored_inputs(world) == 2


@in_virtual_time
async def test_without_room_for_the_pictures_there_is_no_job() -> None:
    world = World(Editor(), max_bytes=10)

    with pytest.raises(StorageFull):
        await an_edit(world)

    assert not (await world.jobs.state("alpha")).claimable


@in_virtual_time
async def test_a_picture_that_is_gone_or_damaged_fails_the_job_before_any_call() -> None:
    for damaged in (False, True):
        editor = Editor(credits=5)
        world = World(editor)
        job = await an_edit(world)
        picture = job.request.init_image
        assert picture is not None
        if damaged:
            world.store._pictures[picture.key] = bytes(picture.size)
        else:
            await world.store.delete(job.id)

        done = await world.run_to_end(job)

        assert done.failure is not None
        assert done.failure.code is FailureCode.INTERNAL
        assert "begins with" in done.failure.message
        assert not done.failure.retryable
        assert not editor.calls
        assert done.credits == 0


@in_virtual_time
async def test_a_store_that_is_away_parks_the_job_and_costs_nothing() -> None:
    editor = Editor(credits=5)
    world = World(editor)
    job = await an_edit(world)
    away(world.store, "open_input", for_s=130)

    done = await world.run_to_end(job)

    assert done.status is JobStatus.FINISHED
    assert len(editor.calls) == 1
    assert CallState.IN_DOUBT not in {call.state for call in done.calls}


@in_virtual_time
async def test_bytes_that_are_no_picture_are_refused_by_the_name_of_their_field() -> None:
    world = World(Editor())

    with pytest.raises(InvalidRequest, match="mask: must be a PNG") as refused:
        await world.service.submit(EDIT, backend="alpha", init_image=PICTURE, mask=b"GIF89a")

    assert [p.field for p in refused.value.problems] == ["mask"]
    assert stored_inputs(world) == 0


@in_virtual_time
async def test_a_backend_that_cannot_says_which_can() -> None:
    world = World(ScriptedGenerator("alpha"), Editor("beta"), Editor("gamma"))

    with pytest.raises(InvalidRequest, match=r"'alpha' cannot edit pictures\. These can: beta, gamma\."):
        await an_edit(world)


@in_virtual_time
async def test_an_edit_without_a_picture_and_a_picture_without_an_edit_are_refused() -> None:
    world = World(Editor())

    with pytest.raises(InvalidRequest, match="init_image: is required"):
        await world.service.submit(EDIT, backend="alpha")
    with pytest.raises(InvalidRequest, match="init_image: is not a setting of backend 'alpha' for drawing"):
        await world.service.submit(ImageRequest(prompt="a"), backend="alpha", init_image=PICTURE)


# --- what backends can do with pictures ------------------------------------------------------------------

_MODELS = Capabilities(
    backend="alpha",
    title="Alpha",
    operations=(Operation.GENERATE, Operation.EDIT, Operation.UPSCALE),
    parameters=(
        Parameter(name="prompt", kind=ParameterKind.TEXT, required=True, operations=BOTH),
        Parameter(name="checkpoint", kind=ParameterKind.CHOICE, choices=("draw",), default="draw", operations=BOTH[:1]),
        Parameter(
            name="checkpoint", kind=ParameterKind.CHOICE, choices=("mix", "patch"), default="mix", operations=BOTH[1:]
        ),
        Parameter(
            name="checkpoint",
            kind=ParameterKind.CHOICE,
            choices=("grow",),
            default="grow",
            operations=(Operation.UPSCALE,),
        ),
        Parameter(
            name="init_image",
            kind=ParameterKind.IMAGE,
            required=True,
            operations=(Operation.EDIT, Operation.UPSCALE),
            minimum=32,
            maximum=1000,
            min_pixels=2048,
            max_pixels=500_000,
            max_ratio=2.5,
        ),
        Parameter(name="mask", kind=ParameterKind.IMAGE, operations=BOTH[1:], only_for=("patch",)),
        Parameter(name="strength", kind=ParameterKind.NUMBER, default=0.5, operations=BOTH[1:], only_for=("mix",)),
        Parameter(name="width", kind=ParameterKind.INTEGER, default=512, minimum=64, maximum=400, multiple_of=8,
                  operations=BOTH),
        Parameter(name="height", kind=ParameterKind.INTEGER, default=512, minimum=64, maximum=400, multiple_of=8,
                  operations=BOTH),
        Parameter(name="count", kind=ParameterKind.INTEGER, default=1, maximum=4, operations=BOTH),
    ),
    credits={"draw": 1, "mix": 2, "patch": 3, "grow": 4},
)  # fmt: skip


def a_picture(width: int = 200, height: int = 120) -> InputImage:
    """A picture of that size in px."""
    return InputImage(media_type="image/png", size=9, sha256="0" * 64, width=width, height=height)


def refused(request: ImageRequest) -> dict[str, str]:
    """What is wrong with it, by field."""
    with pytest.raises(InvalidRequest) as error:
        _MODELS.fit(request)
    return {problem.field: problem.message for problem in error.value.problems}


def test_each_operation_has_models_of_its_own_with_their_prices() -> None:
    edit = attrs.evolve(EDIT, init_image=a_picture())

    drawn = _MODELS.fit(ImageRequest(prompt="a"))
    mixed = _MODELS.fit(edit)
    patched = _MODELS.fit(attrs.evolve(edit, mask=a_picture()))
    grown = _MODELS.fit(ImageRequest(prompt="", operation=Operation.UPSCALE, init_image=a_picture()))

    assert [r.checkpoint for r in (drawn, mixed, patched, grown)] == ["draw", "mix", "patch", "grow"]
    assert [_MODELS.price(r) for r in (drawn, mixed, patched, grown)] == [1, 2, 3, 4]
    assert (drawn.strength, mixed.strength, patched.strength) == (None, 0.5, None)
    assert (grown.width, grown.height) == (None, None)


def test_a_model_of_another_operation_is_refused_with_those_of_this_one() -> None:
    wrong = refused(attrs.evolve(EDIT, init_image=a_picture(), checkpoint="draw"))

    assert wrong == {"checkpoint": "'draw' does not edit pictures. These do: mix, patch."}


def test_a_setting_of_another_model_or_operation_says_whose_it_is() -> None:
    masked = attrs.evolve(EDIT, init_image=a_picture(), mask=a_picture(), checkpoint="mix")

    assert refused(masked) == {"mask": "is not taken by model 'mix'. These take it: patch."}
    assert refused(ImageRequest(prompt="a", strength=0.5)) == {
        "strength": "is not a setting of backend 'alpha' for drawing from a prompt."
    }
    assert refused(ImageRequest(prompt="a", operation=Operation.UPSCALE, init_image=a_picture(), count=2)) == {
        "prompt": "is not a setting of backend 'alpha' for enlarging.", "count": "must be from 1 to 1.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("size", "expected"),
    [((200, 120), (200, 120)), ((203, 127), (200, 120)), ((800, 600), (400, 296)), ((70, 40), (64, 64))],
)
def test_an_edit_is_as_large_as_its_picture_as_nearly_as_can_be(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    fitted = _MODELS.fit(attrs.evolve(EDIT, init_image=a_picture(*size)))

    assert (fitted.width, fitted.height) == expected
    assert _MODELS.fit(attrs.evolve(EDIT, init_image=a_picture(*size), width=64)).height == 512


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ((31, 100), "must have sides from 32 to 1000 px; it has 31 x 100."),
        ((1001, 500), "must have sides from 32 to 1000 px; it has 1001 x 500."),
        ((40, 40), "must have from 2048 to 500000 px in all; it has 40 x 40."),
        ((900, 800), "must have from 2048 to 500000 px in all; it has 900 x 800."),
        ((300, 100), "must have no side longer than 2.5 times the other; it has 300 x 100."),
    ],
)
def test_a_picture_outside_a_models_limits_is_told_them(size: tuple[int, int], sentence: str) -> None:
    assert refused(attrs.evolve(EDIT, init_image=a_picture(*size))) == {"init_image": sentence}


def test_a_mask_must_be_as_large_as_the_picture() -> None:
    wrong = refused(attrs.evolve(EDIT, init_image=a_picture(), mask=a_picture(120, 200)))

    assert wrong == {"mask": "must be as large as the picture, 200 x 120 px, not 120 x 200."}


def test_a_picture_is_no_text_and_a_text_no_picture() -> None:
    assert refused(attrs.evolve(EDIT, init_image="a.png")) == {"init_image": "must be a picture."}  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must not be a picture"):
        Parameter(name="steps", kind=ParameterKind.INTEGER).fit(a_picture())


# --- records ---------------------------------------------------------------------------------------------


def test_a_job_with_pictures_survives_its_record_and_is_left_alone_by_the_version_before() -> None:
    picture = attrs.evolve(a_picture(), key="k")
    edit = a_request(operation=Operation.EDIT, init_image=picture, mask=picture, strength=0.25)
    job = Job(id="0" * 32, backend="alpha", request=edit, created_at=NOON, unknown={"x_mood": 1})

    record = job_to_record(job)

    assert job_from_record(record) == job
    assert record["x_mood"] == 1
    assert record["schema"] == 2


def test_a_job_without_pictures_is_written_as_the_version_before_did() -> None:
    record = job_to_record(a_job(schema=1))

    assert record["schema"] == 1
    assert not {"operation", "init_image", "mask", "strength"} & record["request"].keys()


def test_a_request_for_something_unknown_is_not_taken_for_a_lesser_one() -> None:
    record = job_to_record(a_job())

    with pytest.raises(UnreadableJob, match="dream"):
        job_from_record({**record, "request": {**record["request"], "dream": True}})

"""What needs an instance that is down, of a backend that answers, is not left to wait for it; in virtual time."""

from collections.abc import Sequence

import attrs

from auto_setting import Switchable, Two
from imaging_core.errors import BackendUnreachable
from imaging_core.jobs import JobStatus
from imaging_core.moving import STEP
from imaging_core.parameters import Parameter, ParameterKind
from imaging_core.pool import InstanceLook, Standing
from imaging_core.ports import Preference
from virtual_time import in_virtual_time


class Pool(Switchable):
    """Two instances with a checkpoint each; that of the first is what a request gets that names none."""

    def __init__(self) -> None:
        super().__init__("local")
        checkpoint = Parameter(name="checkpoint", kind=ParameterKind.CHOICE, choices=("A", "B"), default="A")
        self.can = attrs.evolve(self.can, parameters=(*self.can.parameters, checkpoint))
        self.has: dict[str, tuple[str, ...]] = {"one": ("A",), "two": ("B",)}
        self.down: set[str] = set()
        self.late: set[str] = set()

    @property
    def instances(self) -> tuple[str, ...]:
        return tuple(self.has)

    async def standing(self, instance: str) -> Standing:
        if instance in self.down:
            raise BackendUnreachable("It is down.")
        return Standing(preference=Preference(only=frozenset(self.has[instance])))

    def holding(self, checkpoint: str) -> tuple[str, ...]:
        return ()

    async def look(self) -> Sequence[InstanceLook]:
        silent = self.down | self.late
        return [
            InstanceLook(
                name=name,
                answers=name not in silent,
                message="",
                down=name in self.down,
                loaded=None,
                checkpoints=checkpoints,
            )
            for name, checkpoints in self.has.items()
        ]


@in_virtual_time
async def test_a_submit_goes_on_to_the_next_when_only_an_instance_that_is_down_has_its_checkpoint() -> None:
    pool = Pool()
    world = Two(here=pool)
    pool.late.add("one")
    assert await world.where(await world.auto()) == ["local"], "it may answer yet"
    pool.late, pool.down = set(), {"one"}

    gone = await world.auto()

    assert await world.where(gone) == ["stability"]
    assert gone[0].why_there == (
        "The service chose 'stability'. 'local' has the checkpoint 'A' only on instances that do not answer."
    )
    assert await world.where(await world.auto(checkpoint="B")) == ["local"]
    pool.has["two"] = ("B", "A")
    assert await world.where(await world.auto()) == ["local"]


@in_virtual_time
async def test_what_waits_for_an_instance_that_is_down_is_moved_and_what_others_can_make_is_not() -> None:
    pool = Pool()
    world = Two(here=pool, max_wait_s=1e6)
    others, waiting = await world.auto(2 * STEP, checkpoint="B"), await world.auto(3)
    world.service.auto = attrs.evolve(world.service.auto, max_wait_s=60.0)
    pool.down.add("one")

    await world.look(50.0)
    assert set(await world.where(waiting)) == {"local"}
    # That others are made says nothing of the one that is down.
    made = await world.run_to_end(others[0])
    await world.look(30.0)

    assert await world.where(waiting) == ["stability"] * 3
    assert (made.status, set(await world.where(others))) == (JobStatus.FINISHED, {"local"})
    assert (
        (await world.reread(waiting[0])).moves[0].reason.startswith("Moved from 'local' to 'stability'. 'local' has ")
    )


@in_virtual_time
async def test_one_answer_of_the_instance_begins_its_time_anew() -> None:
    pool = Pool()
    world = Two(here=pool)
    jobs = await world.auto(2)

    for _ in range(3):
        pool.down = {"one"}
        await world.look(50.0)
        pool.down = set()
        await world.look(6.0)

    assert await world.where(jobs) == ["local"] * 2


@in_virtual_time
async def test_a_job_that_stays_says_why_until_its_instance_is_back() -> None:
    pool = Pool()
    world = Two(here=pool)
    (job,) = await world.auto(steps=30)
    pool.down = {"one"}
    await world.look(80.0)
    stayed = await world.reread(job)
    assert "'local' has the checkpoint 'A' only on instances" in (stayed.stayed or "")
    await world.look(20.0)
    assert (await world.reread(job)).version == stayed.version

    pool.down = set()
    await world.look(10.0)

    assert (await world.reread(job)).stayed is None


@in_virtual_time
async def test_a_checkpoint_that_no_instance_is_known_to_have_may_be_on_one_that_was_never_heard() -> None:
    pool = Pool()
    world = Two(here=pool)
    jobs = await world.auto(1)
    pool.has, pool.down = {"one": (), "two": ("B",)}, {"one"}

    await world.look(80.0)

    assert await world.where(jobs) == ["stability"]

"""Which of a backend's instances makes which job: free, able, warm, and never two at a time; in memory and virtual time."""

import asyncio
from collections.abc import Sequence

import attrs
import pytest

from imaging_core.capabilities import Capabilities
from imaging_core.errors import BackendUnreachable, FailureCode, Unavailable
from imaging_core.images import Generated
from imaging_core.jobs import Job, JobStatus
from imaging_core.parameters import Parameter, ParameterKind
from imaging_core.policies import GateLimits
from imaging_core.pool import InstanceLook, Standing
from imaging_core.ports import GenerationCall, Permit, Preference, Report
from imaging_core.runner import Held, Idle
from scripted import PARAMETERS, ScriptedGenerator, World, away, finished, pictures
from virtual_time import in_virtual_time


@attrs.define
class Machine:
    """One instance of the pool under test."""

    checkpoints: str
    loaded: str | None = None
    down: bool = False
    busy: bool = False
    #: How long a picture takes, and each of the answers that come next about what it can do; in s.
    picture_s: float = 1
    answers_s: list[float] = attrs.Factory(list)
    #: Calls it has, and the most it ever had.
    calls: int = 0
    most: int = 0
    made: str = ""
    switches: int = 0


class ScriptedPool(ScriptedGenerator):
    """Machines that take their time for a picture, and five seconds more to load a checkpoint."""

    def __init__(self, **machines: Machine) -> None:
        super().__init__()
        self.machines = machines
        names = "".join(dict.fromkeys("".join(m.checkpoints for m in machines.values())))
        checkpoint = Parameter(name="checkpoint", kind=ParameterKind.CHOICE, choices=tuple(names))
        self.can = Capabilities(backend=self.backend, title="Pool", parameters=(*PARAMETERS, checkpoint))

    @property
    def instances(self) -> tuple[str, ...]:
        return tuple(self.machines)

    async def standing(self, instance: str) -> Standing:
        machine = self.machines[instance]
        if machine.answers_s:
            await asyncio.sleep(machine.answers_s.pop(0))
        if machine.down:
            raise BackendUnreachable("It is down.")
        elsewhere = frozenset("".join(m.checkpoints for m in self.machines.values()))
        never = elsewhere - frozenset(machine.checkpoints)
        return Standing(preference=Preference(never=never, loaded=machine.loaded, passes=2), busy=machine.busy)

    def holding(self, checkpoint: str) -> tuple[str, ...]:
        return tuple(name for name, machine in self.machines.items() if machine.loaded == checkpoint)

    async def look(self) -> Sequence[InstanceLook]:
        return ()

    async def answer(self, call: GenerationCall, report: Report) -> Generated:
        machine = self.machines[call.instance or ""]
        if machine.down:
            raise BackendUnreachable("It is down.")
        machine.calls += 1
        machine.most = max(machine.most, machine.calls)
        wanted = call.request.checkpoint
        if wanted and machine.loaded != wanted:
            machine.switches += 1
            await asyncio.sleep(5)
            machine.loaded = wanted
        await asyncio.sleep(machine.picture_s)
        machine.calls -= 1
        machine.made += wanted or "-"
        return pictures(call)


async def submitted(world: World, checkpoints: str) -> list[Job]:
    return [await world.submit(checkpoint=None if name == "-" else name) for name in checkpoints]


@in_virtual_time
async def test_two_workers_never_give_one_instance_two_jobs() -> None:
    pool = ScriptedPool(one=Machine("A"), two=Machine("A"), three=Machine("A"))
    world = World(pool, gates=GateLimits(slots=3))
    jobs = await submitted(world, "A" * 20)
    dispatchers = [world.dispatcher(slots=3, runner=world.runner(name)) for name in ("first", "second")]
    for dispatcher in dispatchers:
        for _ in range(3):
            dispatcher.ring("alpha")

    await finished(world, *jobs)

    assert {name: machine.most for name, machine in pool.machines.items()} == {"one": 1, "two": 1, "three": 1}
    assert sum(len(machine.made) for machine in pool.machines.values()) == 20
    for dispatcher in dispatchers:
        await dispatcher.drain(1)


@in_virtual_time
async def test_a_job_whose_checkpoint_only_one_instance_has_waits_for_that_and_holds_up_nobody() -> None:
    pool = ScriptedPool(one=Machine("A"), two=Machine("AB", down=True))
    world = World(pool, gates=GateLimits(slots=2, trip_after=2, cool_down_s=10))
    cold, *others = await submitted(world, "BAAA")

    for _ in others:
        await world.run()

    assert pool.machines["one"].made == "AAA"
    assert isinstance(await world.runner().run_next("alpha"), Idle)
    assert (await world.jobs.get(cold.id)).status is JobStatus.QUEUED
    pool.machines["two"].down = False
    done = await world.run_to_end(cold)
    assert done.status is JobStatus.FINISHED
    assert (done.failures, pool.machines["two"].made) == ((), "B")


@in_virtual_time
async def test_an_instance_that_fails_is_left_out_and_comes_back_by_a_probe() -> None:
    pool = ScriptedPool(one=Machine("A", down=True), two=Machine("A"))
    world = World(pool, gates=GateLimits(slots=2, trip_after=2, cool_down_s=30))
    await submitted(world, "AAAA")

    for _ in range(2):
        await world.run()
    state = await world.service.gate_state("alpha")
    assert state.instances["one"].reason == "circuit"
    assert state.reason is None
    pool.machines["one"].down = False
    await world.run()
    assert pool.machines["two"].made == "AAA", "the circuit is open for as long as it cools down"

    await asyncio.sleep(30)
    assert isinstance(await world.gate.enter("alpha", instances=["two"]), Permit)
    await world.run()

    assert pool.machines["one"].made == "A"
    assert (await world.service.gate_state("alpha")).instances["one"].reason is None


@in_virtual_time
async def test_with_no_instance_that_answers_a_job_waits_out_its_patience_and_is_told_why() -> None:
    pool = ScriptedPool(one=Machine("A", down=True), two=Machine("A", down=True))
    world = World(pool, gates=GateLimits(slots=2, trip_after=3, cool_down_s=5), patience_s=60)
    (job,) = await submitted(world, "A")

    done = await world.run_to_end(job)

    assert done.status is JobStatus.FAILED
    assert done.failure is not None
    assert done.failure.code is FailureCode.BACKEND_UNREACHABLE
    assert (await world.gate.state("alpha")).in_use == 0


@in_virtual_time
async def test_a_job_goes_where_its_checkpoint_is_loaded() -> None:
    pool = ScriptedPool(one=Machine("AB", loaded="A"), two=Machine("AB", loaded="B"))
    world = World(pool, gates=GateLimits(slots=2))
    await submitted(world, "B")

    await world.run()

    assert pool.machines["two"].made == "B"
    assert sum(machine.switches for machine in pool.machines.values()) == 0
    assert (await world.gate.state("alpha")).in_use == 0


@in_virtual_time
async def test_a_cold_job_is_passed_over_a_bounded_number_of_times() -> None:
    pool = ScriptedPool(one=Machine("AB", loaded="A"))
    world = World(pool)
    await submitted(world, "BAAAAB")

    for _ in range(6):
        await world.run()

    assert pool.machines["one"].made == "AABBAA"
    assert pool.machines["one"].switches == 2


@in_virtual_time
async def test_an_instance_that_somebody_else_keeps_busy_is_left_to_them() -> None:
    pool = ScriptedPool(one=Machine("A", busy=True), two=Machine("A"))
    world = World(pool, gates=GateLimits(slots=2))
    await submitted(world, "AA")
    await world.run()
    assert pool.machines["two"].made == "A"
    pool.machines["two"].busy = True

    assert await world.runner().run_next("alpha") == Held(delay_s=1.0, reason="slots")
    assert (await world.gate.state("alpha")).in_use == 0


@in_virtual_time
async def test_a_job_that_an_unheard_claim_got_is_given_back_where_it_does_not_suit() -> None:
    pool = ScriptedPool(one=Machine("A"), two=Machine("B", down=True))
    world = World(pool, gates=GateLimits(slots=2))
    (job,) = await submitted(world, "B")
    real = world.jobs.claim_next

    async def claim(backend: str, *, worker: str, token: str, lease_s: float, preference: Preference | None = None):  # type: ignore[no-untyped-def]
        return await real(backend, worker=worker, token=token, lease_s=lease_s)

    world.jobs.claim_next = claim  # type: ignore[method-assign]
    outcome = await world.run()

    assert (outcome.job.id, outcome.again_in_s) == (job.id, 0.0)
    assert pool.calls == []
    world.jobs.claim_next = real  # type: ignore[method-assign]
    pool.machines["two"].down = False
    done = await world.run_to_end(job)
    assert (done.status, done.attempt) == (JobStatus.FINISHED, 1)


@in_virtual_time
async def test_a_permit_that_is_not_used_is_given_back_when_a_probe_breaks_off() -> None:
    pool = ScriptedPool(one=Machine("A"))
    world = World(pool)
    await submitted(world, "A")

    async def hang(instance: str) -> Standing:
        await asyncio.sleep(1000)
        raise AssertionError(instance)

    pool.standing = hang  # type: ignore[method-assign]
    going = asyncio.create_task(world.runner().run_next("alpha"))
    await asyncio.sleep(1)
    assert not isinstance(await world.gate.enter("alpha", instances=["one"]), Permit)
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)

    assert isinstance(await world.gate.enter("alpha", instances=["one"]), Permit)


@in_virtual_time
async def test_an_instance_whose_answer_outlasted_the_permit_is_left_to_whoever_has_it_now() -> None:
    pool = ScriptedPool(one=Machine("A"))
    world = World(pool)
    await submitted(world, "A")
    real = pool.standing

    async def slow(instance: str) -> Standing:
        await asyncio.sleep(20)
        return await real(instance)

    pool.standing = slow  # type: ignore[method-assign]
    going = asyncio.create_task(world.runner().run_next("alpha"))
    await asyncio.sleep(16)
    assert isinstance(await world.gate.enter("alpha", instances=["one"]), Permit)

    assert isinstance(await going, Held)
    assert pool.calls == []


@in_virtual_time
async def test_the_circuit_of_a_dead_instance_opens_though_each_job_outlasts_a_permit() -> None:
    pool = ScriptedPool(one=Machine("A", down=True), two=Machine("A", picture_s=20))
    world = World(pool, gates=GateLimits(slots=2, trip_after=2, cool_down_s=60))
    await submitted(world, "AA")

    for _ in range(2):
        await world.run()

    assert (await world.service.gate_state("alpha")).instances["one"].reason == "circuit"
    assert pool.machines["two"].made == "AA"


@in_virtual_time
async def test_an_instance_that_dies_while_it_holds_a_jobs_checkpoint_is_judged_before_the_job_is_made_elsewhere() -> (
    None
):
    pool = ScriptedPool(one=Machine("AB", loaded="A", picture_s=20), two=Machine("AB", loaded="B", down=True))
    world = World(pool, gates=GateLimits(slots=2, trip_after=1, cool_down_s=60))
    await submitted(world, "B")

    await world.run()

    assert (await world.service.gate_state("alpha")).instances["two"].reason == "circuit"
    assert pool.machines["one"].made == "B"


@in_virtual_time
async def test_a_claimed_job_does_not_wait_long_for_an_instance_that_holds_its_checkpoint() -> None:
    one = Machine("AB", loaded="A", picture_s=20, answers_s=[2])
    pool = ScriptedPool(one=one, two=Machine("AB", loaded="B", answers_s=[20]))
    world = World(pool, gates=GateLimits(slots=2, permit_lease_s=8))
    (job,) = await submitted(world, "B")
    going = asyncio.create_task(world.run())

    await asyncio.sleep(4.5)
    assert len(pool.calls) == 1
    spare = await world.gate.enter("alpha", instances=["two"])
    assert isinstance(spare, Permit)
    await world.gate.leave(spare)
    await asyncio.sleep(4)
    assert not isinstance(await world.gate.enter("alpha", instances=["one"]), Permit), "its permit was renewed"
    await asyncio.sleep(8)
    assert isinstance(await world.runner("other").run_next("alpha"), Idle), "its lease holds"

    done = (await going).job
    assert (done.id, done.status, done.attempt, done.crashes) == (job.id, JobStatus.FINISHED, 1, 0)
    assert (one.made, one.most, (await world.gate.state("alpha")).in_use) == ("B", 1, 0)


@in_virtual_time
async def test_a_claimed_job_is_made_where_it_is_when_the_gate_goes_away() -> None:
    pool = ScriptedPool(one=Machine("AB", loaded="A"), two=Machine("AB", loaded="B", answers_s=[20]))
    world = World(pool, gates=GateLimits(slots=2))
    await submitted(world, "B")
    asked = away(world.gate, "beat", times=1)

    done = (await world.run()).job

    assert asked[0] == 2.0
    assert (done.status, done.attempt, pool.machines["one"].made) == (JobStatus.FINISHED, 1, "B")


@in_virtual_time
async def test_a_permit_is_given_back_when_the_gate_does_not_say_whether_it_still_holds() -> None:
    pool = ScriptedPool(one=Machine("A", answers_s=[3]))
    world = World(pool)
    await submitted(world, "A")
    away(world.gate, "again")

    with pytest.raises(Unavailable):
        await world.runner().run_next("alpha")

    assert isinstance(await world.gate.enter("alpha", instances=["one"]), Permit)

"""Every way in which workers may die, freeze or be told to cancel, at each durable step of a job's life.

Which steps there are is learnt by playing, so that a step which is added later is struck as well.
May import the neighbouring modules of the tests and the standard library.
"""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement

import attrs

from crash_witness import Play
from crash_worker import (
    Blow,
    BrokenPromise,
    Stage,
    Worker,
    cancel,
    die,
    freeze,
    look_and_move,
    look_to_move,
    move,
)

#: No worker takes so many steps.
AT_THE_END = 10_000


@attrs.frozen
class Plan:
    """What befalls which worker at which step: one mapping from step to blow for each worker in turn."""

    blows: tuple[Mapping[int, Blow], ...] = ()

    def told(self, play: Play) -> str:
        """The plan in words, after it was played."""
        lines = [f"{play.pictures} picture(s), {'paid' if play.paid else 'free'}:"]
        for n, worker in enumerate(play.workers):
            blows = self.blows[n] if n < len(self.blows) else {}
            strikes = [f"{b.__name__} {p!r}" for i, b in blows.items() for p in worker.points[i : i + 1]]
            lines.append(f"  worker {n + 1}: {', '.join(strikes) or 'lives'}; {worker.points}")
        return "\n".join(lines)


async def played(stage: Stage, plan: Plan, *, pictures: int, paid: bool, refused: frozenset[int] = frozenset()) -> Play:
    """Play a plan: workers come one after the other until the job has ended, and the witness judges.

    Raises AssertionError that tells the plan.
    """
    play = Play(stage, pictures, paid, refused)
    await play.begin()
    try:
        for blows in (*plan.blows, {}, {}, *({} for _ in refused)):
            await play.send_worker(blows)
            if play.job.status.terminal:
                break
            await play.outlast()
        await play.judge()
        await play.outlast()
        play.must((await play.send_worker({})).idle, "an ended job was given out again")
        play.workers.pop()
    except BrokenPromise as broken:
        raise AssertionError(f"{broken}\n{plan.told(play)}") from broken
    return play


async def every_crash(stage: Stage, *, pictures: int, paid: bool, depth: int, thin: bool = False) -> int:
    """Play every plan of up to `depth` crashes, one for each worker in turn, at each of its steps; how many there are.

    Which steps there are is learnt by playing. `thin` leaves out the moments before a step that follow directly on
    the moment after another: nothing durable lies between them.
    """
    count = 0
    frontier: list[tuple[Mapping[int, Blow], ...]] = [()]
    while frontier:
        blows = frontier.pop()
        play = await played(stage, Plan(blows), pictures=pictures, paid=paid)
        count += 1
        if len(blows) < depth and len(blows) < len(play.workers):
            points = play.workers[len(blows)].points
            frontier.extend((*blows, {n: die}) for n in range(len(points)) if not thin or _durable(points, n))
    return count


def _durable(points: Sequence[str], n: int) -> bool:
    return n == 0 or not points[n].startswith("before")


async def every_cancel(stage: Stage, *, pictures: int, paid: bool) -> int:
    """Play every plan of at most one crash with a cancel at each step of each worker; how many there are."""
    count = 0
    quiet = await played(stage, Plan(), pictures=pictures, paid=paid)
    for crash in (None, *range(len(quiet.workers[0].points))):
        first: Mapping[int, Blow] = {} if crash is None else {crash: die}
        calm = await played(stage, Plan((first,)), pictures=pictures, paid=paid)
        for n, worker in enumerate(calm.workers):
            for point in range(len(worker.points)):
                if n == 0 and point == crash:
                    continue
                blows: tuple[Mapping[int, Blow], ...] = (
                    ({**first, point: cancel},) if n == 0 else (first, {point: cancel})
                )
                await played(stage, Plan(blows), pictures=pictures, paid=paid)
                count += 1
    return count


async def every_move(stage: Stage, *, pictures: int, paid: bool, at_once: bool = False) -> int:
    """Read the job at each step of two workers, the first of which is turned away, and move it as read at each later one.

    The same with a first worker that dies at each step, and a second that is turned away. In how many of these plans the
    job was moved. `at_once` reads and moves at the same step only, and lets nobody die.
    """
    moved, refused = 0, frozenset({0})
    quiet = await played(stage, Plan(), pictures=pictures, paid=paid, refused=refused)
    steps = [(n, point) for n, worker in enumerate(quiet.workers[:2]) for point in range(len(worker.points))]
    for first, last in combinations_with_replacement(steps, 2):
        if first == last or not at_once:
            blows: tuple[dict[int, Blow], ...] = ({}, {})
            blows[first[0]][first[1]] = look_to_move if first != last else look_and_move
            if first != last:
                blows[last[0]][last[1]] = move
            play = await played(stage, Plan(blows), pictures=pictures, paid=paid, refused=refused)
            moved += bool(play.job.moves)
    for crash in range(0 if at_once else len(quiet.workers[0].points)):
        calm = await played(stage, Plan(({crash: die},)), pictures=pictures, paid=paid, refused=frozenset({0, 1}))
        for point in range(len(calm.workers[1].points)):
            after = Plan(({crash: die}, {point: look_and_move}))
            play = await played(stage, after, pictures=pictures, paid=paid, refused=frozenset({0, 1}))
            moved += bool(play.job.moves)
    return moved


async def every_zombie(stage: Stage, *, pictures: int, paid: bool, late: bool = False, moved: bool = False) -> int:
    """Freeze a worker at each step, let another take over, and thaw the first at each step of the second.

    How many plans that is. With `late` the first goes on only when the second has ended. `moved`: one in between was turned
    away, and the job was moved if that may be.
    """
    count = 0
    points = len((await played(stage, Plan(), pictures=pictures, paid=paid)).workers[0].points)
    for frozen_at in range(points):
        thawed_at = AT_THE_END if late else 0
        while await _zombie(stage, frozen_at, thawed_at, pictures=pictures, paid=paid, moved=moved):
            count += 1
            thawed_at += 1
        count += 1
    return count


async def _zombie(stage: Stage, frozen_at: int, thawed_at: int, *, pictures: int, paid: bool, moved: bool) -> bool:
    """Whether the second worker came as far as the step at which the first was to go on; else that goes on last."""
    play = Play(stage, pictures, paid, frozenset({1} if moved else ()))
    await play.begin()
    zombie = play.worker({frozen_at: freeze})
    living = asyncio.create_task(zombie.live())
    freezing = asyncio.create_task(zombie.frozen.wait())
    await asyncio.wait({living, freezing}, return_when=asyncio.FIRST_COMPLETED)
    assert freezing.done(), f"the worker took other steps than before: {zombie.points}"
    reached = False

    async def thaw(_: Worker) -> None:
        nonlocal reached
        reached = True
        zombie.thawed.set()
        await living

    await play.outlast()
    plan = Plan(({frozen_at: freeze}, *([{}] if moved else []), {thawed_at: thaw}))
    try:
        if moved:
            await play.send_worker({})
            await play.look_to_move()
            await play.move()
        await play.send_worker({thawed_at: thaw})
        zombie.thawed.set()
        await living
        await play.look()
        for _ in range(2):
            if not play.job.status.terminal:
                await play.outlast()
                await play.send_worker({})
        await play.judge()
    except BrokenPromise as broken:
        raise AssertionError(f"{broken}\n{plan.told(play)}") from broken
    return reached

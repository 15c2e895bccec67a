"""Makes pictures on a pool of WebUI instances, each of which has its own checkpoints and makes one call at a time.

May import the core and this folder.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from adapters.sdwebui.instance import Instance, ended
from adapters.sdwebui.lists import Lists
from adapters.sdwebui.offers import capabilities_of
from adapters.sdwebui.settings import SdWebuiSettings
from imaging_core.capabilities import Capabilities
from imaging_core.errors import BackendUnreachable, CallRefused, FailureCode, GenerationError, Unavailable
from imaging_core.images import Generated
from imaging_core.pool import InstanceLook, Standing
from imaging_core.ports import GenerationCall, Preference, Report

#: How long instances that answered before are waited for while another has answered, in s.
_PATIENCE_S = 1.0


class SdWebuiGenerator:
    """`ImageGenerator` and `InstancePool` over WebUI instances. Open it on the loop that uses it (`async with`).

    That an instance has one call at a time is seen to by the gate's permits, over all processes. Proxies of the
    environment are not used.
    """

    def __init__(self, settings: SdWebuiSettings, *, backend: str = "local") -> None:
        self._settings = settings
        self._backend = backend
        self._instances = {instance.name: instance for instance in (Instance(url, settings) for url in settings.urls)}
        self._asking: dict[str, asyncio.Task[Lists | GenerationError]] = {}
        #: When each of these began, on the loop's clock.
        self._since: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        for instance in self._instances.values():
            instance.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # All of it, although it is cancelled in between.
        async with AsyncExitStack() as stack:
            for instance in self._instances.values():
                stack.push_async_callback(instance.close)
            await ended(*self._asking.values())

    @property
    def backend(self) -> str:
        """The name callers choose it by."""
        return self._backend

    @property
    def instances(self) -> tuple[str, ...]:
        """The instances' names, in the order of their addresses."""
        return tuple(self._instances)

    async def capabilities(self) -> Capabilities:
        """What the instances can do, by their own lists, or by those last heard of one that does not answer."""
        answers = await self._ask_all()
        silent = [self._instances[name].known for name, answer in answers.items() if not isinstance(answer, Lists)]
        lists = [answer for answer in answers.values() if isinstance(answer, Lists)] + [
            known for known in silent if known
        ]
        if not lists:
            raise Unavailable(str(_first_error(answers))) from _first_error(answers)
        return capabilities_of(self._backend, lists, self._settings)

    async def probe(self) -> str:
        """Which instances answer, with how many checkpoints."""
        answers = await self._ask_all()
        if not any(isinstance(answer, Lists) for answer in answers.values()):
            raise _first_error(answers)
        return " ".join(look.message for look in await self.look())

    async def look(self) -> Sequence[InstanceLook]:
        """Every instance, whether or not it answers."""
        answers = await self._ask_all()
        return [self._look(instance, answers[name]) for name, instance in self._instances.items()]

    async def standing(self, instance: str) -> Standing:
        """What an instance can do now, for whoever has the permit for it."""
        chosen = self._instances[instance]
        lists, gives_way = await asyncio.gather(chosen.refreshed(), chosen.gives_way())
        others = [other.known for other in self._instances.values() if other is not chosen]
        elsewhere = frozenset(name for other in others if other for name in other.checkpoints)
        mine = frozenset(lists.checkpoints)
        # While one was never heard, nobody can tell whether it has what none of the others has.
        only = None if all(others) else mine
        return Standing(preference=Preference(only=only, never=elsewhere - mine, loaded=lists.current), busy=gives_way)

    def holding(self, checkpoint: str) -> tuple[str, ...]:
        """The instances that were last heard to have it loaded."""
        return tuple(
            name
            for name, instance in self._instances.items()
            if instance.known is not None and instance.known.current == checkpoint
        )

    async def generate(self, call: GenerationCall, *, report: Report) -> Generated:
        """Make one call's pictures side by side on one instance; it costs no credits.

        Raises BackendUnreachable when nothing was sent, CallRejected or CallFailed for the WebUI's own errors, AnswerLost
        when the connection broke while it worked, BadAnswer for an answer that is not what was asked for.
        """
        if call.earlier_task_ids:
            await self._take_over(call.earlier_task_ids)
        instance = self._instances[call.instance or await self._choose(call)]
        made = await instance.make(call, report)
        return Generated(images=made.images)

    async def _ask_all(self) -> dict[str, Lists | GenerationError]:
        """What each instance answers; one that did not the last time holds up nobody while others do."""
        now = asyncio.get_running_loop().time()
        for name, instance in self._instances.items():
            if name not in self._asking or self._asking[name].done():
                self._asking[name], self._since[name] = asyncio.create_task(_asked(instance)), now
        asking = dict(self._asking)
        hopeful = [
            task
            for name, task in asking.items()
            if self._instances[name].failure is None and now - self._since[name] < _PATIENCE_S
        ]
        if hopeful:
            await asyncio.wait(hopeful, timeout=_PATIENCE_S)
        silent = set(asking.values())
        while silent and not any(task.done() and isinstance(task.result(), Lists) for task in asking.values()):
            _, silent = await asyncio.wait(silent, return_when=asyncio.FIRST_COMPLETED)
        return {
            name: task.result() if task.done() else self._instances[name].failure or _silent(self._instances[name])
            for name, task in asking.items()
        }

    async def _take_over(self, task_ids: tuple[str, ...]) -> None:
        # Which instance the earlier try was on is not known, so each is asked; one that is down runs nothing.
        outcomes = await asyncio.gather(
            *(instance.take_over(task_ids) for instance in self._instances.values()), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, BackendUnreachable):
                raise outcome

    async def _choose(self, call: GenerationCall) -> str:
        """The instance for a call that names none: the first that answers and has its checkpoint."""
        answers = await self._ask_all()
        able = [name for name, answer in answers.items() if isinstance(answer, Lists)]
        if not able:
            raise _first_error(answers)
        wanted = call.request.checkpoint
        # An instance without the checkpoint refuses the call with a sentence that lists what it has.
        return next((n for n in able if (known := self._instances[n].known) and known.find(wanted)), able[0])

    def _look(self, instance: Instance, answer: Lists | GenerationError) -> InstanceLook:
        known = instance.known
        return InstanceLook(
            name=instance.name,
            answers=isinstance(answer, Lists),
            message=_described(instance, answer) if isinstance(answer, Lists) else str(answer),
            down=not isinstance(answer, Lists) and instance.failure is not None,
            loaded=known.current if known else None,
            checkpoints=tuple(known.checkpoints) if known else (),
        )


async def _asked(instance: Instance) -> Lists | GenerationError:
    try:
        return await instance.lists()
    except GenerationError as error:
        return error


def _silent(instance: Instance) -> GenerationError:
    return CallRefused(f"The WebUI at {instance.where} has not answered yet.", code=FailureCode.BACKEND_UNREACHABLE)


def _first_error(answers: "dict[str, Lists | GenerationError]") -> GenerationError:
    return next(answer for answer in answers.values() if isinstance(answer, GenerationError))


def _described(instance: Instance, lists: Lists) -> str:
    count = len(lists.checkpoints)
    models = "1 checkpoint" if count == 1 else f"{count} checkpoints"
    current = f", set to {lists.current!r}" if lists.current else ""
    return f"The {lists.kind} at {instance.where} answers; it has {models}{current}."

"""Makes pictures on whichever WebUI instance is free and has the checkpoint.

May import the core and this folder.
"""

import asyncio
import zlib
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import attrs

from adapters.sdwebui.instance import Instance
from adapters.sdwebui.lists import Lists
from adapters.sdwebui.offers import capabilities_of
from adapters.sdwebui.settings import SdWebuiSettings
from adapters.sdwebui.tasks import Running
from imaging_core.capabilities import Capabilities
from imaging_core.errors import BackendUnreachable, GenerationError, Unavailable
from imaging_core.images import Generated
from imaging_core.ports import GenerationCall, Report


class SdWebuiGenerator:
    """`ImageGenerator` over one or more WebUI instances. Open it on the loop that uses it (`async with`).

    One call runs at a time on each instance, as far as this process can see to it; over all processes the gate's slots,
    as many as there are instances, do. Proxies of the environment are not used.
    """

    def __init__(self, settings: SdWebuiSettings, *, backend: str = "local") -> None:
        self._settings = settings
        self._backend = backend
        self._instances = [Instance(url, settings) for url in settings.urls]

    async def __aenter__(self) -> Self:
        for instance in self._instances:
            instance.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for instance in self._instances:
            await instance.close()

    @property
    def backend(self) -> str:
        """The name callers choose it by."""
        return self._backend

    async def capabilities(self) -> Capabilities:
        """What the instances that answer can do, from their own lists; from memory when none answers."""
        answers = await self._ask_all()
        lists = [answer for answer in answers if isinstance(answer, Lists)]
        lists = lists or [instance.known for instance in self._instances if instance.known]
        if not lists:
            raise Unavailable(str(_first_error(answers))) from _first_error(answers)
        return capabilities_of(self._backend, lists, self._settings)

    async def probe(self) -> str:
        """Which instances answer, with how many checkpoints."""
        answers = await self._ask_all()
        if not any(isinstance(answer, Lists) for answer in answers):
            raise _first_error(answers)
        return " ".join(
            _described(instance, answer) if isinstance(answer, Lists) else str(answer)
            for instance, answer in zip(self._instances, answers, strict=True)
        )

    async def generate(self, call: GenerationCall, *, report: Report) -> Generated:
        """Make one call's pictures side by side on one instance; it costs no credits.

        Raises BackendUnreachable when nothing was sent, CallRejected or CallFailed for the WebUI's own errors, AnswerLost
        when the connection broke while it worked, BadAnswer for an answer that is not what was asked for.
        """
        if call.earlier_task_ids:
            await self._take_over(call.earlier_task_ids)
        instance = await self._choose(call)
        made = await instance.make(call, report)
        return Generated(images=made.images)

    async def _ask_all(self) -> list[Lists | GenerationError]:
        async def ask(instance: Instance) -> Lists | GenerationError:
            try:
                return await instance.lists()
            except GenerationError as error:
                return error

        return await asyncio.gather(*map(ask, self._instances))

    async def _take_over(self, task_ids: tuple[str, ...]) -> None:
        # Which instance the earlier try was on is not known, so each is asked; one that is down runs nothing.
        outcomes = await asyncio.gather(
            *(instance.take_over(task_ids) for instance in self._instances), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, BackendUnreachable):
                raise outcome

    async def _choose(self, call: GenerationCall) -> Instance:
        """The best instance for a call: it has the checkpoint, is free, and preferably has it loaded."""
        answers = await self._ask_all()
        wanted = call.request.checkpoint
        fit = [
            instance
            for instance, answer in zip(self._instances, answers, strict=True)
            if isinstance(answer, Lists) and (wanted is None or answer.find(wanted))
        ]
        # An instance without the checkpoint refuses the call with a sentence that lists what it has.
        candidates = fit or [i for i, a in zip(self._instances, answers, strict=True) if isinstance(a, Lists)]
        if not candidates:
            raise _first_error(answers)
        if len(candidates) == 1:
            return candidates[0]
        states = await asyncio.gather(*(instance.running() for instance in candidates), return_exceptions=True)
        ranked = [_Rank.of(instance, state, call) for instance, state in zip(candidates, states, strict=True)]
        return candidates[min(range(len(ranked)), key=ranked.__getitem__)]


@attrs.frozen(kw_only=True, order=True)
class _Rank:
    """How well an instance suits a call; the smallest is the best."""

    unreachable: bool
    calls: int
    busy: bool
    other_checkpoint: bool
    #: Spreads calls that find several instances free, and does so differently in each process.
    spread: int

    @classmethod
    def of(cls, instance: Instance, state: Running | BaseException, call: GenerationCall) -> "_Rank":
        known = instance.known
        wanted = known.find(call.request.checkpoint) if known else None
        # Our overrides stay the server's setting, so the setting tells what is loaded.
        other = known is not None and wanted is not None and known.current != wanted.name
        spread = zlib.crc32(f"{call.task_id} {instance.where}".encode())
        busy = state.busy if isinstance(state, Running) else True
        return cls(
            unreachable=not isinstance(state, Running),
            calls=instance.calls,
            busy=busy,
            other_checkpoint=other,
            spread=spread,
        )


def _first_error(answers: Sequence[Lists | GenerationError]) -> GenerationError:
    return next(answer for answer in answers if isinstance(answer, GenerationError))


def _described(instance: Instance, lists: Lists) -> str:
    count = len(lists.checkpoints)
    models = "1 checkpoint" if count == 1 else f"{count} checkpoints"
    current = f", set to {lists.current!r}" if lists.current else ""
    return f"The WebUI at {instance.where} answers; it has {models}{current}."

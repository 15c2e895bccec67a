"""The use cases that tell of backends; imports stdlib and this package."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from imaging_core.capabilities import Capabilities
from imaging_core.errors import BackendNotConfigured, GenerationError, ImagingError, Unavailable, UnknownBackend
from imaging_core.images import ImageRequest
from imaging_core.inputs import refusal
from imaging_core.observing import QueueMinute, WorkerSeen
from imaging_core.pool import InstancePool
from imaging_core.ports import QueueState
from imaging_core.service_parts import ServiceParts
from imaging_core.views import BackendView


class Offering(ServiceParts):
    """Which backends there are, what they can do and how busy they are."""

    @property
    def backend_names(self) -> tuple[str, ...]:
        """The backends there are."""
        return tuple(self._generators)

    async def capabilities(self, backend: str) -> Capabilities:
        """What a backend can do now. Raises UnknownBackend, BackendNotConfigured, Unavailable."""
        if backend in self.unconfigured:
            raise BackendNotConfigured(backend, self.unconfigured[backend])
        generator = self._generators.get(backend)
        if generator is None:
            raise UnknownBackend(backend, self.backend_names)
        return await generator.capabilities()

    async def fitted(self, request: ImageRequest, backend: str) -> ImageRequest:
        """The request as its backend would make it, a seed only where it has one.

        Raises what `capabilities` raises, and InvalidRequest, which for an operation tells the backends that do it.
        """
        capabilities = await self.capabilities(backend)
        if request.operation not in capabilities.operations:
            raise await refusal(backend, request.operation, self._generators)
        return capabilities.fit(request)

    async def pause(self, backend: str, *, reason: str = "", by: str | None = None) -> QueueState:
        """Begin none of a backend's jobs, anywhere, until `resume`; jobs under way go on, and new ones are taken.

        Raises UnknownBackend.
        """
        self._must_be_there(backend)
        await self.jobs.pause(backend, reason=reason, by=by)
        return await self.jobs.state(backend)

    async def resume(self, backend: str) -> QueueState:
        """Begin its jobs again, within seconds. Raises UnknownBackend."""
        self._must_be_there(backend)
        await self.jobs.resume(backend)
        self._rings.wake(backend)
        return await self.jobs.state(backend)

    async def workers(self) -> Sequence[WorkerSeen]:
        """The workers that are alive, by name."""
        return () if self._workers is None else await self._workers.seen()

    async def served(self) -> frozenset[str] | None:
        """The backends that a live worker has slots for; None while nobody has heard of any worker."""
        seen = await self.workers()
        return frozenset(name for each in seen for name, slots in each.sign.slots.items() if slots) or None

    async def history(self, backend: str, *, minutes: int = 60) -> Sequence[QueueMinute]:
        """How busy a backend was in each of the last minutes, oldest first, that of now included. Raises UnknownBackend.

        A minute that nobody noted, or in which there was nothing to do, has noughts.
        """
        self._must_be_there(backend)
        noted = () if self._history is None else await self._history.minutes(backend, last=minutes)
        found = {minute.at: minute for minute in noted}
        now = (await self.jobs.now()).replace(second=0, microsecond=0)
        moments = [now - timedelta(minutes=ago) for ago in range(minutes - 1, -1, -1)]
        return [found.get(at, QueueMinute(at=at)) for at in moments]

    def _must_be_there(self, backend: str) -> None:
        if backend not in self._generators:
            raise UnknownBackend(backend, self.backend_names)

    async def backends(self) -> Sequence[BackendView]:
        """Every backend: what it can do, whether it answers now, how busy it is."""
        return await asyncio.gather(*map(self.backend, self._generators))

    async def backend(self, name: str) -> BackendView:
        """One backend there is, in the same way. Raises KeyError for another name."""
        generator = self._generators[name]
        capabilities, answers = None, True
        try:
            message = await generator.probe()
        except (GenerationError, Unavailable) as error:
            message, answers = str(error), False
        try:
            capabilities = await generator.capabilities()
        except ImagingError as error:
            message = message if not answers else str(error)
        looks = await generator.look() if isinstance(generator, InstancePool) else ()
        gate, queue = await asyncio.gather(self.gate_state(name), self.jobs.state(name))
        return BackendView(
            name=name,
            capabilities=capabilities,
            answers=answers,
            message=message,
            gate=gate,
            queue=queue,
            instances=tuple(looks),
        )

"""What all use cases work with, whatever their theme; imports stdlib and this package."""

from collections.abc import Awaitable, Callable, Mapping

from imaging_core.observing import QueueHistory, WorkerBook
from imaging_core.policies import RunLimits
from imaging_core.pool import instances_of
from imaging_core.ports import (
    BackendGate,
    GateState,
    Generators,
    ImageStore,
    JobEvents,
    JobQueue,
    JobRepository,
    QueueLimits,
)
from imaging_core.repository import JobAdder
from imaging_core.routing import AutoPolicy
from imaging_core.spending import Allowances
from imaging_core.submitting import Rings
from imaging_core.webhook_desk import WebhookDesk


class ServiceParts:
    """The ports and settings of the service."""

    def __init__(
        self,
        *,
        jobs: JobRepository,
        queue: JobQueue,
        events: JobEvents,
        store: ImageStore,
        gate: BackendGate,
        generators: Generators,
        limits: RunLimits | None = None,
        queue_limits: QueueLimits | None = None,
        unconfigured: Mapping[str, str] | None = None,
        admit: Callable[[], Awaitable[None]] | None = None,
        webhooks: WebhookDesk | None = None,
        adding: JobAdder | None = None,
        allowances: Allowances | None = None,
        auto: AutoPolicy | None = None,
        workers: WorkerBook | None = None,
        history: QueueHistory | None = None,
    ) -> None:
        """`unconfigured` names backends that could be there, each with a sentence that says which setting is missing.

        `admit` is asked before each new job and raises what speaks against taking one. Without `webhooks` no job may have one.
        Without `workers` and `history` none are known.
        `auto` says where a request goes for which the caller names the backend "auto".
        `adding` stores new jobs in `jobs` and may refuse some; `allowances` tells beforehand what it would refuse.
        """
        self.jobs = jobs
        self.events = events
        self.store = store
        self.gate = gate
        self._generators = generators
        self._limits = limits or RunLimits()
        self.queue_limits = queue_limits
        self._admit = admit
        self._adding = adding or jobs
        self.allowances = allowances
        self.webhooks = webhooks
        self.auto = auto or AutoPolicy()
        self._workers = workers
        self._history = history
        self.unconfigured: Mapping[str, str] = dict(unconfigured or {})
        self._rings = Rings(queue)

    async def close(self) -> None:
        """Wait for the rings under way."""
        await self._rings.close()

    async def gate_state(self, backend: str) -> GateState:
        """What the gate lets through to a backend now, and to each of its instances."""
        return await self.gate.state(backend, instances=instances_of(self._generators.get(backend)))

    async def check_room(self) -> None:
        """Whether there is room for a new job's pictures now. Raises StorageFull, Unavailable."""
        await self.store.check()
        if self._admit is not None:
            await self._admit()

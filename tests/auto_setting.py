"""A free backend and a paid one to choose from, in virtual time; the free one may be switched off.

May import the core, the neighbouring modules of the tests and attrs.
"""

import asyncio

import attrs

from imaging_core.errors import BackendUnreachable, CallRejected, FailureCode
from imaging_core.images import Generated, ImageRequest
from imaging_core.jobs import Job
from imaging_core.keys import KeyLimits
from imaging_core.moving import Mover
from imaging_core.policies import GateLimits, RunLimits
from imaging_core.ports import GenerationCall, QueueLimits, Report
from imaging_core.routing import AUTO, AutoPolicy
from imaging_core.spending import Budget, Settling, listed_price
from scripted import ScriptedGenerator, World

REQUEST = ImageRequest(prompt="a secretive lighthouse")
NO_KEY = CallRejected("It does not accept the API key.", code=FailureCode.NOT_AUTHORIZED)
BROKE = CallRejected("The account has too few credits.", code=FailureCode.INSUFFICIENT_CREDITS)


class Switchable(ScriptedGenerator):
    """One that nobody reaches while it is off."""

    off = False

    async def generate(self, call: GenerationCall, *, report: Report) -> Generated:
        """Do what comes next on the script, if it is on."""
        await self.probe()
        return await super().generate(call, report=report)

    async def probe(self) -> str:
        """Whether it is on."""
        if self.off:
            raise BackendUnreachable("It is down.")
        return await super().probe()


class Two(World):
    """`local` is free and takes steps, `stability` costs 3 credits and takes none; they are chosen in that order."""

    def __init__(
        self,
        *,
        limits: RunLimits | None = None,
        queue_limits: QueueLimits | None = None,
        patience_s: float = 900.0,
        credits_per_day: float | None = None,
        here: Switchable | None = None,
        **policy: object,
    ) -> None:
        self.here, self.cloud = here or Switchable("local"), ScriptedGenerator("stability", credits=3.0)
        self.cloud.can = attrs.evolve(
            self.cloud.can,
            credits={"": 3.0},
            parameters=tuple(p for p in self.cloud.can.parameters if p.name != "steps"),
        )
        gates = GateLimits(slots=4)
        super().__init__(
            self.here, self.cloud, limits=limits, gates=gates, queue_limits=queue_limits, patience_s=patience_s
        )
        self.service.auto = AutoPolicy(**policy)  # type: ignore[arg-type]
        self.book = self.jobs.spending
        self.settling = Settling(self.jobs, self.book)
        budget = Budget(
            self.jobs,
            self.book,
            self.settling,
            limits_of=self._limits_of,
            price_of=listed_price(self.service.capabilities),
            credits_per_day=credits_per_day,
        )
        self.service.allowances = budget
        self.service._adding = budget
        self.mover = Mover(self.service)

    async def _limits_of(self, owner: str | None) -> KeyLimits:
        return KeyLimits()

    def take_down(self) -> None:
        """Switch the free one off."""
        self.here.off = True

    def bring_back(self) -> None:
        """Switch it on again."""
        self.here.off = False

    async def auto(self, jobs: int = 1, **request: object) -> list[Job]:
        """Queue jobs that are left to the choice."""
        asked = attrs.evolve(REQUEST, **request)  # type: ignore[arg-type]
        return [await self.service.submit(asked, backend=AUTO) for _ in range(jobs)]

    async def look(self, for_s: float = 0.0, *, every_s: float = 2.0) -> None:
        """Let the mover look for so long, once at least."""
        ends = asyncio.get_running_loop().time() + for_s
        await self.mover.step()
        while asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(every_s)
            await self.mover.step()

    async def where(self, jobs: list[Job]) -> list[str]:
        """The backends that jobs are at."""
        return [(await self.jobs.get(job.id)).backend for job in jobs]

    async def reread(self, job: Job) -> Job:
        """The job as it is now."""
        return await self.jobs.get(job.id)

"""Holds a running job's lease and its permit, and hears of a cancel by the way; imports stdlib and this package."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from imaging_core.beside import Beside
from imaging_core.errors import LeaseLost, Unavailable
from imaging_core.faults import log_fault
from imaging_core.held import HeldJob, insist
from imaging_core.policies import RunLimits
from imaging_core.ports import BackendGate, JobRepository, Permit

log = logging.getLogger("imaging.runner")

#: Wait before a beat that got no answer is tried again, in s; doubles up to the longest.
FIRST_RETRY_S, LONGEST_RETRY_S = 0.25, 2.0


class Heartbeat:
    """Beats every `heartbeat_s`, and at once when nudged, until cancelled or until the lease is lost.

    After a beat without an answer the next ones come sooner: each that is missed brings the lease's end nearer.
    """

    def __init__(
        self,
        held: HeldJob,
        permit: Permit,
        *,
        jobs: JobRepository,
        gate: BackendGate,
        limits: RunLimits,
        cancelled: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        """`cancelled` is called when a beat tells of a cancel request, `lost` once when the lease is somebody else's."""
        self._held = held
        self._permit = permit
        self._jobs = jobs
        self._gate = gate
        self._limits = limits
        self._cancelled = cancelled
        self._lost = lost
        self._nudged = asyncio.Event()
        #: The beating, which begins by itself after `heartbeat_s`.
        self.beside = Beside("A heartbeat", self.run, after_s=limits.heartbeat_s)
        #: Until when the lease surely holds, by this process's monotonic clock.
        self._sure_until = asyncio.get_running_loop().time() + limits.lease_s

    def nudge(self) -> None:
        """Beat now: somebody may have asked for a cancel."""
        self._nudged.set()
        self.beside.hurry()

    async def run(self) -> None:
        """Beat until cancelled; a beat that goes wrong is no reason to stop beating."""
        retry_s = FIRST_RETRY_S
        while True:
            self._nudged.clear()
            try:
                await self._beat()
            except LeaseLost:
                self._tell_loss()
                return
            except Exception as error:  # noqa: BLE001  # whatever it is, a silent end would cost the lease
                self._tell_failure(error, again=retry_s > FIRST_RETRY_S)
                wait_s = min(retry_s, self._limits.heartbeat_s)
                retry_s = min(retry_s * 2, LONGEST_RETRY_S)
            else:
                wait_s, retry_s = self._limits.heartbeat_s, FIRST_RETRY_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._nudged.wait()

    def _tell_loss(self) -> None:
        if not self._held.letting_go:
            # Else it was this worker that ended or parked the job while the beat was on its way.
            log.warning("The lease is gone: the job went on, or was ended, elsewhere.", extra=self._held.facts())
            self._lost()

    def _tell_failure(self, error: Exception, *, again: bool) -> None:
        if not isinstance(error, Unavailable):
            log_fault(log, "A heartbeat failed.", error, self._held.facts())
        else:
            # Once is enough: every job of every worker says the same while the repository is away.
            level = logging.DEBUG if again else logging.WARNING
            log.log(level, "A heartbeat got no answer: %s", error, extra=self._held.facts())

    async def be_sure(self) -> None:
        """Return under a lease that holds: a worker that was frozen asks before it does something that costs.

        Raises LeaseLost, or Unavailable when there was no answer for long.
        """
        if asyncio.get_running_loop().time() >= self._sure_until:
            await insist(self._beat)

    async def _beat(self) -> None:
        began = asyncio.get_running_loop().time()
        beat = await self._jobs.beat(self._held.job.id, token=self._held.token, lease_s=self._limits.lease_s)
        self._sure_until = began + self._limits.lease_s
        if beat.cancel_requested:
            self._cancelled()
        await self._gate.beat(self._permit)

"""A backend that is several instances, each of which makes one call at a time: what it must tell, and which is next.

Imports stdlib, attrs and this package.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol, Self, runtime_checkable

import attrs

from imaging_core.errors import GenerationError, Unavailable
from imaging_core.jobs import Job
from imaging_core.ports import BackendGate, ImageGenerator, Permit, Preference, RetryAt

log = logging.getLogger("imaging.pool")

#: An answer that took longer, in s, may have outlasted the lease of its permit, which nobody renews meanwhile.
_SLOW_S = 2.0
#: How long an instance may take to answer for a job that is claimed already, in s: nobody renews its lease meanwhile.
NEARER_S = 2.0
#: How soon to look again at instances that somebody else keeps busy, in s.
_BUSY_S = 1.0


@attrs.frozen(kw_only=True)
class Standing:
    """What one instance can do now."""

    #: The jobs it can make, and the checkpoint it has loaded.
    preference: Preference
    #: Whether somebody else's work runs there.
    busy: bool = False


@attrs.frozen(kw_only=True)
class InstanceLook:
    """One instance as a person sees it."""

    #: Its address without credentials, which is also what its permits name.
    name: str
    answers: bool
    #: What it is, or why it does not answer.
    message: str
    #: Whether the last question to it failed; one that only has not answered yet may still.
    down: bool = False
    #: The checkpoint it has loaded, as last heard.
    loaded: str | None
    #: Those it has, as last heard.
    checkpoints: tuple[str, ...]


@runtime_checkable
class InstancePool(Protocol):
    """What an `ImageGenerator` is besides, when its backend is several instances that make one call at a time each.

    1. `instances` names them, the first choice first: one name for one instance, in every process that calls it.
    2. `standing` asks one of them afresh; GenerationError when it does not answer. A job suits it if it has the
       checkpoint, or if none of all instances has: such a job is refused there. What only others have is left to
       them, also while they are down.
    3. `holding` names those that were last heard to have a checkpoint loaded.
    4. `generate` makes a call that names an instance there and nowhere else.
    5. `look` tells of every instance, whether or not it answers.
    """

    @property
    def instances(self) -> tuple[str, ...]:
        """Their names."""
        ...

    async def standing(self, instance: str) -> Standing:
        """What that instance can do now."""
        ...

    def holding(self, checkpoint: str) -> tuple[str, ...]:
        """Those that have it loaded."""
        ...

    async def look(self) -> Sequence[InstanceLook]:
        """All of them, for people."""
        ...


def pool_of(generator: ImageGenerator | None) -> InstancePool | None:
    """The generator as the pool it is besides; None for a single whole. Takes 8 µs on Python 3.11."""
    return generator if isinstance(generator, InstancePool) else None


def instances_of(generator: ImageGenerator | None) -> tuple[str, ...]:
    """The instances of a backend; none for one that is a single whole."""
    pool = pool_of(generator)
    return pool.instances if pool is not None else ()


def down_with(looks: Sequence[InstanceLook], checkpoint: str | None) -> tuple[str, ...]:
    """The instances that alone may have a checkpoint, if all of them are down; none otherwise.

    One that was never heard may have any: until it is, what no other has is left to it.
    """
    if checkpoint is None:
        return ()
    able = [look for look in looks if checkpoint in look.checkpoints or not (look.checkpoints or look.answers)]
    return tuple(look.name for look in able) if all(look.down for look in able) else ()


@attrs.frozen(kw_only=True)
class Place:
    """Where this worker may make a call now, and which jobs suit it there."""

    permit: Permit
    preference: Preference | None = None


class Places:
    """One go at a backend: the places that are free, one after the other, until one has work."""

    def __init__(self, gate: BackendGate, backend: str, pool: InstancePool | None) -> None:
        self._gate = gate
        self._backend = backend
        self._pool = pool
        self._left = list(pool.instances) if pool is not None else []
        #: Before any permit was asked for, on the loop's clock.
        self.begun_at = asyncio.get_running_loop().time()
        self._begun = False
        #: The first instance that did not answer, kept until it is known whether any other does.
        self._down: Permit | None = None
        self._answered = False
        self._busy = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._settle_down()

    async def next(self) -> Place | RetryAt | None:
        """The next place; when to come back; or None when there is no other."""
        if self._pool is None:
            return None if self._begun else await self._whole()
        while self._left:
            permit = await self._gate.enter(self._backend, instances=self._left)
            if isinstance(permit, RetryAt):
                return self._none_free(permit)
            self._left.remove(permit.instance or "")
            place = await self._place(self._pool, permit)
            if place is not None:
                return place
        if self._busy:
            return RetryAt(delay_s=_BUSY_S, reason="slots")
        return self._last_resort()

    async def nearer(self, place: Place, job: Job, *, within_s: float = NEARER_S) -> Permit:
        """The permit to make a job under that was claimed at a place: where its checkpoint is loaded, if that is free.

        An instance that does not say so within that time is left alone.
        """
        checkpoint, preference = job.request.checkpoint, place.preference
        if self._pool is None or preference is None or not checkpoint or preference.loaded == checkpoint:
            return place.permit
        names = [name for name in self._pool.holding(checkpoint) if name != place.permit.instance]
        if not names:
            return place.permit
        # The job is claimed, and can be made here as well: no trouble over there may cost it its lease.
        try:
            permit = await self._gate.enter(self._backend, instances=names)
            other = None if isinstance(permit, RetryAt) else await self._place(self._pool, permit, within_s=within_s)
            if other is not None and other.preference is not None:
                holds = other.preference.loaded == checkpoint
                await self.leave((place if holds else other).permit)
                if holds:
                    return other.permit
            await self._gate.beat(place.permit)
        except Unavailable as error:
            log.warning("The gate does not answer: %s", error, extra={"backend": self._backend})
        return place.permit

    async def leave(self, permit: Permit, *, ok: bool | None = None) -> None:
        """Give a permit back."""
        try:
            await self._gate.leave(permit, ok=ok)
        except Unavailable as error:
            # The permit is leased: it comes back by itself.
            log.warning("A permit could not be given back: %s", error, extra={"backend": self._backend})

    async def _whole(self) -> Place | RetryAt:
        self._begun = True
        permit = await self._gate.enter(self._backend)
        return permit if isinstance(permit, RetryAt) else Place(permit=permit)

    async def _place(self, pool: InstancePool, permit: Permit, *, within_s: float | None = None) -> Place | None:
        """What the instance of a permit can do; None, with the permit on its way back, when that is nothing now."""
        asked_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(within_s):
                standing = await pool.standing(permit.instance or "")
            self._answered = True
            await self._settle_down()
            slow = asyncio.get_running_loop().time() - asked_at > _SLOW_S
            taken = isinstance(await self._gate.again(permit), RetryAt) if slow else False
        except GenerationError as error:
            facts = {"backend": self._backend, "instance": permit.instance}
            log.warning("An instance does not answer and is left out: %s", error, extra=facts)
            if self._answered or self._down is not None:
                await self.leave(permit, ok=False)
            else:
                self._down = permit
            return None
        except TimeoutError:
            log.info(
                "An instance took too long to answer.", extra={"backend": self._backend, "instance": permit.instance}
            )
            await self.leave(permit)
            return None
        except BaseException:
            await self.leave(permit)
            raise
        if standing.busy or taken:
            self._busy = True
            await self.leave(permit)
            return None
        return Place(permit=permit, preference=standing.preference)

    async def _settle_down(self) -> None:
        """Say that the first instance did not answer while its permit is good: nobody renews it while a job is made."""
        if self._down is not None:
            permit, self._down = self._down, None
            await self.leave(permit, ok=False)

    def _none_free(self, refusal: RetryAt) -> Place | RetryAt | None:
        if self._answered and not self._busy:
            return None
        if refusal.reason == "circuit" and not self._answered and self._down is not None:
            return self._last_resort()
        return refusal

    def _last_resort(self) -> Place | None:
        """With no instance that answers, a job is claimed all the same: it waits out its patience, and is told why."""
        if self._answered or self._down is None:
            return None
        permit, self._down = self._down, None
        return Place(permit=permit)

"""Looks at the backends for requests that leave the choice to the service; imports stdlib and this package."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from imaging_core.errors import BackendNotConfigured, FieldProblem, InvalidRequest
from imaging_core.images import ImageRequest
from imaging_core.offering import Offering
from imaging_core.routing import AUTO, NoRoute, Option, Route, choose
from imaging_core.spending import CreditLimitReached
from imaging_core.views import BackendView

#: What a job takes while none has finished yet, in s.
_GUESS_S = 10.0


class Chooser:
    """Chooses for the requests of one submit, in the light of those it chose for before."""

    def __init__(self, offering: Offering, *, owner: str | None) -> None:
        self._offering = offering
        self._owner = owner
        self._views: Sequence[BackendView] | None = None
        self._sent: Counter[str] = Counter()
        self._credits = 0.0

    async def choose(self, request: ImageRequest) -> Route:
        """Where a request goes, and why.

        Raises InvalidRequest when no backend can make it, BackendNotConfigured when none of the order is set up.
        """
        views = await self._look()
        options = [await self._option(view, request) for view in views]
        route = choose(options, self._offering.auto)
        if isinstance(route, NoRoute):
            message = f"None of the backends to choose from can make this request now. {route.reason}"
            raise InvalidRequest([FieldProblem(field="backend", message=message)])
        self._sent[route.backend] += 1
        self._credits += next(option.credits for option in options if option.backend == route.backend)
        return route

    async def _look(self) -> Sequence[BackendView]:
        if self._views is None:
            names = [name for name in self._offering.auto.order if name in self._offering.backend_names]
            if not names:
                order = ", ".join(self._offering.auto.order)
                raise BackendNotConfigured(AUTO, f"None of the backends to choose from is set up: {order}.")
            self._views = await asyncio.gather(*map(self._offering.backend, names))
        return self._views

    async def _option(self, view: BackendView, request: ImageRequest) -> Option:
        able = view.capabilities
        if able is None:
            return Option(backend=view.name, objection="cannot be asked what it can do")
        try:
            fitted = able.fit(request)
        except InvalidRequest as error:
            return Option(backend=view.name, objection=f"does not take it: {str(error).rstrip('.')}")
        price = able.price(fitted)
        objection = await self._too_dear(price) if price else None
        wait_s = _wait_s(view, self._sent[view.name])
        return Option(backend=view.name, objection=objection, trouble=_trouble(view), credits=price, wait_s=wait_s)

    async def _too_dear(self, price: float) -> str | None:
        if self._offering.allowances is None:
            return None
        now = await self._offering.jobs.now()
        try:
            await self._offering.allowances.check_credits(self._owner, self._credits + price, now=now)
        except CreditLimitReached as error:
            return f"is too dear: {str(error).rstrip('.')}"
        return None


async def chosen(offering: Offering, request: ImageRequest, backend: str, *, owner: str | None) -> Route | None:
    """The choice for one request; None where the caller has made it."""
    return await Chooser(offering, owner=owner).choose(request) if backend == AUTO else None


async def all_chosen(
    offering: Offering, items: Sequence[tuple[ImageRequest, str]], *, owner: str | None
) -> list[Route | None]:
    """The same for many requests of one submit. Raises InvalidRequest that names each request that none can make."""
    chooser, routes, problems = Chooser(offering, owner=owner), [], []
    for index, (request, backend) in enumerate(items):
        try:
            routes.append(await chooser.choose(request) if backend == AUTO else None)
        except InvalidRequest as error:
            problems += [FieldProblem(field=f"items[{index}].{p.field}", message=p.message) for p in error.problems]
    if problems:
        raise InvalidRequest(problems)
    return routes


def _trouble(view: BackendView) -> str | None:
    if view.queue.paused is not None:
        return "is stopped by an operator"
    return None if view.answers else "does not answer"


def _wait_s(view: BackendView, sent: int) -> float:
    slots = max(1, view.gate.slots)
    mean_s = _GUESS_S if view.queue.mean_run_s is None else view.queue.mean_run_s
    before = max(0, view.queue.claimable + view.queue.started + sent - slots + 1)
    return view.gate.closed_for_s + mean_s * before / slots

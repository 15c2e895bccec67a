"""Looks at the backends for requests that leave the choice to the service; imports stdlib, attrs and this package."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import attrs

from imaging_core.errors import BackendNotConfigured, FieldProblem, InvalidRequest
from imaging_core.images import ImageRequest
from imaging_core.jobs import Job
from imaging_core.offering import Offering
from imaging_core.pool import down_with
from imaging_core.routing import AUTO, NoRoute, Option, Route, choose, choose_another
from imaging_core.spending import CreditLimitReached
from imaging_core.views import BackendView


class Chooser:
    """Chooses for the requests of one submit, in the light of those it chose for before."""

    def __init__(
        self,
        offering: Offering,
        *,
        owner: str | None,
        views: Sequence[BackendView] | None = None,
        sent: Counter[str] | None = None,
        served: frozenset[str] | None = None,
    ) -> None:
        """`views` are what is known of the backends already, `sent` counts what was sent to each since they were looked at.

        `served` are the backends that have a worker, None if nobody knows; a job is moved to none without.
        """
        self._offering = offering
        self._owner = owner
        self._views = None if views is None else _in_order(views, offering.auto.order)
        self._sent: Counter[str] = Counter() if sent is None else sent
        self._served = served
        self._credits = 0.0

    async def choose(self, request: ImageRequest) -> Route:
        """Where a request goes, and why.

        Raises InvalidRequest when no backend can make it, BackendNotConfigured when none of the order is set up.
        """
        views = await self._look()
        options = [await self._affordable(self._option(view, request)) for view in views]
        route = choose(options, self._offering.auto)
        if isinstance(route, NoRoute):
            message = f"None of the backends to choose from can make this request now. {route.reason}"
            raise InvalidRequest([FieldProblem(field="backend", message=message)])
        self._sent[route.backend] += 1
        self._credits += route.credits
        return route

    async def choose_another(
        self, job: Job, why: str, *, must: bool, refused: Mapping[str, Option] | None = None
    ) -> Route | NoRoute:
        """Where a job goes on whose backend cannot go on with it, `why` being half a sentence that follows its name.

        `must` it go, it goes to a backend in trouble rather than nowhere. `refused` has those that would not have it when
        they were to take it: whether there are credits is seen only then, since some may be set aside for the job already.
        """
        request, refused = asked_anew(job), refused or {}
        views = {view.name: view for view in await self._look()}
        options = [
            refused.get(name) or self._other(name, views.get(name), request, had=name in job.tried)
            for name in self._offering.auto.order
            if name != job.backend
        ]
        here = Option(backend=job.backend, objection=why)
        return choose_another(here, [option for option in options if option], self._offering.auto, must=must)

    def _other(self, name: str, view: BackendView | None, request: ImageRequest, *, had: bool) -> Option | None:
        served = self._served is None or name in self._served
        if view is None:
            # Another process, whose settings are others, may well move the job there.
            missing = Option(backend=name, objection="is not set up here", passing=True)
            return missing if self._served is not None and served and not had else None
        if had:
            return Option(backend=name, objection="had it before")
        option = self._option(view, request)
        return option if served or option.objection else attrs.evolve(option, objection="has no worker", passing=True)

    async def _look(self) -> Sequence[BackendView]:
        if self._views is None:
            names = [name for name in self._offering.auto.order if name in self._offering.backend_names]
            if not names:
                raise BackendNotConfigured(AUTO, self._none_set_up())
            self._views = list(await asyncio.gather(*map(self._offering.backend, names)))
        return self._views

    def _none_set_up(self) -> str:
        offering, order = self._offering, self._offering.auto.order
        missing = [offering.unconfigured[name] for name in order if name in offering.unconfigured]
        there = ", ".join(offering.backend_names)
        others = [f"There is: {there}. Name it as the backend, or in IMAGING_AUTO_ORDER."] if there else []
        first = f"None of the backends that {AUTO!r} chooses from is set up: {', '.join(order)}."
        return " ".join([first, *missing, *others])

    def _option(self, view: BackendView, request: ImageRequest) -> Option:
        able = view.capabilities
        if able is None:
            return Option(backend=view.name, objection="cannot be asked what it can do", passing=True)
        try:
            fitted = able.fit(request)
        except InvalidRequest as error:
            return Option(backend=view.name, objection=f"does not take it: {str(error).rstrip('.')}")
        wait_s = _wait_s(view, self._sent[view.name])
        lack = lack_of(view, fitted.checkpoint)
        trouble = trouble_of(view) or (lack[0] if lack else None)
        return Option(backend=view.name, trouble=trouble, credits=able.price(fitted), wait_s=wait_s)

    async def _affordable(self, option: Option) -> Option:
        """The option, with an objection if it costs more than is left of the day."""
        if option.objection is not None or not option.credits or self._offering.allowances is None:
            return option
        now = await self._offering.jobs.now()
        try:
            await self._offering.allowances.check_credits(self._owner, self._credits + option.credits, now=now)
        except CreditLimitReached as error:
            return attrs.evolve(option, objection=f"is too dear: {str(error).rstrip('.')}")
        return option


def _in_order(views: Sequence[BackendView], order: Sequence[str]) -> Sequence[BackendView]:
    return sorted((view for view in views if view.name in order), key=lambda view: order.index(view.name))


def asked_anew(job: Job) -> ImageRequest:
    """What a job's caller asked for, with the seed that it got: another backend draws from the same."""
    return attrs.evolve(job.asked or job.request, seed=job.request.seed)


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


def trouble_of(view: BackendView) -> str | None:
    """Why a backend cannot begin anything now: half a sentence that follows its name."""
    if view.queue.paused is not None:
        return "is stopped by an operator"
    return None if view.answers else "does not answer"


def lack_of(view: BackendView, checkpoint: str | None) -> tuple[str, tuple[str, ...]] | None:
    """Why a backend that answers cannot begin what needs that checkpoint, and for the sake of which instances.

    The first is half a sentence that follows its name.
    """
    names = down_with(view.instances, checkpoint)
    return (f"has the checkpoint {checkpoint!r} only on instances that do not answer", names) if names else None


def _wait_s(view: BackendView, sent: int) -> float:
    slots = max(1, view.gate.slots)
    before = max(0, view.queue.claimable + view.queue.started + sent - slots + 1)
    return view.gate.closed_for_s + view.queue.likely_run_s * before / slots

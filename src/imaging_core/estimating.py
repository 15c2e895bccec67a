"""What a request would cost and whether it could run now, without queueing anything; imports attrs and this package."""

import attrs

from imaging_core.batches import Terms
from imaging_core.choosing import chosen
from imaging_core.errors import ImagingError, StorageFull
from imaging_core.images import ImageRequest, plan_calls
from imaging_core.jobs import JobStatus
from imaging_core.ports import JobQuery
from imaging_core.service import BackendView, ImagingService
from imaging_core.spending import CreditLimitReached
from imaging_core.submitting import with_seed

#: Waiting jobs of an owner that are counted at once.
_AT_ONCE = 200


@attrs.frozen(kw_only=True)
class Obstacle:
    """One thing that speaks against a request now."""

    #: backend_paused, backend_unreachable, backend_closed, queue_full, credit_limit, storage_full or unavailable.
    code: str
    #: A sentence for a person.
    message: str
    #: Whether a submit would be refused for it; otherwise the job would wait.
    refuses: bool


@attrs.frozen(kw_only=True)
class Estimate:
    """What would come of a request."""

    backend: str
    #: In canonical spelling, with the backend's defaults; without a seed where one would be drawn.
    request: ImageRequest
    #: Calls of the backend.
    calls: int
    #: List price, in credits.
    credits: float
    paid: bool
    #: Place in the queue, 1 for the next.
    queue_position: int
    #: Seconds to the end, None where one cannot tell.
    eta_s: float | None
    obstacles: tuple[Obstacle, ...]
    #: Why the service would send it there; None when the caller named the backend.
    route: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether a submit would be taken now."""
        return not any(obstacle.refuses for obstacle in self.obstacles)

    @property
    def startable(self) -> bool:
        """Whether the backend would take it on as soon as it is its turn."""
        return not self.obstacles


async def estimate(
    service: ImagingService, request: ImageRequest, *, backend: str, owner: str | None = None
) -> Estimate:
    """What would come of a request of that owner's; nothing is stored, and no call is made that costs.

    Raises UnknownBackend, BackendNotConfigured, InvalidRequest, and Unavailable when the request cannot be checked.
    """
    route = await chosen(service, request, backend, owner=owner)
    backend = route.backend if route else backend
    capabilities = await service.capabilities(backend)
    fitted = await service.fitted(request, backend)
    # A submit refuses seeds that leave no room for the further pictures.
    with_seed(fitted)
    view = await service.backend(backend)
    price = capabilities.price(fitted)
    obstacles = _of_backend(view)
    try:
        obstacles += await _of_queue(service, view, owner)
        if service.allowances is not None:
            await service.allowances.check_credits(owner, price, now=await service.jobs.now())
        await service.check_room()
    except CreditLimitReached as error:
        obstacles.append(Obstacle(code="credit_limit", message=str(error), refuses=True))
    except ImagingError as error:
        code = "storage_full" if isinstance(error, StorageFull) else "unavailable"
        obstacles.append(Obstacle(code=code, message=str(error), refuses=True))
    return Estimate(
        backend=backend,
        request=fitted,
        calls=len(plan_calls(fitted)),
        credits=price,
        paid=capabilities.paid,
        queue_position=view.queue.claimable + 1,
        eta_s=_eta_s(view),
        obstacles=tuple(obstacles),
        route=route.reason if route else None,
    )


def _of_backend(view: BackendView) -> list[Obstacle]:
    if view.queue.paused is not None:
        message = f"An operator has paused backend {view.name!r}. {view.queue.paused.reason}".strip()
        return [Obstacle(code="backend_paused", message=message, refuses=False)]
    if not view.answers:
        return [Obstacle(code="backend_unreachable", message=view.message, refuses=False)]
    if view.gate.closed_for_s > 0:
        message = (
            f"Backend {view.name!r} takes no calls for another {view.gate.closed_for_s:.0f} s ({view.gate.reason})."
        )
        return [Obstacle(code="backend_closed", message=message, refuses=False)]
    return []


async def _of_queue(service: ImagingService, view: BackendView, owner: str | None) -> list[Obstacle]:
    limits = Terms(owner=owner).share(service.queue_limits)
    if service.allowances is not None:
        limits = await service.allowances.share(owner, limits)
    if limits is None:
        return []
    obstacles, waiting, mine = [], view.queue.claimable, limits.max_queued_per_owner
    if owner is not None and mine is not None and await _waits(service, view.name, owner, most=mine):
        message = f"{mine} of your jobs wait for backend {view.name!r}, and no more may."
        obstacles.append(Obstacle(code="queue_full", message=message, refuses=True))
    if limits.max_queued is not None and waiting >= limits.max_queued:
        message = f"{waiting} jobs wait for backend {view.name!r}, and at most {limits.max_queued} may."
        obstacles.append(Obstacle(code="queue_full", message=message, refuses=True))
    return obstacles


async def _waits(service: ImagingService, backend: str, owner: str, *, most: int) -> bool:
    """Whether so many of the owner's jobs wait already."""
    queued, found, cursor = frozenset({JobStatus.QUEUED}), 0, None
    while found < most:
        limit = min(_AT_ONCE, most - found)
        page = await service.list(JobQuery(statuses=queued, backend=backend, owner=owner, limit=limit, cursor=cursor))
        found, cursor = found + len(page.jobs), page.cursor
        if cursor is None:
            break
    return found >= most


def _eta_s(view: BackendView) -> float | None:
    mean_s, slots = view.queue.mean_run_s, view.gate.slots
    if mean_s is None or slots < 1 or view.queue.paused is not None:
        return None
    return view.gate.closed_for_s + mean_s * ((view.queue.claimable + view.queue.started) / slots + 1)

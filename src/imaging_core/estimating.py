"""What a request would cost and whether it could run now, without queueing anything; imports attrs and this package."""

import attrs

from imaging_core.errors import ImagingError, StorageFull
from imaging_core.images import ImageRequest, plan_calls
from imaging_core.ports import QueueLimits
from imaging_core.service import BackendView, ImagingService
from imaging_core.submitting import with_seed


@attrs.frozen(kw_only=True)
class Obstacle:
    """One thing that speaks against a request now."""

    #: backend_unreachable, backend_closed, queue_full, storage_full or unavailable.
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

    @property
    def accepted(self) -> bool:
        """Whether a submit would be taken now."""
        return not any(obstacle.refuses for obstacle in self.obstacles)

    @property
    def startable(self) -> bool:
        """Whether the backend would take it on as soon as it is its turn."""
        return not self.obstacles


async def estimate(service: ImagingService, request: ImageRequest, *, backend: str) -> Estimate:
    """What would come of a request; nothing is stored, and no call is made that costs.

    Raises UnknownBackend, BackendNotConfigured, InvalidRequest, and Unavailable when the request cannot be checked.
    """
    capabilities = await service.capabilities(backend)
    fitted = capabilities.fit(request)
    # A submit refuses seeds that leave no room for the further pictures.
    with_seed(fitted)
    view = await service.backend(backend)
    obstacles = [*_of_backend(view), *_of_queue(view, service.queue_limits)]
    try:
        await service.check_room()
    except ImagingError as error:
        code = "storage_full" if isinstance(error, StorageFull) else "unavailable"
        obstacles.append(Obstacle(code=code, message=str(error), refuses=True))
    return Estimate(
        backend=backend,
        request=fitted,
        calls=len(plan_calls(fitted)),
        credits=capabilities.price(fitted),
        paid=capabilities.paid,
        queue_position=view.queue.claimable + 1,
        eta_s=_eta_s(view),
        obstacles=tuple(obstacles),
    )


def _of_backend(view: BackendView) -> list[Obstacle]:
    if not view.answers:
        return [Obstacle(code="backend_unreachable", message=view.message, refuses=False)]
    if view.gate.closed_for_s > 0:
        message = (
            f"Backend {view.name!r} takes no calls for another {view.gate.closed_for_s:.0f} s ({view.gate.reason})."
        )
        return [Obstacle(code="backend_closed", message=message, refuses=False)]
    return []


def _of_queue(view: BackendView, limits: QueueLimits | None) -> list[Obstacle]:
    most = limits.max_queued if limits else None
    if most is None or view.queue.claimable < most:
        return []
    message = f"{view.queue.claimable} jobs wait for backend {view.name!r}, and at most {most} may."
    return [Obstacle(code="queue_full", message=message, refuses=True)]


def _eta_s(view: BackendView) -> float | None:
    mean_s, slots = view.queue.mean_run_s, view.gate.slots
    if mean_s is None or slots < 1:
        return None
    return view.gate.closed_for_s + mean_s * ((view.queue.claimable + view.queue.started) / slots + 1)

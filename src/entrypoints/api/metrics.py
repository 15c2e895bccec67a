"""GET /metrics: what this process counted and how the service stands now, for Prometheus; imports prometheus_client and this package."""

import asyncio
from collections.abc import Iterable

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.event_feed import EventFeed
from entrypoints.api.figures import Figures
from imaging_core.errors import ImagingError
from imaging_core.outbox import OutboxState
from imaging_core.ports import GateState, QueueState
from imaging_core.service import ImagingService

#: Longest time to find out how things stand, in s: a scrape must not wait for a database that is away.
_LOOK_S = 3.0

_OPEN_METRICS = "application/openmetrics-text"
_TEXT = {
    media_type: {"schema": {"type": "string"}, "example": 'imaging_jobs_waiting{backend="local"} 3.0\n'}
    for media_type in ("text/plain", _OPEN_METRICS)
}


class MetricsDoor:
    """Shows figures to whoever watches over the service."""

    def __init__(self, service: ImagingService, figures: Figures, feed: EventFeed) -> None:
        self._service = service
        self._figures = figures
        self._feed = feed

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoint."""
        app.router.add_api_route(
            "/metrics",
            self.metrics,
            summary="Figures for Prometheus",
            tags=["health"],
            response_class=Response,
            responses={200: {"description": "In the text format, or OpenMetrics as Accept says.", "content": _TEXT}},
        )

    async def metrics(self, request: Request) -> Response:
        """Counters of this process, and gauges of the queue and the backends as they are now."""
        found = CollectorRegistry()
        found.register(_Found([*self._figures.registry.collect(), *await self._standing()]))
        # The library stumbles over versions that are none; what it is given here is ours.
        wanted = _OPEN_METRICS if _OPEN_METRICS in request.headers.get("accept", "").lower() else ""
        encode, media_type = choose_encoder(wanted)
        return Response(encode(found), headers={"cache-control": "no-store", "content-type": media_type})

    async def _standing(self) -> list[Metric]:
        """How things stand; without the backends that nobody can tell of, for which `imaging_state_known` is 0."""
        names = self._service.backend_names
        # All at a time: whoever scrapes has little patience, and each may take its longest.
        workers, webhooks, looks = await asyncio.gather(
            self._workers(), self._webhooks(), asyncio.gather(*map(self._look, names))
        )
        streams = GaugeMetricFamily("imaging_event_readers", "Event streams and long waits that are open.")
        streams.add_metric((), self._feed.listeners)
        return [streams, workers, *webhooks, *_families(dict(zip(names, looks, strict=True)))]

    async def _workers(self) -> Metric:
        """Without any backend while nobody can tell."""
        family = GaugeMetricFamily("imaging_workers", "Workers that are alive.", labels=("backend",))
        try:
            async with asyncio.timeout(_LOOK_S):
                seen = await self._service.workers()
        except (ImagingError, TimeoutError):
            return family
        for backend in self._service.backend_names:
            family.add_metric((backend,), sum(1 for worker in seen if worker.sign.slots.get(backend)))
        return family

    async def _webhooks(self) -> list[Metric]:
        """None of them while nobody can tell."""
        try:
            async with asyncio.timeout(_LOOK_S):
                found = await self._service.webhooks.state() if self._service.webhooks else OutboxState()
        except (ImagingError, TimeoutError):
            return []
        return [
            GaugeMetricFamily("imaging_webhooks_pending", "Messages neither delivered nor given up.", found.pending),
            GaugeMetricFamily("imaging_webhooks_due", "Of those, due now and not being sent.", found.due),
            GaugeMetricFamily(
                "imaging_webhook_oldest_due_seconds", "How long the first of them is due.", found.oldest_due_s
            ),
        ]

    async def _look(self, backend: str) -> tuple[QueueState, GateState] | None:
        try:
            async with asyncio.timeout(_LOOK_S):
                return await self._service.jobs.state(backend), await self._service.gate_state(backend)
        except (ImagingError, TimeoutError):
            return None


class _Found(Collector):
    """Families that were found out before, without the moment when each of their series began, which nobody asks for."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)
        for family in self._families:
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(looks: dict[str, tuple[QueueState, GateState] | None]) -> list[Metric]:
    def gauge(name: str, text: str, *more: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, text, labels=("backend", *more))

    known = gauge("imaging_state_known", "Whether the figures of that backend could be read now.")
    waiting = gauge("imaging_jobs_waiting", "Jobs that anybody may claim now.")
    oldest = gauge("imaging_oldest_waiting_seconds", "How long the oldest of them has been waiting.")
    started = gauge("imaging_jobs_started", "Jobs under way, parked ones included.")
    paused = gauge("imaging_backend_paused", "Whether an operator keeps it from beginning jobs.")
    slots = gauge("imaging_gate_slots", "Calls of the backend that may be under way, over all workers.")
    in_use = gauge("imaging_gate_slots_in_use", "Calls of the backend under way.")
    closed = gauge("imaging_gate_closed_seconds", "How long nobody is let in yet, and why.", "reason")
    for backend, look in looks.items():
        known.add_metric((backend,), 0 if look is None else 1)
        if look is None:
            continue
        queue, gate = look
        waiting.add_metric((backend,), queue.claimable)
        oldest.add_metric((backend,), queue.oldest_claimable_s)
        started.add_metric((backend,), queue.started)
        paused.add_metric((backend,), 0 if queue.paused is None else 1)
        slots.add_metric((backend,), gate.slots)
        in_use.add_metric((backend,), gate.in_use)
        for reason in ("pause", "rate", "circuit"):
            closed.add_metric((backend, reason), gate.closed_for_s if gate.reason == reason else 0.0)
    return [known, waiting, oldest, started, paused, slots, in_use, closed]

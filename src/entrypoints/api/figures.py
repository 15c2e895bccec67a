"""What this process counts for monitoring: requests, and what the event log tells of jobs; imports prometheus_client and the core.

A registry of its own, never the library's global one: two services in one process count apart.
"""

import asyncio
import logging
import platform
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import ClassVar

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, Info, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from starlette.types import Scope

from imaging_core.deliveries import DeliveryState
from imaging_core.errors import ImagingError, UnknownCursor
from imaging_core.events import EventKind, JobEvent
from imaging_core.faults import log_fault
from imaging_core.ports import JobEvents
from imaging_core.watching import subscribed

log = logging.getLogger("imaging.metrics")

#: Upper bounds of the histograms, in s.
REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
JOB_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)

#: Of requests that no route took, whatever their path was: a path may hold anything, and each value is kept for ever.
NO_ROUTE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_ENDS = {EventKind.FINISHED, EventKind.FAILED, EventKind.CANCELLED}

#: Wait before the log is asked again after it did not answer, in s.
_AGAIN_S = 1.0


class _Kind:
    """Requests of one route, method and status."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        #: Counts by upper bound, the last one for all that took longer.
        self.buckets = [0] * (len(REQUEST_S) + 1)
        self.seconds = 0.0


class HttpFigures(Collector):
    """Requests of this process by route, method and status. Lives on the event loop.

    Each request is counted, so this adds up by itself: the library's counters take a lock each, and as long as everything
    else that the edge does.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._kinds: dict[tuple[str, str, int], _Kind] = {}
        registry.register(self)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request was answered; status 0 when its client went away before."""
        kind = self._kinds.get((route, method, status))
        if kind is None:
            # Anybody can invent methods, and each one would be kept for ever.
            kind = self._kinds.setdefault((route, method if method in _METHODS else "other", status), _Kind())
        kind.buckets[bisect_left(REQUEST_S, seconds)] += 1
        kind.seconds += seconds

    def collect(self) -> Iterable[Metric]:
        """The families, as the library writes them."""
        text = "Time from a request's head to the end of its answer; streams and waits count whole."
        labels = ("route", "method", "status")
        took = HistogramMetricFamily("imaging_http_request_seconds", text, labels=labels)
        count = CounterMetricFamily("imaging_http_requests", "Requests answered.", labels=labels)
        bounds = [*map(floatToGoString, REQUEST_S), "+Inf"]
        for (route, method, status), kind in self._kinds.items():
            values = (route, method, str(status))
            sums = list(accumulate(kind.buckets))
            took.add_metric(values, list(zip(bounds, sums, strict=True)), kind.seconds)
            count.add_metric(values, sums[-1])
        return [count, took]


class JobFigures:
    """Ends of jobs that the event log has told since this process began, whichever process worked on them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._submitted = Counter("imaging_jobs_submitted", "Jobs queued.", ("backend",), registry=registry)
        self._ended = Counter(
            "imaging_jobs_ended",
            "Jobs that ended; code says why one failed.",
            ("backend", "outcome", "code"),
            registry=registry,
        )
        self._parked = Counter(
            "imaging_jobs_parked", "Times that a job was put off.", ("backend", "reason"), registry=registry
        )
        self._taken_over = Counter(
            "imaging_jobs_taken_over",
            "Jobs that went on after their worker fell silent.",
            ("backend",),
            registry=registry,
        )
        self._moved = Counter(
            "imaging_jobs_moved", "Jobs that went to another backend.", ("left", "backend"), registry=registry
        )
        self._waited = Histogram(
            "imaging_job_wait_seconds",
            "Time from submit to the first start, of ended jobs.",
            ("backend",),
            buckets=JOB_S,
            registry=registry,
        )
        self._ran = Histogram(
            "imaging_job_run_seconds",
            "Time from the first start to the end, of finished jobs.",
            ("backend",),
            buckets=JOB_S,
            registry=registry,
        )
        self._credits = Counter(
            "imaging_credits", "Provider credits that ended jobs cost.", ("backend",), registry=registry
        )

    def happened(self, event: JobEvent) -> None:
        """Count one event."""
        backend = event.backend
        if event.kind is EventKind.QUEUED:
            self._submitted.labels(backend).inc()
        elif event.kind is EventKind.PARKED:
            self._parked.labels(backend, event.data.get("reason", "")).inc()
        elif event.kind is EventKind.TAKEN_OVER:
            self._taken_over.labels(backend).inc()
        elif event.kind is EventKind.MOVED:
            self._moved.labels(event.data.get("left", ""), backend).inc()
        elif event.kind in _ENDS:
            code = event.data.get("code", "") if event.kind is EventKind.FAILED else ""
            self._ended.labels(backend, event.kind.value, code).inc()
            self._credits.labels(backend).inc(float(event.data.get("credits", 0)))
            if "waited_s" in event.data:
                self._waited.labels(backend).observe(float(event.data["waited_s"]))
            if event.kind is EventKind.FINISHED and "ran_s" in event.data:
                self._ran.labels(backend).observe(float(event.data["ran_s"]))

    async def follow(self, events: JobEvents) -> None:
        """Count what happens from now on, until cancelled; what an outage of the log hides is counted after it."""
        after: str | None = None
        while True:
            try:
                if after is None:
                    after = await events.cursor()
                async with subscribed(events, after=after) as stream:
                    async for event in stream:
                        after = event.cursor
                        self.happened(event)
            except UnknownCursor:
                log.warning("Some events are missing in the metrics: the log went on without them.")
                after = None
            except ImagingError as error:
                log.warning("The metrics of jobs are late: %s", error)
            except Exception as error:  # noqa: BLE001  # nobody awaits this task, and the next look may find it gone
                log_fault(log, "The metrics of jobs are late.", error, {})
                after = None
            await asyncio.sleep(_AGAIN_S)


class WebhookFigures(Collector):
    """What came of the messages to webhooks that this process sent."""

    _WORDS: ClassVar = {
        DeliveryState.DELIVERED: "delivered",
        DeliveryState.PENDING: "repeated",
        DeliveryState.FAILED: "failed",
    }

    def __init__(self, outcomes: Mapping[DeliveryState, int], registry: CollectorRegistry) -> None:
        self._outcomes = outcomes
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """The family; with every outcome from the start, so that the first failure is an increase."""
        text = "Messages to webhooks that arrived, are sent again later, or were given up."
        family = CounterMetricFamily("imaging_webhook_messages", text, labels=("outcome",))
        for state, word in self._WORDS.items():
            family.add_metric((word,), self._outcomes.get(state, 0))
        return [family]


class Figures:
    """Everything that one process counts."""

    def __init__(self, *, version: str = "0.1.0", webhooks: Mapping[DeliveryState, int] | None = None) -> None:
        """`webhooks` is what a deliverer counts."""
        self.registry = CollectorRegistry()
        WebhookFigures({} if webhooks is None else webhooks, self.registry)
        self.http = HttpFigures(self.registry)
        self.jobs = JobFigures(self.registry)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        build = Info("imaging_build", "What runs here.", registry=self.registry)
        build.info({"version": version, "python": platform.python_version()})


def route_of(scope: Scope) -> str:
    """The pattern of the route that took a request, never its path: that may hold anything."""
    route = getattr(scope.get("route"), "path", None)
    return route if isinstance(route, str) and route else NO_ROUTE

"""The log of messages to webhooks, sending one again, and the secret they are signed with; imports FastAPI and this package."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.callers import caller_of
from entrypoints.api.encoding import json_answer
from entrypoints.api.job_answers import Answer
from entrypoints.api.moments import time_text
from entrypoints.api.openapi import problems
from entrypoints.api.webhook_shapes import Deliveries, DeliveryAnswer, SigningSecret
from imaging_core.deliveries import Delivery, WebhookSecrets
from imaging_core.errors import DeliveryNotFound, JobConflict
from imaging_core.jobs import Job
from imaging_core.service import ImagingService
from imaging_core.webhook_desk import WebhookDesk


class WebhooksDoor:
    """Tells of messages to webhooks."""

    def __init__(self, service: ImagingService) -> None:
        self._service = service

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints."""
        app.router.add_api_route(
            "/jobs/{image_id}/deliveries",
            self.deliveries,
            summary="The messages to a job's webhook",
            responses={200: {"model": Deliveries}, **problems(404, 410)},
            tags=["webhooks"],
        )
        app.router.add_api_route(
            "/jobs/{image_id}/deliveries/{delivery_id}/resend",
            self.resend,
            methods=["POST"],
            status_code=202,
            summary="Send a message to a webhook again",
            responses={202: {"model": DeliveryAnswer}, **problems(404, 410)},
            tags=["webhooks"],
        )
        app.router.add_api_route(
            "/webhooks/secret",
            self.secret,
            summary="What your messages are signed with",
            responses={200: {"model": SigningSecret}, **problems(409)},
            tags=["webhooks"],
        )
        app.router.add_api_route(
            "/webhooks/secret/rotate",
            self.rotate,
            methods=["POST"],
            summary="Replace the secret that your messages are signed with",
            responses={200: {"model": SigningSecret}, **problems(409)},
            tags=["webhooks"],
        )

    async def deliveries(self, request: Request, image_id: str) -> Response:
        """Every message about the job's end, with the newest attempts; empty while it is open or has no webhook."""
        caller = caller_of(request)
        job = await self._service.get(image_id, owner=caller.sees)
        desk = self._service.webhooks
        found = await desk.deliveries(job) if desk is not None else ()
        return json_answer({"deliveries": [_delivery(job, each, whole=job.owner == caller.owner) for each in found]})

    async def resend(self, request: Request, image_id: str, delivery_id: str) -> Response:
        """Sent at once, and under a fresh schedule if that fails; with the same webhook-id as before."""
        caller = caller_of(request)
        job = await self._service.get(image_id, owner=caller.sees)
        if self._service.webhooks is None:
            raise DeliveryNotFound
        delivery = await self._service.webhooks.resend(job, delivery_id)
        return json_answer(_delivery(job, delivery, whole=job.owner == caller.owner), 202)

    async def secret(self, request: Request) -> Response:
        """Verify messages with it as Standard Webhooks says; it is made at the first question."""
        return _secret(await self._desk().secrets(caller_of(request).owner))

    async def rotate(self, request: Request) -> Response:
        """A fresh secret; the one before signs too for 24 hours, so that receivers can change over."""
        return _secret(await self._desk().rotate(caller_of(request).owner))

    def _desk(self) -> WebhookDesk:
        if self._service.webhooks is None:
            raise JobConflict("This service tells no webhooks.")
        return self._service.webhooks


def _delivery(job: Job, delivery: Delivery, *, whole: bool) -> Answer:
    hook = job.webhook
    return {
        "id": delivery.id,
        "type": f"job.{delivery.event}",
        # The rest may be a secret of whoever submitted the job.
        "url": "" if hook is None else hook.url if whole else hook.origin,
        "state": delivery.state.value,
        "created_at": time_text(delivery.created_at),
        "next_attempt_at": time_text(delivery.due_at),
        "attempts": [
            {"at": time_text(a.at), "status": a.status, "took_ms": a.took_ms, "error": a.error}
            for a in delivery.attempts
        ],
    }


def _secret(secrets: WebhookSecrets) -> Response:
    body = {"secret": secrets.current, "previous_signs_until": time_text(secrets.previous_until)}
    return json_answer(body)

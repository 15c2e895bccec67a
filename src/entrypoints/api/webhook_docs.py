"""What the API's description says about the messages to webhooks; imports the core's words."""

from typing import Any

from imaging_core.webhooks import WebhookEvent

_HEADERS = {
    "webhook-id": "The same in every attempt.",
    "webhook-timestamp": "When this attempt was made, in s since 1970.",
    "webhook-signature": "`v1,` and the base64 of an HMAC-SHA256 over id, timestamp and body, one for each secret in force.",
}


def describe_webhooks(spec: dict[str, Any]) -> None:
    """Say what is posted to the URL that a submit names."""
    status = spec["components"]["schemas"]["Status"]
    # All that may change after the end stays out of a message, which is the same in every attempt.
    told = {
        "type": "object",
        "properties": {name: shape for name, shape in status["properties"].items() if name != "favourite"},
        "required": [name for name in status["required"] if name != "favourite"],
    }
    message = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "enum": [f"job.{event.value}" for event in WebhookEvent]},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": told,
        },
    }
    headers = [
        {"name": name, "in": "header", "required": True, "description": meaning, "schema": {"type": "string"}}
        for name, meaning in _HEADERS.items()
    ]
    spec["webhooks"] = {
        "jobEnded": {
            "post": {
                "summary": "A job has ended",
                "description": "Posted to the `webhook` of a submit; may come more than once.",
                "operationId": "job_ended",
                "tags": ["webhooks"],
                "security": [],
                "parameters": headers,
                "requestBody": {"required": True, "content": {"application/json": {"schema": message}}},
                "responses": {"2XX": {"description": "Taken; anything else is tried again later."}},
            }
        }
    }

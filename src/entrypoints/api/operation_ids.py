"""What /openapi.json calls each operation, after which generated clients name their functions; imports nothing.

The words are those of the Python client where it has the call, so that people find their way from one to the other.
"""

from collections.abc import Mapping
from typing import Any

#: Path: method: name. A path that is not here has no name of its own yet, and a test says so.
OPERATION_IDS: Mapping[str, Mapping[str, str]] = {
    "/images": {"post": "submit"},
    "/local/images": {"post": "submit_local"},
    "/images/edits": {"post": "edit"},
    "/images/upscale": {"post": "upscale"},
    "/images/batch": {"post": "submit_all"},
    "/estimate": {"post": "estimate"},
    "/status/{image_id}": {"get": "get_status"},
    "/jobs": {"get": "list_jobs"},
    "/jobs/{image_id}": {"get": "get_job", "delete": "delete_job"},
    "/jobs/{image_id}/cancel": {"post": "cancel_job"},
    "/jobs/{image_id}/retry": {"post": "retry_job"},
    "/jobs/{image_id}/favourite": {"put": "mark_job", "delete": "unmark_job"},
    "/jobs/cancel": {"post": "cancel_all"},
    "/jobs/{image_id}/events": {"get": "watch_job"},
    "/events": {"get": "watch_jobs"},
    "/jobs/{image_id}/deliveries": {"get": "list_deliveries"},
    "/jobs/{image_id}/deliveries/{delivery_id}/resend": {"post": "resend_delivery"},
    "/webhooks/secret": {"get": "get_webhook_secret"},
    "/webhooks/secret/rotate": {"post": "rotate_webhook_secret"},
    "/image/{image_id}": {"get": "get_image"},
    "/image/{image_id}/thumbnail": {"get": "get_thumbnail"},
    "/image/{image_id}/preview": {"get": "get_preview"},
    "/image/{image_id}/input": {"get": "get_input_image"},
    "/png-info": {"post": "read_picture"},
    "/backends": {"get": "list_backends"},
    "/backends/{name}/pause": {"post": "pause_backend"},
    "/backends/{name}/resume": {"post": "resume_backend"},
    "/backends/{name}/history": {"get": "get_history"},
    "/workers": {"get": "list_workers"},
    "/local/models": {"get": "list_local_models"},
    "/local/sampler_names": {"get": "list_local_samplers"},
    "/local/schedulers": {"get": "list_local_schedulers"},
    "/keys": {"get": "list_keys", "post": "create_key"},
    "/keys/{key_id}": {"delete": "revoke_key"},
    "/audit": {"get": "read_audit"},
    "/livez": {"get": "check_alive"},
    "/readyz": {"get": "check_ready"},
    "/metrics": {"get": "read_metrics"},
    "/v1/images/generations": {"post": "openai_generate"},
    "/v1/images/edits": {"post": "openai_edit"},
    "/v1/models": {"get": "openai_list_models"},
    "/v1/models/{model}": {"get": "openai_get_model"},
}

_PLACES: Mapping[str, str] = {
    "image_id": "The id that the submit was answered with.",
    "delivery_id": "One of those that GET /jobs/{image_id}/deliveries lists.",
    "name": "A backend's name, as GET /backends has it.",
    "key_id": "A key's id, as GET /keys has it; not the key itself.",
    "model": "A model's id, as GET /v1/models has it.",
}


def name_operations(spec: dict[str, Any]) -> None:
    """Give every operation its name, and say what stands in its path."""
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            if (name := OPERATION_IDS.get(path, {}).get(method)) is not None:
                operation["operationId"] = name
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter.setdefault("description", _PLACES.get(parameter["name"], ""))

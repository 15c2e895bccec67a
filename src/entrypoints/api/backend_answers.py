"""Backends as the dictionaries that answers hold: enough to draw a form from; imports the core's values and this package."""

from typing import Any

from entrypoints.api.moments import time_text
from imaging_core.capabilities import Capabilities
from imaging_core.observing import QueueMinute, WorkerSeen
from imaging_core.parameters import Parameter
from imaging_core.pool import InstanceLook
from imaging_core.ports import GateState, Pause, QueueState
from imaging_core.service import BackendView

Answer = dict[str, Any]


def backend(view: BackendView) -> Answer:
    """A backend that is set up."""
    able = view.capabilities
    return {
        "name": view.name,
        "title": able.title if able else None,
        "configured": True,
        "answers": view.answers,
        "message": view.message,
        **_abilities(able),
        "gate": _gate(view.gate),
        "queue": _queue(view.queue),
        "paused": paused(view.queue.paused),
        "instances": [_instance(look, view.gate) for look in view.instances],
    }


def unconfigured(name: str, message: str) -> Answer:
    """A backend that could be there; the message says which setting is missing."""
    return {
        "name": name,
        "title": None,
        "configured": False,
        "answers": False,
        "message": message,
        **_abilities(None),
        "gate": None,
        "queue": None,
        "instances": [],
        "paused": None,
    }


def paused(pause: Pause | None) -> Answer | None:
    """Since when and why an operator keeps a backend from beginning anything."""
    return None if pause is None else {"since": time_text(pause.since), "reason": pause.reason}


def standing(name: str, queue: QueueState) -> Answer:
    """How a backend stands after it was paused or resumed."""
    return {"name": name, "paused": paused(queue.paused), "queue": _queue(queue)}


def minute(minute: QueueMinute) -> Answer:
    """How busy a backend was in one minute."""
    return {
        "at": time_text(minute.at),
        "waiting": minute.waiting,
        "started": minute.started,
        "longest_wait_s": round(minute.longest_wait_s, 1),
    }


def worker(seen: WorkerSeen) -> Answer:
    """A worker, as it says itself."""
    sign = seen.sign
    return {
        "name": sign.name,
        "slots": dict(sign.slots),
        "busy": dict(sign.busy),
        "version": sign.version,
        "started_at": time_text(sign.started_at),
        "seen_at": time_text(seen.seen_at),
    }


def _abilities(able: Capabilities | None) -> Answer:
    return {
        "paid": able.paid if able else None,
        "notice": able.notice if able else None,
        "operations": [operation.value for operation in able.operations] if able else [],
        "images_per_call": able.images_per_call if able else None,
        "max_pixels": able.max_pixels if able else None,
        "credits": dict(able.credits) if able else {},
        "parameters": [_parameter(p) for p in able.parameters] if able else [],
    }


def _parameter(parameter: Parameter) -> Answer:
    return {
        "name": parameter.name,
        "kind": parameter.kind.value,
        "required": parameter.required,
        "default": parameter.default,
        "minimum": parameter.minimum,
        "maximum": parameter.maximum,
        "multiple_of": parameter.multiple_of,
        "max_length": parameter.max_length,
        "choices": list(parameter.choices),
        "only_for": list(parameter.only_for),
        "operations": [operation.value for operation in parameter.operations],
        "min_pixels": parameter.min_pixels,
        "max_pixels": parameter.max_pixels,
        "max_ratio": parameter.max_ratio,
        "description": parameter.description,
    }


def _instance(look: InstanceLook, gate: GateState) -> Answer:
    own = gate.instances.get(look.name, GateState())
    return {
        "name": look.name,
        "answers": look.answers,
        "message": look.message,
        "loaded": look.loaded,
        "checkpoints": list(look.checkpoints),
        "busy": own.in_use > 0,
        "closed_for_s": round(own.closed_for_s, 1),
        "reason": own.reason,
    }


def _gate(gate: GateState) -> Answer:
    return {
        "open": gate.closed_for_s <= 0,
        "in_use": gate.in_use,
        "slots": gate.slots,
        "closed_for_s": round(gate.closed_for_s, 1),
        "reason": gate.reason,
    }


def _queue(queue: QueueState) -> Answer:
    return {
        "waiting": queue.claimable,
        "started": queue.started,
        "oldest_waiting_s": round(queue.oldest_claimable_s, 1),
        "mean_run_s": None if queue.mean_run_s is None else round(queue.mean_run_s, 2),
    }

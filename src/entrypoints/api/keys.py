"""POST, GET and DELETE /keys, and GET /audit, for admins; imports FastAPI, the core's keys and this package."""

from typing import Any

import attrs
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.bodies import read_json
from entrypoints.api.callers import Scope, caller_of
from entrypoints.api.config import ApiConfig
from entrypoints.api.encoding import json_answer
from entrypoints.api.key_shapes import Audit, Key, KeyRequest, Keys, MadeKey
from entrypoints.api.modelled import model_of
from entrypoints.api.moments import time_text
from entrypoints.api.openapi import BODY_PROBLEMS, body, problems, query
from entrypoints.api.problems import Problem
from entrypoints.api.query_numbers import whole_number
from imaging_core.keyring import Keyring
from imaging_core.keys import ApiKey, KeyLimits, KeyNotFound

_MOST_RECORDS = 1000


class KeysDoor:
    """Makes, lists and revokes keys. The gatekeeper has seen to it that an admin asks, or that there are no keys yet."""

    def __init__(self, keyring: Keyring, config: ApiConfig) -> None:
        self._keyring = keyring
        self._config = config

    def add_to(self, app: FastAPI) -> None:
        """Register the endpoints."""
        add = app.router.add_api_route
        add(
            "/keys",
            self.create,
            methods=["POST"],
            status_code=201,
            summary="Make a key",
            responses={201: {"model": MadeKey}, **problems(*BODY_PROBLEMS)},
            openapi_extra=body(KeyRequest),
            tags=["keys"],
        )
        add("/keys", self.list, summary="Every key", responses={200: {"model": Keys}}, tags=["keys"])
        add(
            "/keys/{key_id}",
            self.revoke,
            methods=["DELETE"],
            summary="Revoke a key",
            responses={200: {"model": Key}, **problems(404, 422)},
            tags=["keys"],
        )
        add(
            "/audit",
            self.audit,
            summary="What was done to keys and jobs",
            responses={200: {"model": Audit}, **problems(422)},
            openapi_extra=query(
                "limit", "Most records.", type="integer", minimum=1, maximum=_MOST_RECORDS, default=100
            ),
            tags=["keys"],
        )

    async def create(self, request: Request) -> Response:
        """The answer holds the whole key, which nobody can tell again."""
        asked = model_of(KeyRequest, await read_json(request, self._config))
        made = await self._keyring.create(
            asked.name,
            scopes=None if asked.scopes is None else [Scope(scope) for scope in asked.scopes],
            limits=KeyLimits(**{name: getattr(asked, name) for name in attrs.fields_dict(KeyLimits)}),
            by=caller_of(request).key_id,
        )
        answer = {**_shown(made.key), "key": made.token}
        return json_answer(answer, 201, {"location": f"/keys/{made.key.id}"})

    async def list(self, request: Request) -> Response:  # noqa: ARG002  # a lean endpoint takes it
        """Revoked ones too, and those that IMAGING_API_KEYS gives."""
        return json_answer({"keys": [_shown(key) for key in await self._keyring.list()]})

    async def revoke(self, request: Request, key_id: str) -> Response:
        """It is good for nothing any more: at once in the process that answers, within 5 s in all."""
        try:
            key = await self._keyring.revoke(key_id, by=caller_of(request).key_id)
        except KeyNotFound as error:
            raise Problem("not-found", 404, str(error)) from None
        return json_answer(_shown(key))

    async def audit(self, request: Request) -> Response:
        """The newest first."""
        limit = whole_number(request.query_params, "limit", 100, low=1, high=_MOST_RECORDS)
        entries = await self._keyring.keys.notes(limit=limit)
        records = [{"at": time_text(e.at), "action": e.action, "subject": e.subject, "actor": e.actor} for e in entries]
        return json_answer({"records": records})


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": time_text(key.created_at),
        "revoked_at": time_text(key.revoked_at),
        "last_used_at": time_text(key.last_used_at),
        **attrs.asdict(key.limits),
    }

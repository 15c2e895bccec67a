"""Lets nobody in whom no key, no link and no openness of the service lets in; imports Starlette, the core's keys and this package."""

import logging
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import parse_qsl

# What the router itself matches routes against: whatever is decided here must be decided over the same path.
from starlette._utils import get_route_path
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from entrypoints.api.access import Access
from entrypoints.api.browsers import check_host, check_origin
from entrypoints.api.callers import ANYBODY, CALLER, LINK, STRANGER, Caller, Scope
from entrypoints.api.credentials import Credentials, credentials_of, takes_basic
from entrypoints.api.problems import Problem, problem_of
from imaging_core.errors import ImagingError
from imaging_core.keyring import Keyring
from imaging_core.keys import ApiKey
from imaging_core.memory import MemoryRequestMeter

log = logging.getLogger("imaging.access")

#: How a refusal is told below a path; everywhere else as a problem.
Tellers = Mapping[str, Callable[[Problem], Response]]

#: Need no key: they tell a machine whether to restart or to wait.
HEALTH = frozenset({"/livez", "/readyz"})
_ADMIN = ("/keys", "/audit", "/metrics", "/workers")
#: Change nothing although they are POSTs.
_READING = frozenset({"/png-info", "/estimate", "/sdapi/v1/png-info"})


def needed_scope(method: str, path: str) -> Scope:
    """What a key must be allowed for a request."""
    # A route's pattern ends with `$`, which matches before a last line feed too: /keys%0A is answered like /keys.
    path = path.removesuffix("\n")
    if not path.startswith("/"):
        # Servers hand on targets like "*keys". No route has such a path; should a layer ever find one, it is no way in.
        return Scope.ADMIN
    if any(path == one or path.startswith(f"{one}/") for one in _ADMIN):
        return Scope.ADMIN
    if method == "POST" and path.startswith("/backends/"):
        return Scope.ADMIN
    # Whoever has the secret can write messages in its owner's name.
    if path == "/webhooks/secret":
        return Scope.SUBMIT
    if method in ("GET", "OPTIONS") or path in _READING:
        return Scope.READ
    return Scope.SUBMIT


class Gatekeeper:
    """The layer below the edge: every request behind it has its caller in its scope."""

    def __init__(self, app: ASGIApp, *, access: Access, tellers: Tellers | None = None) -> None:
        """`tellers` are how façades tell a refusal, by the path they live below, such as `/v1/`."""
        self._app = app
        self._access = access
        self._tellers = dict(tellers or {})
        #: Wrong keys, by address; bounded, like all that strangers can make grow.
        self._wrong = MemoryRequestMeter()

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Find out who asks, then pass the request on or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = get_route_path(scope)
        try:
            caller = await self._admit(scope, path)
        except Problem as problem:
            await self._told(problem, path)(scope, receive, send)
            return
        except ImagingError as error:
            await self._told(problem_of(error), path)(scope, receive, send)
            return
        scope[CALLER] = caller
        answer = _Watched(send)
        await self._app(scope, receive, answer.send)
        if scope["method"] == "DELETE" and path.startswith("/jobs/") and answer.status == 204:
            await self._access.note("job.deleted", path.removeprefix("/jobs/"), by=caller.key_id)

    def _told(self, problem: Problem, path: str) -> Response:
        for below, teller in self._tellers.items():
            if path.startswith(below):
                return teller(problem)
        return problem.response()

    async def _admit(self, scope: AsgiScope, path: str) -> Caller:
        """Who asks. Raises Problem, and Unavailable when nobody can tell."""
        headers, method = Headers(scope=scope), scope["method"]
        keyring = self._access.keyring
        if path in HEALTH:
            return STRANGER if keyring is not None and keyring.known_locked else ANYBODY
        check_host(headers, self._access.allowed_hosts)
        if keyring is None or not await keyring.locked():
            check_origin(method, headers, self._access.cors_origins)
            return ANYBODY
        credentials = credentials_of(headers, path)
        if credentials is None:
            return self._without_key(scope, method, path)
        if credentials.ambient:
            check_origin(method, headers, self._access.cors_origins)
        key = await self._verified(credentials, keyring, _address((scope.get("client") or ("",))[0]), path)
        caller = Caller(key_id=key.id, scopes=key.scopes, limits=key.limits)
        needed = needed_scope(method, path)
        if not caller.may(needed) and not (path == "/metrics" and self._access.open_metrics):
            detail = f"This key has no scope '{needed}'. It has: {', '.join(sorted(key.scopes))}."
            raise Problem("forbidden", 403, detail, extra={"scope": needed.value})
        await self._count(key)
        return caller

    def _without_key(self, scope: AsgiScope, method: str, path: str) -> Caller:
        if path == "/metrics" and self._access.open_metrics:
            return STRANGER
        if method == "GET" and b"signature=" in scope["query_string"]:
            query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            if self._access.signer.knows(path, query):
                return LINK
            raise Problem("bad-link", 403, "This link is not a genuine one, or its time is over. Ask for a new one.")
        raise _unauthorized(path, "This needs a key. Send it as Authorization: Bearer KEY, or as X-API-Key: KEY.")

    async def _verified(self, credentials: Credentials, keyring: Keyring, address: str, path: str) -> ApiKey:
        per_minute = self._access.wrong_keys_per_minute
        wait = self._wrong.wait(address, per_minute=per_minute)
        # Somebody with a good key does not suffer from a neighbour behind the same address.
        if wait > 0 and not keyring.knows(credentials.token):
            detail = f"Too many wrong keys came from your address. Try again in {math.ceil(wait)} s."
            raise Problem("too-many-requests", 429, detail, headers={"retry-after": str(math.ceil(wait))})
        key = await keyring.verify(credentials.token)
        if key is None:
            self._wrong.try_take(address, per_minute=per_minute)
            log.info("A wrong key was refused.", extra={"address": address})
            raise _unauthorized(path, "That is no key of this service, or it was revoked.", wrong=True)
        return key

    async def _count(self, key: ApiKey) -> None:
        per_minute = key.limits.requests_per_minute
        if per_minute is None:
            return
        wait = math.ceil(await self._access.meter.take(key.id, per_minute=per_minute))
        if wait > 0:
            detail = f"This key may make {per_minute} requests a minute. Try again in {wait} s."
            extra = {"limit": "requests_per_minute"}
            raise Problem("too-many-requests", 429, detail, headers={"retry-after": str(wait)}, extra=extra)


class _Watched:
    """An answer on its way out, and what status it had."""

    __slots__ = ("_send", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


def _unauthorized(path: str, detail: str, *, wrong: bool = False) -> Problem:
    bearer = 'Bearer realm="imaging"' + (', error="invalid_token"' if wrong else "")
    challenge = f'Basic realm="imaging, the key as password", {bearer}' if takes_basic(path) else bearer
    return Problem("unauthorized", 401, detail, headers={"www-authenticate": challenge})


@lru_cache(maxsize=4096)
def _address(host: str) -> str:
    """Where a request comes from, for counting: an IPv6 network counts as one, since it costs nothing to have all of it."""
    try:
        address = ip_address(host)
    except ValueError:
        return "local"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address, 64), strict=False).network_address)
    return str(address)

"""The fake Stability AI REST API as an ASGI application: checks in the API's order, charges, and answers.

May import the standard library, attrs, Starlette and Pillow; nothing of the service it is used to test.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import attrs
from starlette.requests import ClientDisconnect, Request

from fakes.stability import contract, drawn_over, faults, fields, intake, operator, pictures, runs, wire
from fakes.stability.ledger import Ledger, RateLimit
from fakes.stability.settings import Settings
from fakes.stability.wire import Answer, Receive, Scope, Send


@attrs.define(kw_only=True)
class Call:
    """What the log will say about one request."""

    id: str
    method: str
    path: str
    key: str
    time_in: float
    fields: dict[str, Any] = attrs.field(factory=dict)
    charged: float = 0.0

    @property
    def caller(self) -> str:
        """The end of the key: tells workers apart that a test gives a key each, and no key from another's log."""
        return self.key[-4:]


class FakeStability:
    """An ASGI application. One instance is one account on one server."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.routes = contract.routes()
        self.ledger = Ledger(settings.log)
        self.limit = RateLimit(
            requests=settings.rate_requests, period=settings.rate_period, lockout=settings.rate_lockout
        )
        self.limit.enabled = settings.rate_limit
        self.faults = faults.Faults()
        self.generations: dict[str, runs.Generation] = {}
        self.requests = 0
        #: Prompt and seed of the runs under way, by call.
        self.running: dict[str, dict[str, Any]] = {}
        self.max_in_flight = 0
        self.redirects_followed = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if scope["path"].startswith("/__"):
            await wire.deliver(await operator.answer(self, request), receive, send)
        else:
            await self._serve(request, receive, send)

    async def _serve(self, request: Request, receive: Receive, send: Send) -> None:
        self.requests += 1
        call = Call(
            id=wire.new_id(),
            method=request.method,
            path=request.scope["path"],
            key=intake.bare_key(request),
            time_in=time.time(),
        )
        try:
            answer = await self._answer(call, request)
        except wire.Refusal as refusal:
            answer = refusal.answer
        except ClientDisconnect:  # in the middle of its own form
            answer = Answer(status=499, body=b"", headers={}, outcome="form_cut_off", delivery="never")
        gone = await wire.has_left(send)
        left = await wire.deliver(answer, receive, send)
        self._log(call, answer, client_gone=gone or left)

    async def _answer(self, call: Call, request: Request) -> Answer:
        if not self.limit.admit(call.key):
            after = self.settings.retry_after
            headers = {"retry-after": after} if after else None
            raise wire.refuse_as_documented(429, "rate_limit_exceeded", "RateLimited", "documented", headers=headers)
        if call.path.startswith("/v1/"):
            return self._v1(call)
        route = self.routes.get(call.path)
        if route is not None and call.method == "POST":
            return await self._generate(call, request, route)
        for prefix, key in (
            ("/v2beta/results/", self.settings.result_key),
            ("/v2beta/stable-image/upscale/creative/result/", "image"),
        ):
            if call.path.startswith(prefix) and call.method == "GET":
                return await self._result(call, request, call.path.removeprefix(prefix), key)
        raise wire.refuse(404, "not_found", ["path: the requested route does not exist"])

    async def _generate(self, call: Call, request: Request, route: contract.Route) -> Answer:
        """One generation. The order of the checks is the API's: a bad field is told before a bad key is."""
        if not call.key:
            raise _unauthorized()
        form = await intake.read_form(request)
        call.fields = {name: intake.loggable(part) for name, part in form.items()}
        values, failures = fields.check(route, form)
        failures += intake.header_failures(request, deferred=route.deferred)
        if failures:
            raise wire.refuse(400, "bad_request", failures)
        if not self._knows(call.key):
            raise _unauthorized()
        prompt = str(values.get("prompt", ""))
        met = self.faults.meet(call.path, prompt)
        price = runs.price_of(route, values)
        if price > self.settings.balance:
            raise wire.refuse_as_documented(402, "payment_required", "PaymentRequired", "verbatim")
        for fault in met:
            if refusal := faults.refusal(fault):
                raise refusal
        self.running[call.id] = {"prompt": prompt, "seed": values.get("seed", 0)}
        self.max_in_flight = max(self.max_in_flight, len(self.running))
        try:
            return await self._run(call, request, runs.Run(route=route, values=values, faults=met, price=price))
        finally:
            del self.running[call.id]

    async def _run(self, call: Call, request: Request, run: runs.Run) -> Answer:
        if run.is_charged and self.settings.charge_at == "start":
            self._charge(call, run)
        if (wait := self.settings.delay + run.extra_delay) > 0:
            await asyncio.sleep(wait)
        if run.is_charged and self.settings.charge_at == "end":
            self._charge(call, run)
        for fault in run.faults:
            if failed := faults.failure(fault):
                raise failed
        generation = run.generation()
        if side := self.settings.picture_side:
            generation.width, generation.height = side, side
        if not run.route.deferred:
            return self._picture(call, request, generation, "image")
        generation.key = call.key
        generation.ready_at = time.monotonic() + self.settings.deferred_delay
        generation.polls_left = self.settings.deferred_polls
        generation_id = wire.new_id() * 2
        self.generations[generation_id] = generation
        return wire.as_json({"id": generation_id}, outcome="accepted")

    async def _result(self, call: Call, request: Request, generation_id: str, key: str) -> Answer:
        if not self._knows(call.key):
            raise _unauthorized()
        met = self.faults.meet(call.path, "")
        for fault in met:
            if planned := (faults.refusal(fault) or faults.failure(fault)):
                raise planned
        generation = self.generations.get(generation_id)
        if generation is None or generation.key != call.key:
            raise wire.refuse_as_documented(404, "generation_not_found", "GenerationNotFound", "documented")
        if failures := intake.header_failures(request, deferred=False):
            raise wire.refuse(400, "bad_request", failures)
        if generation.polls_left > 0 or generation.ready_at > time.monotonic():
            generation.polls_left -= 1
            pending = {"id": generation_id, "status": "in-progress"}
            return _spoilt(wire.as_json(pending, status=202, outcome="in_progress"), met)
        return _spoilt(self._picture(call, request, generation, key), met)

    def _picture(self, call: Call, request: Request, generation: runs.Generation, key: str) -> Answer:
        size = generation.width, generation.height
        template = drawn_over.over(generation.values, size, generation.kind) if not generation.filtered else None
        template = template or pictures.template(
            width=generation.width,
            height=generation.height,
            kind=generation.kind,
            filtered=generation.filtered,
            target=self.settings.picture_bytes,
        )
        data = template.stamped(f"call={call.id} seed={generation.seed}")
        reason = "CONTENT_FILTERED" if generation.filtered else "SUCCESS"
        if intake.wants_json(request):
            answer = wire.picture_as_json(
                data, kind=generation.kind, seed=generation.seed, finish_reason=reason, key=key
            )
        else:
            answer = wire.picture_as_bytes(data, kind=generation.kind, seed=generation.seed, finish_reason=reason)
        return _spoilt(answer, generation.faults)

    def _v1(self, call: Call) -> Answer:
        met = self.faults.meet(call.path, "")
        if any(fault.name == "server-error" for fault in met):
            raise wire.refuse_v1(500, "server_error", "An unexpected server error occurred, please try again.")
        if not call.key:
            raise wire.refuse_v1(401, "unauthorized", contract.message("V1_401", "documented"))
        if not self._knows(call.key):
            said = contract.message("V1_401", "live 2026-10-09").replace("<the key that was sent>", call.key)
            raise wire.refuse_v1(401, "unauthorized", said)
        if (call.method, call.path) == ("GET", "/v1/user/balance"):
            answer = wire.as_json({"credits": self.settings.balance}, outcome="balance")
        elif (call.method, call.path) == ("GET", "/v1/engines/list"):
            operation = contract.cached_document()["paths"]["/v1/engines/list"]["get"]
            engines = operation["responses"]["200"]["content"]["application/json"]["example"]
            answer = wire.as_json(engines, outcome="engines")
        else:
            raise wire.refuse_v1(404, "not_found", "The requested route does not exist.")
        return _spoilt(answer, met)

    def _charge(self, call: Call, run: runs.Run) -> None:
        call.charged = run.price
        self.settings.balance -= run.price
        model = run.values.get("model")
        self.ledger.charge(
            call=call.id,
            path=call.path,
            model=None if model is None else str(model),
            prompt=run.prompt,
            caller=call.caller,
            credits_taken=run.price,
        )

    def _knows(self, key: str) -> bool:
        return key in self.settings.keys if self.settings.keys else key.startswith("sk-")

    def _log(self, call: Call, answer: Answer, *, client_gone: bool) -> None:
        self.ledger.call(
            call=call.id,
            method=call.method,
            path=call.path,
            caller=call.caller,
            fields=call.fields,
            time_in=call.time_in,
            time_out=time.time(),
            status=answer.status,
            outcome=answer.outcome,
            charged=call.charged,
            client_gone=client_gone,
        )


def _unauthorized() -> wire.Refusal:
    return wire.refuse_as_documented(401, "unauthorized", "Unauthorized", "verbatim")


def _spoilt(answer: Answer, met: list[faults.Fault]) -> Answer:
    for fault in met:
        if fault.name in faults.SPOIL_THE_ANSWER:
            answer = faults.spoil(answer, fault)
    return answer

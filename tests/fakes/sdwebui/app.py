"""The routes and the wire: who may call what, how errors look, which headers go with an answer.

May import starlette and this package.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fakes.sdwebui import extras, fields, recorded, validation
from fakes.sdwebui.engine import Engine
from fakes.sdwebui.errors import HTTPRefusal, refused, unhandled
from fakes.sdwebui.faults import deliver_badly, spoilt

#: Sync routes of the real server share one pool of threads; a job that waits for the lock holds one of them.
THREADS = 40

Handler = Callable[[Request], Awaitable[Any]]


@attrs.frozen(kw_only=True)
class Flags:
    """The command-line flags that change the wire."""

    nowebui: bool = False
    #: "user:password", several joined by commas.
    api_auth: str | None = None
    port: int = 7860


class WebUI:
    """One server's routes."""

    def __init__(self, engine: Engine, flags: Flags) -> None:
        self._engine = engine
        self._flags = flags
        self._threads = asyncio.Semaphore(THREADS)
        self._background: set[asyncio.Task[Any]] = set()
        self._accounts = dict(pair.split(":", 1) for pair in (flags.api_auth or "").split(",") if ":" in pair)

    def routes(self) -> list[Route]:
        """Everything under /sdapi/v1, and /internal when there is a UI."""
        routes = [
            self._route(f"/sdapi/v1/{path}", handler, method)
            for method, table in (("GET", self._lists()), ("POST", self._actions()))
            for path, handler in table.items()
        ]
        # Routes of extensions are registered on the app itself, past the check of credentials.
        routes.append(self._route("/sdapi/v1/loras", self._recorded("get_loras"), "GET", guarded=False))
        if not self._flags.nowebui:
            routes += [
                self._route("/internal/ping", self._value({}), "GET", guarded=False),
                self._route("/internal/pending-tasks", self._pending, "GET", guarded=False),
                self._route("/internal/progress", self._task_progress, "POST", guarded=False),
            ]
        return routes

    def _lists(self) -> dict[str, Handler]:
        table: dict[str, Handler] = {
            "sd-models": self._models,
            "samplers": self._value(self._engine.catalog.samplers),
            "upscalers": self._recorded("get_upscalers"),
            "latent-upscale-modes": self._recorded("get_latent-upscale-modes"),
            "sd-vae": self._value(self._engine.catalog.vaes),
            "prompt-styles": self._value(self._engine.catalog.styles),
            "options": self._options,
            "cmd-flags": self._cmd_flags,
            "progress": self._progress,
        }
        names = "hypernetworks face-restorers realesrgan-models embeddings scripts script-info extensions memory"
        table |= {name: self._recorded(f"get_{name}") for name in names.split()}
        if self._engine.catalog.has_schedulers:
            table["schedulers"] = self._value(self._engine.catalog.schedulers)
        return table

    def _actions(self) -> dict[str, Handler]:
        engine = self._engine
        return {
            "txt2img": self._generation("txt2img"),
            "img2img": self._generation("img2img"),
            "options": self._set_options,
            "interrupt": self._act(engine.interrupt, {}),
            "skip": self._act(engine.skip, None),
            "refresh-checkpoints": self._locked(engine.catalog.refresh),
            "refresh-vae": self._locked(lambda: None),
            "refresh-embeddings": self._locked(lambda: None),
            "refresh-loras": self._value(None),
            "unload-checkpoint": self._value({}),
            "reload-checkpoint": self._value({}),
            "extra-single-image": self._on_body(fields.EXTRA_SINGLE, lambda body: extras.single(body, engine.catalog)),
            "extra-batch-images": self._on_body(fields.EXTRA_BATCH, lambda body: extras.batch(body, engine.catalog)),
            "png-info": self._on_body(fields.PNG_INFO, extras.png_info),
            "interrogate": self._on_body(fields.INTERROGATE, extras.interrogate),
        }

    def _route(self, path: str, handler: Handler, method: str, *, guarded: bool = True) -> Route:
        async def endpoint(request: Request) -> Response:
            # The body is read first, so that the work needs nothing of a client that may leave.
            await request.body()
            task = asyncio.ensure_future(self._answer(handler, request, guarded=guarded))
            self._background.add(task)
            task.add_done_callback(self._background.discard)
            return await asyncio.shield(task)

        return Route(path, endpoint, methods=[method], name=f"{method} {path}")

    async def _answer(self, handler: Handler, request: Request, *, guarded: bool) -> Response:
        started = time.perf_counter()
        async with self._threads:
            try:
                if guarded and self._accounts:
                    self._authenticate(request.headers.get("authorization"))
                response: Response = _json(await handler(request))
            except HTTPRefusal as refusal:
                response = _json(refused(refusal.detail), refusal.status)
            except validation.BodyInvalid as invalid:
                response = _json({"detail": invalid.errors}, 422)
            except Exception as error:  # noqa: BLE001  # every other exception is one of the four shapes
                # The real middleware that times answers is left by an exception: no X-Process-Time on these.
                return _json(unhandled(error), 500)
        response.headers["x-process-time"] = f"{time.perf_counter() - started:.4f}"
        return response

    def _authenticate(self, header: str | None) -> None:
        scheme, _, parameter = (header or "").partition(" ")
        if scheme.lower() != "basic" or not parameter:
            raise HTTPRefusal(401, "Not authenticated")
        try:
            user, separator, password = base64.b64decode(parameter).decode("ascii").partition(":")
        except (ValueError, binascii.Error) as error:
            raise HTTPRefusal(401, "Invalid authentication credentials") from error
        if not separator:
            raise HTTPRefusal(401, "Invalid authentication credentials")
        if not secrets.compare_digest(self._accounts.get(user, ""), password) or user not in self._accounts:
            raise HTTPRefusal(401, "Incorrect username or password")

    def _value(self, value: Any) -> Handler:
        async def handler(_: Request) -> Any:
            return value

        return handler

    def _recorded(self, name: str) -> Handler:
        async def handler(_: Request) -> Any:
            return recorded.body(name)

        return handler

    def _act(self, action: Callable[[], None], answer: Any) -> Handler:
        async def handler(_: Request) -> Any:
            action()
            return answer

        return handler

    def _locked(self, action: Callable[[], None]) -> Handler:
        async def handler(_: Request) -> Any:
            async with self._engine.lock:
                action()

        return handler

    def _on_body(self, names: fields.Fields, action: Callable[[dict[str, Any]], Any]) -> Handler:
        async def handler(request: Request) -> Any:
            return action(validation.parse(await _sent(request), names))

        return handler

    def _generation(self, route: str) -> Handler:
        async def handler(request: Request) -> Any:
            sent = await _sent(request)
            body = validation.parse(sent, fields.generation(route, self._engine.version))
            return await self._engine.generate(route, body, sent)

        return handler

    async def _models(self, _: Request) -> Any:
        return [checkpoint.listed() for checkpoint in self._engine.catalog.checkpoints]

    async def _options(self, _: Request) -> Any:
        return self._engine.settings.listed()

    async def _set_options(self, request: Request) -> None:
        values = validation.as_object(await _sent(request))
        if "sd_model_checkpoint" in values and self._engine.catalog.find(values["sd_model_checkpoint"]):
            async with self._engine.lock:
                await self._engine.memory.post_options(values)
        else:
            await self._engine.memory.post_options(values)

    async def _cmd_flags(self, _: Request) -> Any:
        body = recorded.body("get_cmd-flags" if self._flags.nowebui else "webui_cmd-flags")
        return body | {"port": str(self._flags.port), "api_auth": self._flags.api_auth}

    async def _progress(self, request: Request) -> Any:
        skip = validation.boolean(request.query_params.get("skip_current_image", "false"))
        return self._engine.state.progress(every_n_steps=self._engine.preview_every, with_image=not skip)

    async def _pending(self, _: Request) -> Any:
        return {"size": len(self._engine.tasks.pending), "tasks": list(self._engine.tasks.pending)}

    async def _task_progress(self, request: Request) -> Any:
        body = validation.parse(await _sent(request), fields.PROGRESS)
        return self._engine.tasks.progress(body, self._engine.state, self._engine.preview_every)


async def _sent(request: Request) -> Any:
    return validation.read_json(await request.body(), request.headers.get("content-type", ""))


def _json(value: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(value, status)


async def _no_such_route(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = JSONResponse({"detail": error.detail}, error.status_code, headers=dict(error.headers or {}))
    if "allow" in response.headers:
        response.headers["allow"] = response.headers["allow"].replace(", HEAD", "").replace("HEAD, ", "")
    response.headers["x-process-time"] = "0.0005"
    return response


class Spoiling:
    """Outermost layer: sends an answer as the faults say, after the job behind it has run."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], engine: Engine) -> None:
        self._app = app
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through but the answers whose turn it is."""
        how = self._engine.faults.next_delivery(scope["path"]) if scope["type"] == "http" else None
        if how is None:
            await self._app(scope, receive, send)
            return
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        chunks: list[bytes] = []

        async def collect(message: Any) -> None:
            chunks.append(message.get("body", b""))

        await self._app(scope, receive, collect)
        body = b"".join(chunks)
        if how in ("hang", "drop", "cut", "trickle"):
            await deliver_badly(how, body, receive, send)
            return
        status, headers, body = spoilt(how, body)
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        raw.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})


def create_app(engine: Engine, flags: Flags, control: Handler) -> Spoiling:
    """The whole server; `control` answers /__control, which no real server has."""

    async def controlled(request: Request) -> Response:
        try:
            return _json(await control(request))
        except (KeyError, ValueError, json.JSONDecodeError) as error:
            return _json({"error": repr(error)}, 400)

    app = Starlette(
        routes=[*WebUI(engine, flags).routes(), Route("/__control", controlled, methods=["GET", "POST"])],
        exception_handlers={HTTPException: _no_such_route},
        middleware=[Middleware(GZipMiddleware, minimum_size=1000, compresslevel=1)],
    )
    # Around the framework, whose own wrappers hide the connection that some faults break.
    return Spoiling(app, engine)

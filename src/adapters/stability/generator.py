"""Makes pictures on Stability AI: one paid call, one picture, checked before anyone sees it.

May import the core and this folder.
"""

import asyncio
import json
import time
from functools import partial
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import attrs

from adapters.stability.answers import Answer, is_quick, picture_in, read_answer, read_error
from adapters.stability.failures import Sending, error_for, foreign_errors_as_ours
from adapters.stability.forms import multipart
from adapters.stability.lines import Lines
from adapters.stability.models import MODELS, form_of
from adapters.stability.offer import capabilities_of
from adapters.stability.pictures import pictures_of
from adapters.stability.settings import AnswerForm, StabilitySettings
from imaging_core.capabilities import Capabilities
from imaging_core.errors import BadAnswer, CallRejected, Charged, GenerationError
from imaging_core.images import Generated, Operation
from imaging_core.ports import GenerationCall, Report

#: Largest answer about the account, in bytes.
_SMALL = 64 * 1024


class StabilityGenerator:
    """`ImageGenerator` over the REST API. Open it on the loop that uses it (`async with`); constructing does nothing.

    HTTP_PROXY, HTTPS_PROXY and NO_PROXY are honoured. A call cannot be stopped on the server: cancelled, it is let go.
    """

    def __init__(self, settings: StabilitySettings, *, backend: str = "stability") -> None:
        self._settings = settings
        self._backend = backend
        self._where = urlsplit(settings.base_url).netloc
        self._lines: Lines | None = None
        self._capabilities = capabilities_of(
            backend, default_model=settings.default_model, max_count=settings.max_count
        )
        self._probing = asyncio.Lock()
        self._probed: tuple[float, str | GenerationError] | None = None

    async def __aenter__(self) -> Self:
        self._lines = Lines(self._settings)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines = None

    @property
    def backend(self) -> str:
        """The name callers choose it by."""
        return self._backend

    async def capabilities(self) -> Capabilities:
        """Models, fields, ranges and list prices; known without asking."""
        return self._capabilities

    async def generate(self, call: GenerationCall, *, report: Report) -> Generated:  # noqa: ARG002 -- no progress is told
        """Make one picture. The credits are the model's list price: the API does not tell what it charged.

        Raises BackendUnreachable or BackendThrottled when certainly nothing was billed, CallRejected for a definite no,
        AnswerLost when the call was sent and may have been billed, BadAnswer for a 200 that holds no good picture.
        """
        model = MODELS.get(call.request.checkpoint or self._settings.default_model)
        if model is None:
            raise CallRejected(f"Stability AI has no such model. It has: {', '.join(MODELS)}.")
        accept = "application/json" if self._settings.answer_form is AnswerForm.JSON else "image/*"
        brought = await asyncio.to_thread(pictures_of, call) if call.request.operation is not Operation.GENERATE else {}
        answer = await self._ask(
            "POST",
            model.path,
            paid=True,
            timeout_s=self._settings.total_timeout_s,
            limit=self._settings.max_answer_bytes,
            accept=accept,
            body=multipart(form_of(call, model), brought),
        )
        if answer.status != 200:
            secrets = (self._settings.key.reveal, call.request.prompt, call.request.negative_prompt)
            raise error_for(answer.status, answer.headers, answer.body, secrets=secrets, paid=True)
        read = partial(picture_in, answer, asked_seed=call.seed, max_pixels=self._settings.max_pixels)
        image, proof = read() if is_quick(answer) else await asyncio.to_thread(read)
        generated = Generated(images=(image,), credits=model.credits, proof=proof)
        if call.proof_later:
            return generated
        await asyncio.to_thread(proof)
        return attrs.evolve(generated, proof=None)

    async def balance(self) -> float:
        """Credits left on the account, which may lag behind by minutes. Raises GenerationError."""
        answer = await self._ask(
            "GET", "/v1/user/balance", paid=False, timeout_s=self._settings.probe_timeout_s, limit=_SMALL
        )
        if answer.status != 200:
            # v1 repeats a wrong key in its message; only the status is looked at.
            raise error_for(answer.status, answer.headers, b"", secrets=(), paid=False)
        return _credits_in(answer)

    async def probe(self) -> str:
        """That the API answers to the key, and the balance; asked at most once in `probe_ttl_s`."""
        async with self._probing:
            now = time.monotonic()
            if self._probed is None or now - self._probed[0] > self._settings.probe_ttl_s:
                self._probed = (now, await self._probe())
            outcome = self._probed[1]
        if isinstance(outcome, GenerationError):
            raise outcome.with_traceback(None)
        return outcome

    async def _probe(self) -> str | GenerationError:
        try:
            return f"Stability AI answers at {self._where}; the account has {await self.balance():.10g} credits."
        except GenerationError as error:
            return error

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        paid: bool,
        timeout_s: float,
        limit: int,
        accept: str = "application/json",
        body: tuple[str, bytes] | None = None,
    ) -> Answer:
        if self._lines is None:
            raise RuntimeError("StabilityGenerator must be opened with 'async with' before it is used")
        request = self._lines.request(method, path, headers={"accept": accept}, body=body)
        sending = Sending()
        with foreign_errors_as_ours(self._where, sending, paid=paid):
            async with self._lines.answer_to(request, sending, timeout_s=timeout_s) as response:
                if response.status != 200:
                    return await read_error(response)
                return await read_answer(response, limit=limit)


def _credits_in(answer: Answer) -> float:
    try:
        left = float(json.loads(answer.body)["credits"])
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        message = "Stability AI did not tell the balance in a way that is known. Check the base URL."
        raise BadAnswer(message, retryable=False, charged=Charged.NO) from error
    return left

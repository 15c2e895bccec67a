"""Signs a message and posts it to where its caller wants it, if that may be; imports standardwebhooks and imaging_core."""

import asyncio
import importlib
import logging
import re
import ssl
import time
from collections.abc import Mapping
from datetime import UTC
from typing import Final

from standardwebhooks import Webhook as Signer

from adapters.webhooks.addresses import Allowed
from adapters.webhooks.resolver import NameServerSilent, Resolver
from adapters.webhooks.targets import Target, Unfit, addresses_of
from imaging_core.errors import FieldProblem, InvalidRequest
from imaging_core.faults import log_fault
from imaging_core.outbox import Message, Sent

log = logging.getLogger("imaging.webhooks")

#: Longest look at a URL while its submit waits, in s.
CHECK_S: Final = 3.0
_GONE: Final = 410
_SECONDS: Final = re.compile(rb"[0-9]{1,6}", re.ASCII)


class HttpWebhookSender:
    """Sends messages as Standard Webhooks describes them. Opens nothing before the first one."""

    def __init__(self, *, resolve: Resolver, allowed: Allowed, timeout_s: float = 15.0) -> None:
        """`timeout_s` is for all of a message: name, connection, request and the head of the answer."""
        self._resolve = resolve
        self._allowed = allowed
        self._timeout_s = timeout_s

    async def check(self, url: str) -> None:
        """Whether messages may go to that URL, as far as its name resolves now; it is checked again with each message."""
        try:
            async with asyncio.timeout(CHECK_S):
                await addresses_of(Target(url), self._resolve, self._allowed)
        except Unfit as error:
            raise InvalidRequest([FieldProblem(field="webhook", message=str(error))]) from None
        except (NameServerSilent, TimeoutError):
            # A job is not refused because a name server is slow just now.
            return

    async def send(self, message: Message) -> Sent:
        """Send a message once."""
        # In a thread, and not in the receiver's time: loading it takes a while on a busy machine.
        await asyncio.to_thread(importlib.import_module, "adapters.webhooks.wire")
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                sent = await self._post(message)
        except TimeoutError:
            sent = Sent(error=f"The receiver did not answer within {self._timeout_s:g} s.")
        except Unfit as error:
            sent = Sent(error=f"The URL of the webhook {error}")
        except NameServerSilent:
            sent = Sent(error="The receiver's name could not be looked up just now.")
        return Sent(
            status=sent.status,
            took_ms=round((time.monotonic() - begun) * 1000),
            error=sent.error,
            retry_after_s=sent.retry_after_s,
            gone=sent.gone,
        )

    async def _post(self, message: Message) -> Sent:
        import httpcore  # noqa: PLC0415  # a start need not wait for it

        from adapters.webhooks.wire import post  # noqa: PLC0415  # loaded by now

        target = Target(message.url)
        addresses = await addresses_of(target, self._resolve, self._allowed)
        try:
            answer = await post(target, addresses, signed_headers(message), message.body)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ssl.SSLError) as error:
            # A TLS record that cannot be read comes as ssl.SSLError, which httpcore does not translate.
            return Sent(error=_sentence(error, "Connect" in type(error).__name__))
        except Exception as error:  # noqa: BLE001  # whatever a receiver can bring about is an attempt that failed
            log_fault(log, "A message to a webhook failed in an unforeseen way.", error, {"delivery": message.id})
            return Sent(error="The message could not be sent.")
        return _judged(answer.status, answer.headers)


def signed_headers(message: Message) -> dict[str, str]:
    """The headers of a message, signed with every secret that is valid."""
    at = message.at.astimezone(UTC)
    text = message.body.decode()
    signatures = (Signer(secret).sign(message.id, at, text) for secret in message.secrets)
    return {
        "content-type": "application/json",
        "user-agent": "imaging-service",
        "webhook-id": message.id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _judged(status: int, headers: Mapping[bytes, bytes]) -> Sent:
    if 200 <= status < 300:
        return Sent(status=status)
    if 300 <= status < 400:
        return Sent(status=status, error=f"The receiver answered {status}; redirects are not followed.")
    asked = headers.get(b"retry-after", b"")
    return Sent(
        status=status,
        error=f"The receiver answered {status}.",
        retry_after_s=float(asked) if _SECONDS.fullmatch(asked) else None,
        gone=status == _GONE,
    )


def _sentence(error: BaseException, connecting: bool) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "The receiver's TLS certificate is not valid for its name."
        if isinstance(cause, ssl.SSLError) and connecting:
            return "No TLS connection to the receiver came about."
        cause = cause.__cause__ or cause.__context__
    if connecting:
        return "No connection to the receiver came about."
    return "The receiver broke off before it had answered."

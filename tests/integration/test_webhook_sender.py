"""The sender of webhooks against receivers that fail in every way, over real sockets and real TLS."""

import asyncio
import ipaddress
import ssl
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Verifier

from adapters.webhooks import Allowed, HttpWebhookSender, wire
from adapters.webhooks.addresses import Address
from adapters.webhooks.resolver import NameServerSilent, NameUnknown
from contracts.samples import NOON
from imaging_core.deliveries import fresh_secret
from imaging_core.errors import InvalidRequest
from imaging_core.outbox import Message, Sent
from tls_setting import self_signed
from webhook_receiver import (
    Plan,
    Receiver,
    busy_for,
    endless_head,
    flood,
    forge,
    gibberish,
    hang,
    hang_up,
    receiving,
    redirect_to,
)

LOOPBACK = Allowed(["127.0.0.1"])


class Names:
    """A name server whose answers change as they are given, the last one for ever."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str) -> Sequence[Address]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [ipaddress.ip_address(text) for text in answer]


def sender(*answers: Sequence[str] | Exception, allowed: Allowed = LOOPBACK, timeout_s: float = 5) -> HttpWebhookSender:
    return HttpWebhookSender(resolve=Names(*(answers or (["127.0.0.1"],))), allowed=allowed, timeout_s=timeout_s)


def a_message(url: str, *secrets: str, body: bytes = b'{"type":"job.finished"}') -> Message:
    return Message(url=url, id="msg_1", at=datetime.now(UTC), body=body, secrets=secrets or (fresh_secret(),))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


async def test_a_message_arrives_signed_as_the_standard_says(receiver: Receiver) -> None:
    old, new = fresh_secret(), fresh_secret()
    body = '{"type":"job.finished","data":{"x":"é"}}'.encode()

    sent = await sender().send(a_message(f"{receiver.url}/hook?token=1", new, old, body=body))

    assert (sent.status, sent.error) == (204, None)
    (got,) = receiver.received
    assert (got.path, got.body, got.headers["webhook-id"]) == ("/hook?token=1", body, "msg_1")
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    for secret in (old, new):
        assert Verifier(secret).verify(got.body, got.headers)["type"] == "job.finished"
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(fresh_secret()).verify(got.body, got.headers)


@pytest.mark.parametrize(
    ("plan", "status", "sentence"),
    [
        (500, 500, "The receiver answered 500."),
        (404, 404, "The receiver answered 404."),
        (301, 301, "redirects are not followed"),
        (hang_up, None, "broke off"),
        (gibberish, None, "broke off"),
    ],
)
async def test_whatever_goes_wrong_is_told_in_a_sentence(
    receiver: Receiver, plan: Plan, status: int | None, sentence: str
) -> None:
    receiver.plan(plan)

    sent = await sender().send(a_message(f"{receiver.url}/very-secret"))

    assert sent.status == status
    assert sent.error is not None
    assert sentence in sent.error
    assert "very-secret" not in sent.error


async def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.plan(redirect_to(f"{receiver.url}/elsewhere"))

    sent = await sender().send(a_message(receiver.url))

    assert sent.error == "The receiver answered 307; redirects are not followed."
    assert [got.path for got in receiver.received] == ["/"]


async def test_a_receiver_that_hangs_is_left_in_time(receiver: Receiver) -> None:
    receiver.plan(hang)

    begun = time.monotonic()
    sent = await sender(timeout_s=0.3).send(a_message(receiver.url))

    assert sent == Sent(took_ms=sent.took_ms, error="The receiver did not answer within 0.3 s.")
    assert 250 <= sent.took_ms <= 1000 * (time.monotonic() - begun) + 1


async def test_a_head_without_end_is_left_at_its_limit(receiver: Receiver) -> None:
    receiver.plan(endless_head)

    sent = await sender(timeout_s=5).send(a_message(receiver.url))

    assert sent.error is not None
    assert sent.status is None


async def test_of_an_answer_of_500_mb_next_to_nothing_is_read(receiver: Receiver) -> None:
    receiver.plan(flood)

    sent = await sender().send(a_message(receiver.url))

    assert (sent.status, sent.error) == (200, None)
    # What the kernels' buffers took on the way; of 500.
    assert receiver.flooded < 32_000_000


async def test_a_body_that_never_ends_does_not_undo_a_good_status(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begins(handler: object) -> None:
        handler.send_response(200)  # type: ignore[attr-defined]
        handler.send_header("Content-Length", "10")  # type: ignore[attr-defined]
        handler.end_headers()  # type: ignore[attr-defined]
        hang(handler)

    monkeypatch.setattr(wire, "BODY_S", 0.1)
    receiver.plan(begins)

    assert (await sender().send(a_message(receiver.url))).status == 200


@pytest.mark.parametrize(("told", "asked"), [("7", 7.0), ("soon", None), ("-1", None), ("1" * 400, None)])
async def test_a_wish_for_time_is_passed_on(receiver: Receiver, told: str, asked: float | None) -> None:
    receiver.plan(busy_for(told))

    assert (await sender().send(a_message(receiver.url))).retry_after_s == asked


async def test_a_receiver_that_is_gone_for_good_is_known_as_such(receiver: Receiver) -> None:
    receiver.plan(410)

    assert (await sender().send(a_message(receiver.url))).gone


async def test_nobody_listening_is_told_in_a_sentence() -> None:
    with receiving() as gone:
        url = gone.url

    assert (await sender().send(a_message(url))).error == "No connection to the receiver came about."


async def test_a_name_that_changes_its_mind_leads_nowhere(receiver: Receiver) -> None:
    """DNS rebinding: public when it is checked at the submit, private when the message is sent."""
    rebinding = sender(["93.184.215.14"], ["127.0.0.1"], allowed=Allowed())
    url = f"https://rebind.example:{receiver.port}/"

    await rebinding.check(url)
    sent = await rebinding.send(a_message(url))

    assert sent.error is not None
    assert "must lead to public addresses" in sent.error
    assert receiver.received == []


async def test_the_connection_goes_to_the_address_that_was_checked(receiver: Receiver) -> None:
    """No second look-up is made whose answer nobody checks: the name exists in no name server."""
    sent = await sender(["127.0.0.1"]).send(a_message(f"http://never.invalid:{receiver.port}/x"))

    assert sent.status == 204
    assert receiver.received[0].headers["host"] == f"never.invalid:{receiver.port}"


async def test_the_second_address_is_tried_when_the_first_refuses(receiver: Receiver) -> None:
    allowed = Allowed(["127.0.0.0/8"])

    sent = await sender(["127.0.0.2", "127.0.0.1"], allowed=allowed).send(
        a_message(f"http://two.invalid:{receiver.port}/")
    )

    assert sent.status == 204


async def test_proxies_of_the_environment_are_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert (await sender().send(a_message(receiver.url))).status == 204


@pytest.mark.parametrize("answer", [["10.0.0.1"], ["93.184.215.14", "127.0.0.1"], NameUnknown("x")])
async def test_a_submit_learns_at_once_that_a_url_may_not_be(answer: Sequence[str] | Exception) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await sender(answer, allowed=Allowed()).check("https://hooks.example/very-secret")

    (problem,) = refusal.value.problems
    assert problem.field == "webhook"
    assert "IMAGING_WEBHOOK_ALLOW" in problem.message
    assert "secret" not in problem.message


async def test_a_submit_does_not_fail_with_the_name_server() -> None:
    await sender(NameServerSilent("x"), allowed=Allowed()).check("https://hooks.example/")


async def test_a_silent_name_server_is_an_attempt_that_failed() -> None:
    sent = await sender(NameServerSilent("x")).send(a_message("https://hooks.example/"))

    assert sent.error == "The receiver's name could not be looked up just now."


# --- TLS ---------------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A server's TLS for hooks.test, signed by itself and trusted here."""
    context, cert = self_signed(tmp_path, "DNS:hooks.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    wire._trust.cache_clear()
    yield context
    wire._trust.cache_clear()


async def test_tls_is_verified_against_the_name_although_the_address_is_pinned(certificate: ssl.SSLContext) -> None:
    with receiving(certificate) as receiver:
        good = await sender().send(a_message(f"https://hooks.test:{receiver.port}/x"))
        other = await sender().send(a_message(f"https://other.test:{receiver.port}/x"))

    assert (good.status, good.error) == (204, None)
    assert (other.status, other.error) == (None, "The receiver's TLS certificate is not valid for its name.")
    assert len(receiver.received) == 1


async def test_a_certificate_nobody_vouches_for_is_refused(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    wire._trust.cache_clear()
    with receiving(certificate) as receiver:
        sent = await sender().send(a_message(f"https://hooks.test:{receiver.port}/x"))

    assert sent.error == "The receiver's TLS certificate is not valid for its name."
    assert receiver.received == []


async def test_plain_http_behind_an_https_url_is_no_tls(receiver: Receiver) -> None:
    sent = await sender().send(a_message(f"https://hooks.test:{receiver.port}/x"))

    assert sent.error == "No TLS connection to the receiver came about."


async def test_tls_that_breaks_is_a_receiver_that_broke_off(
    certificate: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving(certificate) as receiver:
        receiver.plan(forge)
        sent = await sender().send(a_message(f"https://hooks.test:{receiver.port}/x"))

    assert (sent.status, sent.error) == (None, "The receiver broke off before it had answered.")
    assert "unforeseen" not in caplog.text


async def test_a_handshake_that_takes_too_long_leaves_no_connection() -> None:
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        left.set()
        writer.close()

    silent = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with silent, asyncio.timeout(20):
        port = silent.sockets[0].getsockname()[1]
        sent = await sender(timeout_s=0.3).send(a_message(f"https://hooks.test:{port}/x"))
        await left.wait()

    assert sent.error == "The receiver did not answer within 0.3 s."


def test_nothing_secret_is_in_the_words_for_a_message() -> None:
    message = Message(url="https://hooks.example/token", id="msg_1", at=NOON, body=b"{}", secrets=("whsec_b2xk",))

    assert "token" not in repr(message)
    assert "whsec" not in repr(message)

"""Every failure of Stability AI becomes one of our errors, with a sentence for people and the truth about the charge.

May import pytest, the adapter and the fake.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import resource
import sys
import time
from collections.abc import AsyncIterator, Iterator

import attrs
import pytest

from adapters.stability import AnswerForm, StabilityGenerator, StabilityKey, StabilitySettings
from adapters.stability.failures import retry_after_s
from contracts.image_generator import unheard
from fakes.stability import StabilityProcess, launch
from imaging_core.errors import (
    AnswerLost,
    BackendThrottled,
    BackendUnreachable,
    BadAnswer,
    CallFailed,
    CallRejected,
    Charged,
    FailureCode,
    GenerationError,
)
from stability_setting import KEY, answers, call_for, failure_of, open_at


@pytest.fixture(scope="module")
def server() -> Iterator[StabilityProcess]:
    with launch(rate_limit=False) as server:
        yield server


@pytest.fixture
def fake(server: StabilityProcess) -> Iterator[StabilityProcess]:
    yield server
    server.control(clear=True)


@pytest.fixture
async def generator(fake: StabilityProcess) -> AsyncIterator[StabilityGenerator]:
    async with open_at(fake.url) as generator:
        yield generator


@attrs.frozen
class Expected:
    kind: type[GenerationError]
    code: FailureCode
    charged: Charged
    retryable: bool
    words: str


NO, UNKNOWN, YES = Charged.NO, Charged.UNKNOWN, Charged.YES
Code = FailureCode


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("bad-request", Expected(CallRejected, Code.REJECTED, NO, False, "prompt is not accepted")),
        ("unauthorized", Expected(CallRejected, Code.NOT_AUTHORIZED, NO, False, "does not accept the API key")),
        ("payment-required", Expected(CallRejected, Code.INSUFFICIENT_CREDITS, NO, False, "too few credits")),
        ("moderated", Expected(CallRejected, Code.CONTENT_MODERATED, NO, False, "moderation flagged")),
        ("not-found", Expected(CallRejected, Code.BAD_ANSWER, NO, False, "no such route")),
        ("too-large", Expected(CallRejected, Code.REJECTED, NO, False, "10 MiB")),
        ("invalid-language", Expected(CallRejected, Code.REJECTED, NO, False, "English only")),
        ("public-figure", Expected(CallRejected, Code.REJECTED, NO, False, "public figure")),
        ("rate-limited", Expected(BackendThrottled, Code.THROTTLED, NO, True, "60 s of rest")),
        ("server-error", Expected(AnswerLost, Code.BACKEND_ERROR, UNKNOWN, True, "status 500")),
        ("gateway-error=502", Expected(AnswerLost, Code.BACKEND_ERROR, UNKNOWN, True, "status 502")),
        ("gateway-error=504", Expected(AnswerLost, Code.BACKEND_ERROR, UNKNOWN, True, "may have been charged")),
        ("gateway-error=418", Expected(CallRejected, Code.REJECTED, NO, False, "status 418")),
        ("gateway-error=407", Expected(CallRejected, Code.BACKEND_UNREACHABLE, NO, False, "proxy")),
        ("gateway-error=202", Expected(BadAnswer, Code.BAD_ANSWER, UNKNOWN, False, "status 202")),
        ("drop", Expected(AnswerLost, Code.ANSWER_LOST, UNKNOWN, True, "may have been charged")),
        ("cut", Expected(AnswerLost, Code.ANSWER_LOST, UNKNOWN, True, "may have been charged")),
        ("redirect", Expected(BadAnswer, Code.BAD_ANSWER, UNKNOWN, False, "not followed")),
        ("html", Expected(BadAnswer, Code.BAD_ANSWER, UNKNOWN, False, "no picture")),
        ("empty", Expected(BadAnswer, Code.BAD_ANSWER, YES, False, "with nothing")),
        ("not-a-picture", Expected(BadAnswer, Code.BAD_ANSWER, YES, False, "neither PNG")),
        ("wrong-format", Expected(BadAnswer, Code.BAD_ANSWER, YES, False, "neither PNG")),
        ("truncated", Expected(BadAnswer, Code.BAD_ANSWER, YES, False, "cannot be decoded")),
        ("pixel-bomb", Expected(BadAnswer, Code.BAD_ANSWER, YES, False, "decoded|too large")),
        ("no-finish-reason", Expected(BadAnswer, Code.BAD_ANSWER, UNKNOWN, False, "without saying")),
        ("unknown-finish-reason", Expected(BadAnswer, Code.BAD_ANSWER, UNKNOWN, False, "finish reason")),
        ("bad-json", Expected(BadAnswer, Code.BAD_ANSWER, UNKNOWN, False, "JSON that holds no picture")),
    ],
)
async def test_each_failure_says_what_what_it_cost_and_whether_to_repeat(
    fake: StabilityProcess, generator: StabilityGenerator, marker: str, expected: Expected
) -> None:
    prompt = f"secretive [{marker}]"

    failure = await failure_of(generator, prompt)

    assert type(failure) is expected.kind
    assert (failure.code, failure.charged, failure.retryable) == (expected.code, expected.charged, expected.retryable)
    assert any(words in str(failure) for words in expected.words.split("|"))
    # "No charge" must be true, "charged" too; only "unknown" may be either.
    paid = prompt in fake.charges()
    assert failure.charged is UNKNOWN or (failure.charged is YES) == paid


@pytest.mark.parametrize("marker", ["bad-base64", "bad-json", "truncated", "no-finish-reason", "html", "empty"])
async def test_bad_answers_in_json_are_caught_as_well(fake: StabilityProcess, marker: str) -> None:
    async with open_at(fake.url, answer_form=AnswerForm.JSON) as generator:
        assert isinstance(await failure_of(generator, f"secretive [{marker}]"), BadAnswer)


@pytest.mark.parametrize("kind", ["jpeg", "webp", "png"])
async def test_a_truncated_picture_of_any_format_is_caught(generator: StabilityGenerator, kind: str) -> None:
    failure = await failure_of(generator, "secretive [truncated]", output_format=kind)

    assert "cannot be decoded" in str(failure)


async def _with_a_late_proof(generator: StabilityGenerator, prompt: str) -> None:
    generated = await generator.generate(attrs.evolve(call_for(prompt), proof_later=True), report=unheard)
    assert generated.proof is not None
    await asyncio.to_thread(generated.proof)


@pytest.mark.parametrize("form", AnswerForm)
@pytest.mark.parametrize("marker", ["truncated", "pixel-bomb", "empty", "not-a-picture", "no-finish-reason"])
async def test_a_proof_that_comes_later_says_the_same_as_one_that_came_at_once(
    fake: StabilityProcess, marker: str, form: AnswerForm
) -> None:
    async with open_at(fake.url, answer_form=form) as generator:
        at_once = await failure_of(generator, f"secretive [{marker}]")
        with pytest.raises(BadAnswer) as later:
            await _with_a_late_proof(generator, f"secretive [{marker}]")

    assert str(later.value) == str(at_once)
    assert (later.value.charged, later.value.retryable) == (at_once.charged, at_once.retryable)


async def test_a_picture_with_the_wrong_label_keeps_its_true_type(
    generator: StabilityGenerator, caplog: pytest.LogCaptureFixture
) -> None:
    generated = await generator.generate(call_for("[wrong-label]"), report=unheard)

    assert generated.images[0].media_type == "image/jpeg"
    assert "labelled" in caplog.text


@pytest.mark.parametrize("marker", ["never", "trickle=0.02", "slow=3"])
async def test_the_total_time_out_ends_a_call_that_may_have_cost(fake: StabilityProcess, marker: str) -> None:
    prompt = f"secretive [{marker}] {marker}"
    async with open_at(fake.url, total_timeout_s=0.3) as generator:
        started = time.monotonic()
        failure = await failure_of(generator, prompt)

    assert time.monotonic() - started < 2
    assert type(failure) is AnswerLost
    assert (failure.code, failure.charged) == (Code.TIMEOUT, UNKNOWN)
    assert fake.charges()[prompt]["calls"] == 1


async def test_plain_http_where_tls_was_expected_means_nothing_was_sent(fake: StabilityProcess) -> None:
    async with open_at(fake.url.replace("http:", "https:")) as generator:
        failure = await failure_of(generator, "secretive")

    assert type(failure) is BackendUnreachable
    assert "TLS" in str(failure)


@pytest.mark.parametrize("marker", ["oversize=500", "gzip-bomb=500"])
async def test_an_answer_of_any_size_is_read_up_to_the_limit_only(
    fake: StabilityProcess, generator: StabilityGenerator, marker: str
) -> None:
    before = peak_memory()

    failure = await failure_of(generator, f"secretive [{marker}]")

    assert "more than 32 MB" in str(failure)
    assert peak_memory() - before < 160 * 1024 * 1024


def peak_memory() -> int:
    """Most memory this process ever had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


async def test_an_answer_compressed_unasked_is_unpacked() -> None:
    # An empty gzip member, and the same without its end.
    whole = bytes.fromhex("1f8b08000000000000ff03000000000000000000")
    for body, words in ((whole, "no picture"), (whole[:-4], "ends too early"), (b"no gzip", "broken")):
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}\r\n\r\n"
        async with answers(head.encode() + body) as url, open_at(url) as generator:
            assert words in str(await failure_of(generator, "secretive"))


async def test_an_encoding_that_cannot_be_bounded_is_refused() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-encoding: br\r\ncontent-length: 1\r\n\r\nx"
    async with answers(head) as url, open_at(url) as generator:
        assert "not asked for" in str(await failure_of(generator, "secretive"))


async def test_a_redirect_is_not_followed(fake: StabilityProcess, generator: StabilityGenerator) -> None:
    await failure_of(generator, "secretive [redirect]")

    assert fake.state()["redirects_followed"] == 0


async def test_an_error_whose_body_breaks_off_still_counts_by_its_status() -> None:
    head = b"HTTP/1.1 402 Payment Required\r\ncontent-length: 1000\r\n\r\n{"
    async with answers(head) as url, open_at(url) as generator:
        failure = await failure_of(generator, "secretive")

    assert failure.code is Code.INSUFFICIENT_CREDITS


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0", 1.0), ("1e9", 60.0), ("1000000000", 300.0), ("9" * 40, 60.0), ("soon", 60.0), ("-5", 60.0)],
)
async def test_retry_after_is_heeded_within_reason(
    fake: StabilityProcess, generator: StabilityGenerator, value: str, seconds: float
) -> None:
    fake.order("rate-limited", value=value)

    assert (await failure_of(generator, "secretive")).retry_after_s == seconds


def test_retry_after_may_be_a_date() -> None:
    soon = email.utils.formatdate(time.time() + 30, usegmt=True)

    assert 25 < retry_after_s(soon) <= 30
    assert retry_after_s("Thu, 01 Jan 1970 00:00:00 GMT") == 1.0
    assert retry_after_s(None) == 60.0


async def test_more_than_150_calls_in_10_s_are_told_as_throttling() -> None:
    with launch(rate_requests=3) as fake:
        async with open_at(fake.url) as generator:
            for _ in range(3):
                await generator.balance()
            failure = await failure_of(generator, "secretive")

        assert type(failure) is BackendThrottled
        assert fake.state()["lockouts"] == 1
        assert fake.charges() == {}


async def test_what_the_api_says_of_a_field_is_shown_without_secrets(
    fake: StabilityProcess, generator: StabilityGenerator
) -> None:
    fake.order("bad-request", value=f"style_preset: Expected 'anime',\n received '{KEY}' and secretive words")

    failure = await failure_of(generator, "secretive words")

    assert "style_preset: Expected 'anime',  received '[...]' and [...]" in str(failure)
    assert "request id" in str(failure)


async def test_the_key_is_shown_nowhere(fake: StabilityProcess, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "wrong-key-that-v1-repeats"
    async with open_at(fake.url, key=wrong) as generator:
        with pytest.raises(CallRejected) as refused:
            await generator.balance()
        with pytest.raises(CallRejected) as probed:
            await generator.probe()
        await failure_of(generator, "secretive")
        shown = f"{refused.value!r} {probed.value} {generator!r} {generator.__dict__!r} {caplog.text}"

    assert refused.value.code is Code.NOT_AUTHORIZED
    assert wrong not in shown
    assert "secretive" not in shown
    assert repr(StabilityKey(wrong)) == str(StabilityKey(wrong)) == "StabilityKey(...)"


@pytest.mark.parametrize("key", ["", "  ", "sk-with space", "sk-line\nbreak", "sk-curly\u201d"])
def test_a_key_that_cannot_be_sent_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ValueError, match="must be visible ASCII") as refused:
        StabilityKey(key)

    assert "sk-with" not in str(refused.value)
    assert StabilityKey(" sk-pasted\n").reveal == "sk-pasted"


@pytest.mark.parametrize("url", ["ftp://x", "api.stability.ai", "https://", "https://x/?a=b", "https://me:secret@x"])
def test_an_address_that_cannot_be_meant_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base URL must") as refused:
        open_at(url)

    assert "secret@" not in str(refused.value)


@pytest.mark.parametrize("fault", ["server-error", "never", "drop", "html", "bad-json", "redirect"])
async def test_a_balance_that_cannot_be_had_costs_nothing(fake: StabilityProcess, fault: str) -> None:
    fake.order(fault, path="/v1/")
    async with open_at(fake.url, probe_timeout_s=0.5) as generator:
        with pytest.raises((CallFailed, BadAnswer)) as failed:
            await generator.probe()

    assert failed.value.charged is NO
    assert "charged" not in str(failed.value)


@pytest.mark.parametrize(
    "url", ["http://a..b", "http://☃..b", "https://host:99999", "https://" + "a" * 64, "ftp://host"]
)
def test_an_address_that_cannot_be_asked_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="base URL must look like"):
        StabilitySettings(key=StabilityKey(KEY), base_url=url)

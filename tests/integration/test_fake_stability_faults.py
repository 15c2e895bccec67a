"""The fake Stability AI API counts every charge where a crash cannot lose it, limits rates, and fails as it is told.

Talks to the fake over a real port; imports nothing of the service.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.stability import StabilityProcess, faults, launch

CORE = "/v2beta/stable-image/generate/core"
ULTRA = "/v2beta/stable-image/generate/ultra"
KEY = {"authorization": "Bearer sk-test"}


@pytest.fixture(scope="module")
def server() -> Iterator[StabilityProcess]:
    with launch(rate_limit=False) as server:
        yield server


@pytest.fixture
def fake(server: StabilityProcess) -> Iterator[StabilityProcess]:
    yield server
    server.control(clear=True, delay=0.0, charge_at="start")


def ask(fake: StabilityProcess, prompt: str, *, path: str = CORE, timeout: float = 10.0) -> httpx.Response:
    return httpx.post(
        fake.url + path,
        headers=KEY,
        files={"prompt": (None, prompt), "output_format": (None, "jpeg")},
        timeout=timeout,
        trust_env=False,
        verify=no_tls(),
    )


@functools.cache
def no_tls() -> ssl.SSLContext:
    """One empty context for all calls: loading the certificates anew takes longer than a call to the fake."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def last_call(fake: StabilityProcess, prompt: str) -> dict[str, Any]:
    calls = [call for call in fake.calls() if call["fields"].get("prompt") == prompt]
    return calls[-1] if calls else {}


def wait_for(condition: Callable[[], bool], timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def test_charges_are_counted_per_prompt_at_list_price(fake: StabilityProcess) -> None:
    for path in (CORE, CORE, ULTRA):
        ask(fake, "job 1", path=path)
    ask(fake, "job 2 [moderated]")
    ask(fake, "job 3 [filtered]")

    charges = fake.charges()
    assert charges["job 1"] == {"calls": 3, "credits": 14.0}
    assert "job 2 [moderated]" not in charges
    assert charges["job 3 [filtered]"] == {"calls": 1, "credits": 3.0}
    # The double writes a call's line once it is over, which may be a moment after its answer was read.
    wait_for(lambda: bool(last_call(fake, "job 3 [filtered]")))
    call = last_call(fake, "job 3 [filtered]")
    assert call["outcome"] == "content_filtered"
    assert call["charged"] == 3.0
    assert call["time_in"] <= call["time_out"]
    assert call["fields"]["output_format"] == "jpeg"


def test_the_balance_falls_by_each_charge(fake: StabilityProcess) -> None:
    before = httpx.get(fake.url + "/v1/user/balance", headers=KEY, trust_env=False).json()["credits"]
    ask(fake, "x")
    after = httpx.get(fake.url + "/v1/user/balance", headers=KEY, trust_env=False).json()["credits"]

    assert before - after == 3


def test_a_charge_outlives_the_client_and_the_server(tmp_path: Path) -> None:
    with launch(log=tmp_path / "log.jsonl") as fake:
        with pytest.raises(httpx.ReadTimeout):
            ask(fake, "abandoned [never]", timeout=0.2)
        assert fake.charges()["abandoned [never]"]["calls"] == 1
        wait_for(lambda: last_call(fake, "abandoned [never]").get("client_gone", False))
        port = fake.port
        fake.kill()
        assert fake.charges()["abandoned [never]"]["calls"] == 1

        fake.start()
        assert fake.port == port
        ask(fake, "after the crash")
        assert set(fake.charges()) == {"abandoned [never]", "after the crash"}


def test_a_client_that_leaves_before_the_answer_is_noted(fake: StabilityProcess) -> None:
    with pytest.raises(httpx.ReadTimeout):
        ask(fake, "impatient [slow=0.4]", timeout=0.1)

    wait_for(lambda: bool(last_call(fake, "impatient [slow=0.4]")))
    call = last_call(fake, "impatient [slow=0.4]")
    assert call["client_gone"]
    assert call["charged"] == 3.0
    assert call["outcome"] == "success"


def test_a_run_can_be_charged_at_its_end(fake: StabilityProcess) -> None:
    fake.control(charge_at="end", delay=0.3)
    with pytest.raises(httpx.ReadTimeout):
        ask(fake, "late", timeout=0.1)

    assert "late" not in fake.charges()
    wait_for(lambda: "late" in fake.charges())


def test_an_order_holds_for_the_next_calls_only(fake: StabilityProcess) -> None:
    fake.order("rate-limited", value="7", times=2)
    fake.order("server-error")

    answers = [ask(fake, "ordered") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [429, 429, 500, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert fake.charges()["ordered"]["calls"] == 1


def test_an_order_can_be_for_a_marker_or_a_path(fake: StabilityProcess) -> None:
    fake.order("server-error", marker="job-7", times=None)
    fake.order("moderated", path=ULTRA)

    assert [ask(fake, f"job-{n}").status_code for n in (6, 7, 7)] == [200, 500, 500]
    assert ask(fake, "job-6", path=ULTRA).status_code == 403


def test_a_failed_run_can_be_charged_all_the_same(fake: StabilityProcess) -> None:
    fake.order("server-error", charged=True)
    ask(fake, "paid for nothing")
    ask(fake, "gateway [gateway-error=502]")
    ask(fake, "gateway [gateway-error=504]")

    assert fake.charges()["paid for nothing"]["calls"] == 1
    assert "gateway [gateway-error=502]" not in fake.charges()
    assert "gateway [gateway-error=504]" in fake.charges()


def test_an_unknown_fault_or_setting_is_refused_with_the_names_there_are(fake: StabilityProcess) -> None:
    with pytest.raises(ValueError, match=r"There are: .*gzip-bomb"):
        fake.order("explode")
    with pytest.raises(ValueError, match=r"There are: .*picture_bytes"):
        fake.control(speed=3)


def test_more_than_the_allowed_rate_locks_a_key_out(tmp_path: Path) -> None:
    with launch(rate_requests=5, rate_period=30, rate_lockout=0.5, retry_after="1") as fake:
        statuses = [ask(fake, "x").status_code for _ in range(6)]
        locked_at = time.monotonic()
        refused = ask(fake, "x")
        other = httpx.get(fake.url + "/v1/user/balance", headers={"authorization": "sk-other"}, trust_env=False)
        state = fake.state()
        wait_for(lambda: ask(fake, "x").status_code == 200)

        assert statuses == [200] * 5 + [429]
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert other.status_code == 200
        assert (state["lockouts"], state["refused_by_limit"], state["peak_per_period"]) == (1, 2, 5)
        assert time.monotonic() - locked_at > 0.4
        assert fake.charges()["x"]["calls"] == 6


def test_the_most_calls_at_once_are_counted(fake: StabilityProcess) -> None:
    with contextlib.suppress(httpx.ReadTimeout):
        ask(fake, "[slow=0.5]", timeout=0.1)
    ask(fake, "meanwhile")

    assert fake.state()["max_in_flight"] == 2


@pytest.mark.parametrize("name", faults.NAMES)
def test_every_fault_shows_in_what_the_client_gets(fake: StabilityProcess, name: str) -> None:
    value = {"slow": "=0.1", "oversize": "=2", "gzip-bomb": "=2"}.get(name, "")
    try:
        got: httpx.Response | None = ask(fake, f"[{name}{value}]", timeout=0.5 if name in ("never", "trickle") else 10)
    except httpx.TransportError:
        got = None

    assert SHOWN[name](got), got


def status(code: int) -> Callable[[httpx.Response | None], bool]:
    return lambda got: got is not None and got.status_code == code


def picture(test: Callable[[httpx.Response], bool]) -> Callable[[httpx.Response | None], bool]:
    return lambda got: got is not None and got.status_code == 200 and test(got)


#: What tells each fault apart, as seen by a client.
SHOWN: dict[str, Callable[[httpx.Response | None], bool]] = {
    "unauthorized": status(401),
    "payment-required": status(402),
    "moderated": status(403),
    "too-large": status(413),
    "invalid-language": status(422),
    "public-figure": status(422),
    "rate-limited": status(429),
    "not-found": status(404),
    "bad-request": status(400),
    "server-error": status(500),
    "gateway-error": lambda got: got is not None and got.status_code == 502 and got.text.startswith("<html>"),
    "filtered": picture(lambda got: got.headers["finish-reason"] == "CONTENT_FILTERED"),
    "unknown-finish-reason": picture(lambda got: got.headers["finish-reason"] == "ERROR"),
    "no-finish-reason": picture(lambda got: "finish-reason" not in got.headers),
    "no-seed": picture(lambda got: "seed" not in got.headers),
    "bad-seed": picture(lambda got: got.headers["seed"] == "many"),
    "slow": picture(lambda got: got.elapsed.total_seconds() >= 0.1),
    "trickle": lambda got: got is None,
    "never": lambda got: got is None,
    "drop": lambda got: got is None,
    "cut": lambda got: got is None,
    "html": picture(lambda got: got.headers["content-type"].startswith("text/html")),
    "empty": picture(lambda got: got.content == b""),
    "not-a-picture": picture(lambda got: got.content.startswith(b"this is no picture")),
    "truncated": picture(lambda got: got.content.startswith(b"\xff\xd8") and not got.content.endswith(b"\xff\xd9")),
    "wrong-format": picture(lambda got: got.content.startswith(b"GIF89a")),
    "wrong-label": picture(lambda got: got.content.startswith(b"\x89PNG")),
    "pixel-bomb": picture(lambda got: len(got.content) < 1000),
    "oversize": picture(lambda got: len(got.content) == 2 << 20),
    "gzip-bomb": picture(lambda got: got.content == bytes(2 << 20) and len(gzip.compress(got.content)) < 1 << 14),
    "redirect": lambda got: got is not None and got.is_redirect,
    "bad-json": picture(lambda got: got.headers["content-type"].startswith("application/json")),
    "bad-base64": picture(lambda got: got.headers["content-type"] == "image/jpeg"),
}

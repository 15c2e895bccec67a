"""The way to Stability AI: who is not there, proxies, and connections that do not come about."""

import asyncio

import pytest

from contracts.image_generator import unheard
from imaging_core.errors import BackendUnreachable, Charged
from stability_setting import answers, call_for, failure_of, open_at


async def test_nobody_at_the_address_means_nothing_was_sent() -> None:
    async with answers(b"") as url:
        pass
    async with open_at(url) as generator:
        failure = await failure_of(generator, "secretive")

    assert type(failure) is BackendUnreachable
    assert failure.charged is Charged.NO
    assert "the connection was refused" in str(failure)


async def test_a_name_that_does_not_resolve_means_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with open_at("http://no-such-host.invalid") as generator:
        failure = await failure_of(generator, "secretive")

    assert type(failure) is BackendUnreachable
    assert failure.charged is Charged.NO
    assert "no-such-host.invalid" in str(failure)


async def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    told = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"credits":5}'
    async with answers(told, seen) as url:
        monkeypatch.setenv("HTTP_PROXY", url)
        monkeypatch.setenv("http_proxy", url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        async with open_at("http://api.example.invalid") as generator:
            assert await generator.balance() == 5

    assert [head.split(b"\r\n")[0] for head in seen] == [b"GET http://api.example.invalid/v1/user/balance HTTP/1.1"]


async def test_a_proxy_that_must_not_be_used_is_not_and_one_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with answers(b'HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{"credits":5}', []) as url:
        async with open_at(url) as generator:
            with pytest.raises(BackendUnreachable, match="proxy"):
                await generator.balance()

        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with open_at(url) as generator:
            assert await generator.balance() == 5


def only_proxy(monkeypatch: pytest.MonkeyPatch, **proxies: str) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    for name, url in proxies.items():
        monkeypatch.setenv(name, url)


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 403 no\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nno TLS at all", b"SSH-2.0\r\n"],
    ids=["hangs up", "refuses", "speaks no TLS", "is none"],
)
async def test_a_proxy_that_opens_no_way_was_sent_nothing_of_the_call(
    monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    seen: list[bytes] = []
    async with answers(said, seen) as url:
        only_proxy(monkeypatch, https_proxy=url)
        async with open_at("https://api.example.invalid") as generator:
            failure = await failure_of(generator, "secretive")

    assert (type(failure), failure.charged) == (BackendUnreachable, Charged.NO)
    assert "Nothing was sent" in str(failure)
    assert [head.split()[:2] for head in seen] == [[b"CONNECT", b"api.example.invalid:443"]]


@pytest.mark.parametrize("silent", ["the proxy", "the server"])
@pytest.mark.parametrize("ends", ["in time", "by its caller"])
async def test_connecting_ends_in_time_or_with_the_call_and_leaves_no_connection(
    monkeypatch: pytest.MonkeyPatch, silent: str, ends: str
) -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        begun.set()
        await reader.read()
        left.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, asyncio.timeout(20):
        at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        only_proxy(monkeypatch, **({"https_proxy": f"http://{at}"} if silent == "the proxy" else {}))
        url = "https://api.example.invalid" if silent == "the proxy" else f"https://{at}"
        async with open_at(url, connect_timeout_s=0.3 if ends == "in time" else 20) as generator:
            calling = asyncio.create_task(generator.generate(call_for("secretive"), report=unheard))
            await begun.wait()
            if ends == "by its caller":
                calling.cancel()
            (outcome,) = await asyncio.gather(calling, return_exceptions=True)
            await left.wait()

    if ends == "by its caller":
        assert isinstance(outcome, asyncio.CancelledError)
    else:
        assert isinstance(outcome, BackendUnreachable)
        assert "no connection came about in time" in str(outcome)


async def test_an_international_name_is_the_one_that_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    async with answers(b'HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{"credits":5}', seen) as url:
        only_proxy(monkeypatch, http_proxy=url)
        async with open_at("http://straße.example.invalid") as generator:
            await generator.balance()

    assert b"xn--strae-oqa.example.invalid" in seen[0]

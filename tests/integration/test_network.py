"""Connections to other programs, over both event loops there are: what is sent arrives, and what goes wrong is told."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpcore
import pytest
import uvloop

from adapters.connecting import why_not
from adapters.network import NEXT_AFTER_S, Network
from tls_setting import self_signed

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Run = Callable[[Coroutine[Any, Any, None]], None]

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
#: Far more than any buffer on the way holds.
MUCH = bytes(range(256)) * (64 << 10)
LONGEST_S = 30


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test on one kind of loop."""

    def on_loop(test: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(asyncio.wait_for(test, LONGEST_S))

    return on_loop


@asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None = None, *, port: int = 0) -> AsyncIterator[int]:
    """The port of a server that treats each connection so."""
    serving: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            with contextlib.suppress(OSError):
                await handler(reader, writer)
                writer.close()
                await writer.wait_closed()
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", port, ssl=context)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        # What was aborted is closed in the next turn.
        await asyncio.sleep(0.01)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(LONGEST_S)


async def everything(line: httpcore.AsyncNetworkStream, most: int = 1 << 16) -> bytes:
    parts = []
    while part := await line.read(most):
        assert len(part) <= most
        parts.append(part)
    return b"".join(parts)


def test_what_is_written_arrives_and_comes_back_in_pieces_no_larger_than_asked_for(run: Run) -> None:
    async def test() -> None:
        async with serving(echo) as port, aclosing(Network()) as network:
            line = await network.connect_tcp("127.0.0.1", port)
            await line.write(b"abcdefgh")

            assert await line.read(3) == b"abc"
            assert await line.read(100) == b"defgh"

    run(test())


def test_much_is_neither_lost_nor_piled_up(run: Run) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(MUCH)
        await writer.drain()

    async def test() -> None:
        async with serving(flood) as port, aclosing(Network()) as network:
            line = await network.connect_tcp("127.0.0.1", port)
            # The server must come to a stop before anything is read.
            await asyncio.sleep(0.2)

            assert await everything(line) == MUCH

    run(test())


def test_a_writer_waits_for_a_reader_that_is_slow(run: Run) -> None:
    got = bytearray()
    go_on = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        while data := await reader.read(1 << 16):
            got.extend(data)
            if len(got) == len(MUCH):
                writer.write(b"done")

    async def test() -> None:
        async with serving(slow) as port, aclosing(Network()) as network:
            line = await network.connect_tcp("127.0.0.1", port)
            writing = asyncio.create_task(line.write(MUCH))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(writing), 0.1)
            go_on.set()

            await writing
            assert await line.read(100) == b"done"
        assert got == MUCH

    run(test())


def test_the_end_is_nothing_to_read_and_comes_after_all_that_was_sent(run: Run) -> None:
    async def farewell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")

    async def test() -> None:
        async with serving(farewell) as port, aclosing(Network()) as network:
            line = await network.connect_tcp("127.0.0.1", port)

            assert await everything(line) == b"bye"
            assert await line.read(1) == b""

    run(test())


def test_a_connection_that_breaks_is_an_error_of_whoever_reads_or_writes(run: Run) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        linger = (1).to_bytes(4, "little") + bytes(4)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async def test() -> None:
        async with serving(reset) as port, aclosing(Network()) as network:
            line = await network.connect_tcp("127.0.0.1", port)
            await line.write(b"xyz")
            with pytest.raises(httpcore.ReadError):
                await everything(line)
            with pytest.raises(httpcore.WriteError):
                await line.write(b"more")

    run(test())


def test_what_takes_too_long_is_told_as_such(run: Run) -> None:
    async def test() -> None:
        async with serving(hang) as port, aclosing(Network()) as network:
            line = await network.connect_tcp("127.0.0.1", port)
            with pytest.raises(httpcore.ReadTimeout):
                await line.read(1, timeout=0.05)
            with pytest.raises(httpcore.WriteTimeout):
                await line.write(MUCH, timeout=0.05)
            with pytest.raises(httpcore.ConnectTimeout):
                await (await network.connect_tcp("127.0.0.1", port)).start_tls(_trusting(None), timeout=0.05)

    run(test())


def test_a_refused_connection_says_so(run: Run) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

        async def test() -> None:
            with pytest.raises(httpcore.ConnectError) as refused:
                await Network().connect_tcp("127.0.0.1", port)
            assert why_not(refused.value) == "the connection was refused"

        run(test())


def test_tls_carries_the_same_to_whom_one_trusts_and_nothing_to_anybody_else(run: Run, tmp_path: Path) -> None:
    context, certificate = self_signed(tmp_path, "DNS:there.test")

    async def test() -> None:
        async with serving(echo, context) as port, aclosing(Network()) as network:
            line = await network.connect_tcp("127.0.0.1", port)
            line = await line.start_tls(_trusting(certificate), "there.test")
            sending = asyncio.create_task(line.write(MUCH))
            back = bytearray()
            while len(back) < len(MUCH):
                back += await line.read(1 << 16)
            await sending
            assert back == MUCH
            assert line.get_extra_info("ssl_object").version() == "TLSv1.3"

            for trust, name in ((_trusting(certificate), "elsewhere.test"), (_trusting(None), "there.test")):
                line = await network.connect_tcp("127.0.0.1", port)
                with pytest.raises(httpcore.ConnectError) as refused:
                    await line.start_tls(trust, name)
                assert why_not(refused.value) == "its TLS certificate is not accepted"

    run(test())


def test_tls_goes_through_tls_as_by_a_proxy_that_has_it_too(run: Run, tmp_path: Path) -> None:
    context, certificate = self_signed(tmp_path, "DNS:there.test")

    async def test() -> None:
        async with serving(echo, context) as behind:

            async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                there, back = await asyncio.open_connection("127.0.0.1", behind)

                async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                    while data := await source.read(1 << 16):
                        sink.write(data)
                        await sink.drain()

                try:
                    await asyncio.gather(pass_on(reader, back), pass_on(there, writer))
                finally:
                    back.transport.abort()

            async with serving(forward, context) as proxy, aclosing(Network()) as network:
                line = await network.connect_tcp("127.0.0.1", proxy)
                for _ in range(2):
                    line = await line.start_tls(_trusting(certificate), "there.test", timeout=20)
                await line.write(b"hello")

                assert await line.read(100) == b"hello"

    run(test())


def test_all_that_was_opened_is_closed(run: Run, tmp_path: Path) -> None:
    context, certificate = self_signed(tmp_path, "DNS:there.test")
    gone: asyncio.Queue[None] = asyncio.Queue()

    async def until_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        gone.put_nowait(None)

    async def test() -> None:
        async with serving(until_gone) as port, serving(until_gone, context) as secure, aclosing(Network()) as network:
            await network.connect_tcp("127.0.0.1", port)
            await (await network.connect_tcp("127.0.0.1", secure)).start_tls(_trusting(certificate), "there.test")
            stalled = await network.connect_tcp("127.0.0.1", port)
            with pytest.raises(httpcore.ConnectTimeout):
                await stalled.start_tls(_trusting(None), "there.test", timeout=0.05)

            await network.aclose()

            for _ in range(3):
                await gone.get()

    run(test())


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["127.0.0.2", "127.0.0.1"], ["::1", "127.0.0.1"], ["127.0.0.2", "127.0.0.3", "127.0.0.1"]],
)
async def test_of_several_addresses_one_that_answers_is_taken(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolve(monkeypatch, addresses)
    async with serving(echo) as port, aclosing(Network()) as network:
        line = await network.connect_tcp("there.test", port)
        await line.write(b"hello")

        assert await line.read(9) == b"hello"


async def test_an_address_that_says_nothing_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    # A socket that listens and never accepts, whose line is full: what comes more is not answered at all.
    with socket.socket() as full, contextlib.ExitStack() as queued:
        full.bind(("127.0.0.2", 0))
        full.listen(0)
        port = full.getsockname()[1]
        for _ in range(4):
            one = queued.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.2", port))
        _resolve(monkeypatch, ["127.0.0.2", "127.0.0.1"])
        async with serving(echo, port=port), aclosing(Network()) as network:
            begun = asyncio.get_running_loop().time()
            line = await network.connect_tcp("there.test", port, timeout=20)

            assert asyncio.get_running_loop().time() - begun >= NEXT_AFTER_S
            await line.write(b"hello")
            assert await line.read(9) == b"hello"


async def test_where_no_address_answers_the_first_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        _resolve(monkeypatch, ["127.0.0.1", "127.0.0.2"])

        with pytest.raises(httpcore.ConnectError) as refused:
            await Network().connect_tcp("there.test", closed.getsockname()[1])

    assert why_not(refused.value) == "the connection was refused"


async def test_a_name_that_nobody_knows_says_so() -> None:
    with pytest.raises(httpcore.ConnectError) as unknown:
        await Network().connect_tcp("nowhere.invalid", 80)

    assert why_not(unknown.value) == "its name cannot be resolved"


def _resolve(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    """Let every name stand for these addresses."""

    async def found(*_: object, **__: object) -> list[tuple[Any, ...]]:
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
            for address in addresses
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)


def _trusting(certificate: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)

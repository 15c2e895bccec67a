"""The promises of `ImageGenerator` where the backend is elsewhere: nobody there, hung up on, left over, no picture.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import attrs
import pytest

from contracts.image_generator import unheard
from imaging_core.capabilities import Capabilities
from imaging_core.errors import AnswerLost, CallRefused, Charged, GenerationError, Unavailable
from imaging_core.ports import GenerationCall, ImageGenerator
from tls_setting import self_signed


@asynccontextmanager
async def answering(answer: bytes, *, below: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The URL of a server that reads a request, gives that answer, whatever it was asked, and hangs up.

    With a context it speaks TLS and puts its answer below that, where it is no record of the session.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(65_536)
            if below is None:
                writer.write(answer)
                await writer.drain()
            else:
                os.write(writer.get_extra_info("socket").fileno(), answer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=below)
    async with server:
        yield f"http{'s' if below else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def telling_twice(backend: str) -> AsyncIterator[str]:
    """The URL of a gateway that hands requests on to a backend, and each of its answers back twice in one write."""
    there = urlsplit(backend)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _message(reader):
                beyond, onward = await asyncio.open_connection(there.hostname, there.port)
                onward.write(request)
                answer = await _message(beyond)
                onward.close()
                writer.write(2 * answer)
                await writer.drain()
        except ConnectionError:
            pass  # the client has what it asked for and has left
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _message(reader: asyncio.StreamReader) -> bytes:
    """The next request or answer, with its body; nothing when there is none."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


class RemoteGeneratorContract:
    """Promises 1, 2, 3 and 7 where the backend is elsewhere, and it or the way is not well.

    A subclass supplies `generator_at`, `remote_call` and `well`.
    """

    #: What a call comes to when the backend hangs up on it, and whether that may have cost.
    lost: ClassVar[type[GenerationError]] = AnswerLost
    lost_charged: ClassVar[Charged] = Charged.UNKNOWN

    def generator_at(self, url: str) -> AbstractAsyncContextManager[ImageGenerator]:
        """A generator whose backend is at that address, knowing nothing from before."""
        raise NotImplementedError("supply a generator at an address")

    def remote_call(self) -> GenerationCall:
        """A call that the backend would take if it were well; its prompt holds the word "secretive"."""
        raise NotImplementedError("supply a call")

    @pytest.fixture
    def well(self) -> str:
        """The address of a backend that is well."""
        raise NotImplementedError("supply the address of a backend")

    @pytest.fixture
    async def nowhere(self) -> str:
        """An address where nobody listens."""
        async with answering(b"") as url:
            pass
        return url

    async def test_1_capabilities_are_known_or_unavailable(self, nowhere: str) -> None:
        async with self.generator_at(nowhere) as generator:
            answer: Capabilities | Unavailable
            try:
                answer = await generator.capabilities()
            except Unavailable as error:
                answer = error

        assert str(answer)

    async def test_2_a_call_gets_nothing_that_was_left_over_from_another(self, well: str) -> None:
        async with telling_twice(well) as url, self.generator_at(url) as generator:
            for seed in (7, 8, 9):
                call = attrs.evolve(self.remote_call(), seed=seed)
                (picture,) = (await generator.generate(call, report=unheard)).images

                assert picture.seed == seed

    async def test_3_a_call_to_nobody_was_not_sent_and_cost_nothing(self, nowhere: str) -> None:
        async with self.generator_at(nowhere) as generator:
            with pytest.raises(CallRefused) as refused:
                await generator.generate(self.remote_call(), report=unheard)

        assert refused.value.charged is Charged.NO
        assert refused.value.retryable
        assert "secretive" not in str(refused.value)

    async def test_3_a_call_that_was_hung_up_on_may_have_cost(self) -> None:
        async with answering(b"") as url, self.generator_at(url) as generator:
            with pytest.raises(self.lost) as lost:
                await generator.generate(self.remote_call(), report=unheard)

        assert lost.value.charged is self.lost_charged
        assert "secretive" not in str(lost.value)

    async def test_3_a_call_whose_tls_breaks_may_have_cost(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        context, certificate = self_signed(tmp_path, "IP:127.0.0.1")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        forged = b"\x17\x03\x03\x00\x20" + 32 * b"x"
        async with answering(forged, below=context) as url, self.generator_at(url) as generator:
            with pytest.raises(self.lost) as lost:
                await generator.generate(self.remote_call(), report=unheard)

        assert lost.value.charged is self.lost_charged

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<p>hi",
            b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 9\r\n\r\nsecretive",
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/secretive\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nsecretive",
            b"I speak no HTTP, secretive or not\r\n\r\n",
        ],
        ids=["html", "no picture", "other json", "redirect", "500", "no http"],
    )
    async def test_3_an_answer_that_is_no_picture_is_an_error_of_the_call(self, answer: bytes) -> None:
        async with answering(answer) as url, self.generator_at(url) as generator:
            with pytest.raises(GenerationError) as refused:
                await generator.generate(self.remote_call(), report=unheard)

        assert str(refused.value)
        assert "secretive" not in str(refused.value)

    async def test_7_probing_nobody_says_why(self, nowhere: str) -> None:
        async with self.generator_at(nowhere) as generator:
            with pytest.raises(GenerationError) as refused:
                await generator.probe()

        assert len(str(refused.value).split()) >= 3

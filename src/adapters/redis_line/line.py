"""One connection to a Redis that everybody in this process asks through, without waiting for each other; imports redis-py and hiredis.

Redis answers in the order it was asked, so whoever asks writes at once and awaits the answer of that place. redis-py lends a
connection to one asker at a time and reads it through asyncio's streams, with a time-out of its own for each step: that
took four times the processor time of everything else a status needs. It still opens the connection: address, TLS,
password and database are its business.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, cast

import attrs
import hiredis
from redis import exceptions as redis_errors
from redis.asyncio.connection import AbstractConnection, ConnectionPool

from adapters.redis_line.cancels import cancels_heeded

Word = str | bytes | float

#: What begins an error's text, and what it is; anything else is a ResponseError.
_ERRORS: Final[Mapping[str, type[redis_errors.RedisError]]] = {
    "NOAUTH": redis_errors.AuthenticationError,
    "WRONGPASS": redis_errors.AuthenticationError,
    "NOPERM": redis_errors.NoPermissionError,
    "OOM": redis_errors.OutOfMemoryError,
    "LOADING": redis_errors.BusyLoadingError,
    "NOSCRIPT": redis_errors.NoScriptError,
}
#: How long to wait before a command is said again over a new connection, in s.
_AGAIN_S: Final = 0.02


@attrs.define(eq=False)
class _Question:
    """Something asked: how many answers are still to come, and by when."""

    answer: "asyncio.Future[Any]"
    left: int
    deadline: float
    failure: Exception | None = None


class _Wire(asyncio.Protocol):
    """An open connection, until it is lost."""

    def __init__(self, connection: AbstractConnection, loop: asyncio.AbstractEventLoop, answer_s: float) -> None:
        self.loop = loop
        self._answer_s = answer_s
        self._reader = hiredis.Reader(replyError=_error)
        self._questions: deque[_Question] = deque()
        self._unsent: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        # Kept, since it closes its socket when it is forgotten. It has no public way to its transport, which from here on
        # tells us what comes; nothing is under way when it has connected.
        self._connection = connection
        self._transport = cast("asyncio.Transport", connection._writer.transport)  # type: ignore[union-attr]
        self._transport.set_protocol(self)

    @property
    def lost(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._transport.is_closing()

    async def ask(self, data: bytes, answers: int) -> Any:
        """The last of so many answers. Raises the first that is an error, ConnectionError and TimeoutError of redis-py."""
        if not self._writable.is_set():
            await self._room()
        if self.lost:
            raise redis_errors.ConnectionError("The connection was lost.")
        deadline = self.loop.time() + self._answer_s
        question = _Question(self.loop.create_future(), answers, deadline)
        self._questions.append(question)
        if self._timer is None:
            self._timer = self.loop.call_at(deadline, self._look)
        if not self._unsent:
            # One packet for all that is asked in this turn of the loop.
            self.loop.call_soon(self._send)
        self._unsent.append(data)
        return await question.answer

    def _send(self) -> None:
        data, self._unsent = b"".join(self._unsent), []
        if not self.lost:
            self._transport.write(data)

    async def _room(self) -> None:
        try:
            async with asyncio.timeout(self._answer_s):
                await self._writable.wait()
        except TimeoutError:
            raise redis_errors.TimeoutError("Redis does not read.") from None

    async def close(self) -> None:
        """End it; whoever still waits is told that it was lost."""
        self._fail(redis_errors.ConnectionError("The connection was closed."))
        await self._connection.disconnect(nowait=True)

    # --- what the transport tells ------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Hand out what has come whole."""
        try:
            self._reader.feed(data)
            # False is no answer in this version of the protocol.
            while (answer := self._reader.gets()) is not False:
                self._take(answer)
        except (hiredis.ProtocolError, IndexError):
            # Not Redis, or an answer that nobody asked for: whose the next one is cannot be told.
            self._fail(redis_errors.ConnectionError("Redis said what nobody can understand."))

    def _take(self, answer: Any) -> None:
        question = self._questions[0]
        if isinstance(answer, Exception) and question.failure is None:
            question.failure = answer
        question.left -= 1
        if question.left:
            return
        self._questions.popleft()
        # Whoever has gone away left its answer here.
        if question.answer.done():
            return
        if question.failure is None:
            question.answer.set_result(answer)
        else:
            question.answer.set_exception(question.failure)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell everybody who waits."""
        self._fail(redis_errors.ConnectionError(f"The connection was lost: {error or 'Redis closed it'}"))

    def pause_writing(self) -> None:
        """Redis reads more slowly than is asked."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writable.set()

    # --- time --------------------------------------------------------------------------------------------

    def _look(self) -> None:
        self._timer = None
        if not self._questions:
            return
        oldest = self._questions[0].deadline
        if oldest <= self.loop.time():
            self._fail(redis_errors.TimeoutError("Redis did not answer in time."))
        else:
            self._timer = self.loop.call_at(oldest, self._look)

    def _fail(self, error: Exception) -> None:
        self._transport.abort()
        self._writable.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        questions, self._questions = self._questions, deque()
        for question in questions:
            if not question.answer.done():
                question.answer.set_exception(error)


class Line:
    """A connection that is opened when somebody asks, and again after it was lost."""

    def __init__(self, pool: ConnectionPool, *, answer_s: float) -> None:
        """`pool` says how to connect; nothing else of it is used."""
        self._pool = pool
        self._answer_s = answer_s
        self._wire: _Wire | None = None
        self._connecting: asyncio.Task[_Wire] | None = None

    async def ask(self, *words: Word) -> Any:
        """What Redis answers to a command; said once more over a new connection if this one is lost.

        Raises the errors of redis-py.
        """
        return await self._said(_packed(words), 1)

    async def ask_all(self, *commands: tuple[Word, ...], again: bool = True) -> Any:
        """The last of the answers to several commands that go out at once. Raises the first error, as `ask` does.

        Not `again` is for what must not be done twice unknown to the caller.
        """
        return await self._said(b"".join(map(_packed, commands)), len(commands), again=again)

    async def together(self, *commands: tuple[Word, ...]) -> list[Any]:
        """The answers to several commands that nothing comes between. Raises the errors of redis-py."""
        packed = [_packed(words) for words in (("MULTI",), *commands, ("EXEC",))]
        answers: list[Any] = await self._said(b"".join(packed), len(packed))
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def close(self) -> None:
        """Close the connection, also one that is being opened; whoever asks after that opens another one.

        Whoever waits for an answer is told that the connection was lost.
        """
        task, self._connecting = self._connecting, None
        wire, self._wire = self._wire, None
        # First what needs no waiting: whoever closes may be cancelled while waiting.
        if wire is not None:
            await wire.close()
        if task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait((task,))

    async def _said(self, data: bytes, answers: int, *, again: bool = True) -> Any:
        wire = await self._open()
        try:
            return await wire.ask(data, answers)
        except redis_errors.ConnectionError:
            if not again:
                raise
            # A time-out is not repeated: the caller would wait twice.
            await asyncio.sleep(_AGAIN_S)
            if self._wire is None:
                # It was not lost but closed, here: nobody would close another one.
                raise
        wire = await self._open()
        return await wire.ask(data, answers)

    async def _open(self) -> _Wire:
        loop, wire = asyncio.get_running_loop(), self._wire
        if wire is not None and not wire.lost and wire.loop is loop:
            return wire
        # One attempt for all who ask meanwhile: while Redis is away they would wait for each other's, one after another.
        task = self._connecting
        if task is None or task.done() or task.get_loop() is not loop:
            task = self._connecting = loop.create_task(self._connect(loop, wire))
            task.add_done_callback(_heard)
        # Whoever goes away takes it from nobody else.
        await asyncio.wait((task,))
        if task.cancelled():
            raise redis_errors.ConnectionError("The connection was closed.")
        return task.result()

    async def _connect(self, loop: asyncio.AbstractEventLoop, before: _Wire | None) -> _Wire:
        if before is not None and before.loop is loop:
            await before.close()
        connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            with cancels_heeded():
                await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        wire = self._wire = _Wire(connection, loop, self._answer_s)
        return wire


def _heard(task: "asyncio.Task[_Wire]") -> None:
    # Everybody who asked may have gone away: asyncio would complain that nobody looked.
    if not task.cancelled():
        task.exception()


def _packed(words: tuple[Word, ...]) -> bytes:
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub says that a command is one word
    return packed


def _error(text: str) -> redis_errors.RedisError:
    return _ERRORS.get(text.partition(" ")[0], redis_errors.ResponseError)(text)

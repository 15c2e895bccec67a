"""One WebUI: its lists, and one call at a time with progress, cancellation and take-over.

May import the core and this folder.
"""

import asyncio
import ipaddress
import logging
import socket
import time
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlsplit

from adapters.sdwebui.answers import Made, enlarged_by, made_by
from adapters.sdwebui.edits import enlargement_of
from adapters.sdwebui.failures import no_api
from adapters.sdwebui.lists import Lists, current_of, fetch
from adapters.sdwebui.payload import Asked, asked_of, body_of
from adapters.sdwebui.settings import SdWebuiSettings
from adapters.sdwebui.tasks import Mine, Tasks
from adapters.sdwebui.wire import Wire
from imaging_core.errors import BadAnswer, CallFailed, Charged, FailureCode, GenerationError
from imaging_core.images import Operation
from imaging_core.ports import CallProgress, GenerationCall, Report

log = logging.getLogger("imaging.sdwebui")

#: How long the failure to ask for lists is good for, in s.
_SHARE_FAILURE_S = 1.0


class Instance:
    """One address. A second call from this process waits here, since the WebUI would make it wait without a word."""

    def __init__(self, url: str, settings: SdWebuiSettings) -> None:
        self._settings = settings
        self._wire = Wire(url, settings)
        self._tasks = Tasks(self._wire, settings)
        self._turn = asyncio.Lock()
        self._fetching = asyncio.Lock()
        #: What its permits name: the host too where the address is each host's own.
        self.name = f"{socket.gethostname()}/{self.where}" if _is_local(url) else self.where
        self._busy_since: float | None = None
        self._known: Lists | None = None
        self._failure: GenerationError | None = None
        #: When the lists, or the failure to ask for them, are too old.
        self._ask_again_at = 0.0
        self._left_behind: set[asyncio.Task[object]] = set()

    def open(self) -> None:
        """Make the client; nothing is sent."""
        self._wire.open()

    async def close(self) -> None:
        """Let everything go, although it is cancelled in between."""
        try:
            await ended(*self._left_behind)
        finally:
            await self._wire.close()

    @property
    def where(self) -> str:
        """The address as people may see it."""
        return self._wire.where

    @property
    def known(self) -> Lists | None:
        """The lists as last heard, however old."""
        return self._known

    async def lists(self) -> Lists:
        """The lists, asked for at most once in `lists_ttl_s`. Raises GenerationError."""
        async with self._fetching:
            if time.monotonic() >= self._ask_again_at:
                await self._fetch()
            if self._known is None or self._failure is not None:
                raise (self._failure or no_api(self.where)).with_traceback(None)
            return self._known

    async def _fetch(self) -> None:
        try:
            self._known, self._failure = await fetch(self._wire), None
            good_for_s = self._settings.lists_ttl_s
        except GenerationError as error:
            # Everybody who waited while a dead server was asked shares the answer, instead of asking in turn.
            self._failure, good_for_s = error, min(self._settings.lists_ttl_s, _SHARE_FAILURE_S)
        self._ask_again_at = time.monotonic() + good_for_s

    @property
    def failure(self) -> GenerationError | None:
        """Why it did not answer when last asked; None if it did, or was not asked yet."""
        return self._failure

    async def refreshed(self) -> Lists:
        """The lists, and the checkpoint that is loaded at this moment. Raises GenerationError."""
        self._known = await current_of(self._wire, await self.lists())
        return self._known

    async def gives_way(self) -> bool:
        """Whether somebody else's work runs there, and has not for longer than one makes room for. Raises GenerationError.

        For whoever may call it now, and so knows that no worker's call runs there.
        """
        if not (await self._tasks.running()).busy:
            self._busy_since = None
            return False
        now = time.monotonic()
        self._busy_since = self._busy_since or now
        return now - self._busy_since < self._settings.stranger_timeout_s

    async def take_over(self, task_ids: tuple[str, ...]) -> None:
        """End what earlier tries still run here. Raises GenerationError."""
        await self._tasks.take_over(task_ids, names_tasks=(await self.lists()).names_tasks)

    async def make(self, call: GenerationCall, report: Report) -> Made:
        """Make the pictures of one call. Raises GenerationError; cancelled, it stops its own task first."""
        try:
            async with self._turn:
                lists = await self.lists()
                if call.request.operation is Operation.UPSCALE:
                    return await self._enlarged(call, lists, report)
                asked = asked_of(call, lists, self._settings)
                return await self._made(call, asked, lists, report)
        except BadAnswer as error:
            if error.code is FailureCode.NOT_AS_ASKED:
                # What was asked was in the lists, so the lists are out of date.
                self._ask_again_at = 0.0
            raise

    async def _made(self, call: GenerationCall, asked: Asked, lists: Lists, report: Report) -> Made:
        secrets = (call.request.prompt, call.request.negative_prompt)
        body = body_of(call, asked, lists)
        mine = None if lists.names_tasks else Mine(await self._tasks.running())
        route = "img2img" if call.request.operation is Operation.EDIT else "txt2img"
        sending = asyncio.create_task(self._wire.make(body, secrets=secrets, route=route))
        follow = self._tasks.follow_unnamed(mine, report) if mine else self._tasks.follow(call.task_id, report)
        following = asyncio.create_task(follow)
        try:
            await asyncio.wait({sending})
            raw = sending.result()
        except BaseException as error:
            if not sending.done() or _may_still_run(error):
                # Closing the connection stops nothing: the WebUI works on to the end. Shielded: whoever cancels may do so again.
                await asyncio.shield(self._in_background(self._stop(call.task_id, mine, sending)))
            raise
        finally:
            await ended(sending, following)
        made = await asyncio.to_thread(made_by, raw, asked, self.where)
        await self._check_whole(made)
        return made

    async def _enlarged(self, call: GenerationCall, lists: Lists, report: Report) -> Made:
        # It has no task, no progress and no interrupt: cancelled, it is let go, and ends by itself within seconds.
        asked = await asyncio.to_thread(enlargement_of, call, lists)
        raw = await self._wire.make(asked.body, secrets=(), route="extra-single-image")
        size = asked.width, asked.height
        image = await asyncio.to_thread(enlarged_by, raw, size, call.seed, self.where)
        report(CallProgress(fraction=1.0, eta_s=0.0))
        return Made(images=(image,), job_timestamp=None)

    async def _stop(self, task_id: str, mine: Mine | None, sending: "asyncio.Task[bytes]") -> None:
        """Stop our task within `stop_timeout_s`; one that still waits for its turn is watched for in the background."""
        await ended(sending)
        if mine is not None:
            gone = await self._tasks.stop_unnamed(mine, timeout_s=self._settings.stop_timeout_s)
        else:
            gone = await self._tasks.stop(task_id, timeout_s=self._settings.stop_timeout_s)
        if not gone:
            log.warning("A stopped task may still run on the WebUI at %s.", self.where, extra={"task_id": task_id})
            if mine is None:
                self._in_background(self._tasks.stop(task_id, timeout_s=self._settings.total_timeout_s))

    def _in_background(self, work: Coroutine[object, object, object]) -> asyncio.Task[object]:
        task = asyncio.create_task(work)
        self._left_behind.add(task)
        task.add_done_callback(self._left_behind.discard)
        return task

    async def _check_whole(self, made: Made) -> None:
        """Refuse pictures of a job that somebody interrupted: the WebUI gives them half-finished and says nothing.

        /progress keeps the flag and the second the job began in until the next job begins.
        """
        try:
            after = await self._tasks.running()
        except GenerationError as error:
            log.debug("Whether the job was interrupted is unknown: %s", error)
            return
        if after.interrupted and made.job_timestamp is not None and after.timestamp == made.job_timestamp:
            message = f"Somebody interrupted the job on the WebUI at {self.where}; its pictures are half-finished."
            raise CallFailed(message, charged=Charged.NO)


def _is_local(url: str) -> bool:
    """Whether the address means another machine on each host."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def ended(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel them and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _may_still_run(error: BaseException) -> bool:
    return isinstance(error, GenerationError) and error.code in (FailureCode.TIMEOUT, FailureCode.ANSWER_LOST)

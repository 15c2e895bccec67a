"""Runs the jobs: one at a time, in order of arrival, to the end whether or not anyone still listens.

May import the standard library and this package.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Sequence
from typing import Any

from fakes.sdwebui.catalog import Catalog, Checkpoint
from fakes.sdwebui.errors import HTTPRefusal
from fakes.sdwebui.faults import Faults
from fakes.sdwebui.journal import Journal
from fakes.sdwebui.pictures import decode
from fakes.sdwebui.processing import Processing
from fakes.sdwebui.settings import Memory, Settings
from fakes.sdwebui.state import State, Tasks


class Call:
    """One generation request, as the log tells it."""

    def __init__(self, number: int, task_id: str) -> None:
        self.number = number
        self.task_id = task_id
        self.overlapped = False


class Engine:
    """The server behind the routes: lists, options, model in memory, the lock, and what runs."""

    def __init__(self, version: str, checkpoints: Sequence[str], journal: Journal, faults: Faults) -> None:
        self.version = version
        self.journal = journal
        self.faults = faults
        self.catalog = Catalog(version, checkpoints)
        self.settings = Settings(self.catalog)
        self.memory = Memory(self.catalog, self.settings, self._on_load)
        self.state = State()
        self.tasks = Tasks()
        #: FIFO: asyncio.Lock wakes its waiters in order of arrival.
        self.lock = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._in_flight: dict[int, Call] = {}
        #: How many generation calls have arrived, and how many of them while another was there.
        self.received = 0
        self.overlaps = 0

    def _on_load(self, checkpoint: Checkpoint, count: int) -> None:
        self.journal.write("load", checkpoint=checkpoint.name, loads=count)

    @property
    def preview_every(self) -> int:
        """Steps between two previews."""
        return int(self.settings.get("show_progress_every_n_steps"))

    def snapshot(self) -> dict[str, Any]:
        """What a test may want to know at a moment."""
        return {
            "running": self.tasks.current if self.state.job else None,
            "waiting": list(self.tasks.pending),
            "in_flight": len(self._in_flight),
            "received": self.received,
            "overlaps": self.overlaps,
            "loads": self.memory.loads,
            "loaded": self.memory.loaded.name if self.memory.loaded else None,
            "interrupted": self.state.interrupted,
            "step": self.state.sampling_step,
        }

    def interrupt(self) -> None:
        """Stop whatever runs after its present step, whosever it is."""
        self.state.interrupted = True
        self.journal.write("interrupt", task_id=self.tasks.current if self.state.job else None)

    def skip(self) -> None:
        """End the running iteration only."""
        self.state.skipped = True

    async def generate(self, route: str, request: dict[str, Any], sent: Any) -> dict[str, Any]:
        """One txt2img or img2img call from arrival to answer; the job goes on when the client has gone."""
        call = self._arrive(route, request, sent)
        outcome, status = "error", 500
        try:
            answer = await self._run(route, request, call)
        except HTTPRefusal as refusal:
            outcome, status = refusal.detail, refusal.status
            raise
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
            raise
        else:
            outcome, status = "interrupted" if self.state.interrupted else "ok", 200
            return answer
        finally:
            del self._in_flight[call.number]
            self.tasks.pending.pop(call.task_id, None)
            self.journal.write(
                "ended",
                call=call.number,
                status=status,
                outcome=outcome,
                overlapped=call.overlapped,
                loads=self.memory.loads,
                checkpoint=self.memory.loaded.name if self.memory.loaded else None,
            )

    def _arrive(self, route: str, request: dict[str, Any], sent: Any) -> Call:
        task_id = request["force_task_id"] or f"{route}-{uuid.uuid4().hex[:7]}"
        call = Call(next(self._numbers), task_id)
        self.received += 1
        for other in self._in_flight.values():
            other.overlapped = call.overlapped = True
        self.overlaps += call.overlapped
        self._in_flight[call.number] = call
        self.journal.write(
            "received", call=call.number, route=route, task_id=task_id, body=sent, in_flight=len(self._in_flight)
        )
        return call

    async def _run(self, route: str, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self._check_scripts(route, request)
        if route == "img2img" and request["init_images"] is None:
            raise HTTPRefusal(404, "Init image not found")
        sampler, schedule = self.catalog.sampling(
            request["sampler_name"] or request["sampler_index"], request.get("scheduler")
        )
        if request.get("mask"):
            decode(request["mask"])
        self.tasks.add(call.task_id)
        async with self.lock:
            init_images = [decode(image) for image in request["init_images"]] if route == "img2img" else None
            self.journal.write("started", call=call.number)
            self.state.begin(f"scripts_{route}")
            try:
                self.tasks.start(call.task_id)
                processing = Processing(self, request, sampler, schedule, init_images)
                overrides = request["override_settings"] or {}
                restore = request["override_settings_restore_afterwards"]
                async with self.memory.overridden(overrides, restore=restore):
                    await processing.run()
                self.tasks.finish(call.task_id)
            finally:
                self.state.end()
        return {
            # Encoded after the restore: overriding samples_format has no effect unless it leaks.
            "images": processing.encoded(str(self.settings.get("samples_format"))) if request["send_images"] else [],
            "parameters": _echo(route, request),
            "info": processing.info(),
        }

    def _check_scripts(self, route: str, request: dict[str, Any]) -> None:
        known = self.catalog.scripts[route]
        selectable = known[: known.index("extra options")] if "extra options" in known else known
        name = request["script_name"]
        if name:
            # The selectable scripts themselves are not played; none of the product's calls uses one.
            raise HTTPRefusal(422, f"Script '{name}' not found")
        for title in request["alwayson_scripts"] or {}:
            if title.lower() not in known:
                raise HTTPRefusal(422, f"Script '{title}' not found")
            if title.lower() in selectable:
                raise HTTPRefusal(422, "Cannot have a selectable script in the always on scripts params")


def _echo(route: str, request: dict[str, Any]) -> dict[str, Any]:
    if route == "img2img" and not request["include_init_images"]:
        return request | {"init_images": None, "mask": None}
    return request

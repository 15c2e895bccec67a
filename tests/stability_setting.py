"""Stability AI's adapter before an address of the tests' own; imports that adapter, pytest and the core."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.stability import StabilityGenerator, StabilityKey, StabilitySettings
from contracts.image_generator import unheard
from imaging_core.errors import GenerationError
from imaging_core.ids import new_job_id, new_token
from imaging_core.images import ImageRequest
from imaging_core.ports import GenerationCall

KEY = "sk-a-very-secret-key"


def open_at(url: str, key: str = KEY, **settings: Any) -> StabilityGenerator:
    """The adapter, for an API at that address."""
    return StabilityGenerator(StabilitySettings(key=StabilityKey(key), base_url=url, **settings))


def call_for(prompt: str, **options: Any) -> GenerationCall:
    """A call of one picture."""
    request = ImageRequest(prompt=prompt, checkpoint="core", options=options)
    return GenerationCall(job_id=new_job_id(), request=request, index=0, images=1, seed=7, task_id=new_token())


async def failure_of(generator: StabilityGenerator, prompt: str, **options: Any) -> GenerationError:
    """The error that a call ends with; its sentence holds neither the key nor the prompt."""
    with pytest.raises(GenerationError) as failed:
        await generator.generate(call_for(prompt, **options), report=unheard)
    assert KEY not in str(failed.value)
    assert prompt not in str(failed.value)
    assert not isinstance(failed.value.__cause__, GenerationError)
    return failed.value


@asynccontextmanager
async def answers(raw: bytes, seen: list[bytes] | None = None) -> AsyncIterator[str]:
    """The URL of a server that reads a whole request, notes its head and gives that answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if length := re.search(rb"content-length: (\d+)", head, re.IGNORECASE):
            await reader.readexactly(int(length[1]))
        if seen is not None:
            seen.append(head)
        writer.write(raw)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

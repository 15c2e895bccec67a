"""The whole service inside your own program, with your own generator and nothing installed but imaging-core."""

import asyncio
import struct
import zlib

from imaging_core import (
    CallProgress,
    Capabilities,
    Generated,
    GeneratedImage,
    GenerationCall,
    ImageRequest,
    Parameter,
    ParameterKind,
    Report,
    open_imaging,
)


class Gradient:
    """A generator of your own: everything it must do is in `imaging_core.ports.ImageGenerator`."""

    backend = "gradient"

    async def capabilities(self) -> Capabilities:
        prompt = Parameter(name="prompt", kind=ParameterKind.TEXT, required=True)
        return Capabilities(backend=self.backend, title="Gradient", parameters=(prompt,))

    async def generate(self, call: GenerationCall, *, report: Report) -> Generated:
        rows = []
        for y in range(64):
            rows.append(b"\0" + bytes((x * 4 + call.seed) % 256 for x in range(64)))
            report(CallProgress(fraction=(y + 1) / 64, step=y + 1, steps=64))
            await asyncio.sleep(0.005)
        picture = GeneratedImage(data=png(rows), media_type="image/png", width=64, height=64, seed=call.seed)
        return Generated(images=(picture,))

    async def probe(self) -> str:
        return "Gradient is always there."


def png(rows: list[bytes]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)
    body = zlib.compress(b"".join(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


async def main() -> None:
    async with open_imaging(Gradient()) as imaging:
        job = await imaging.submit(ImageRequest(prompt="a lighthouse at dusk"), backend="gradient")
        async for view in imaging.watch(job.id):
            done = f"{view.progress.fraction:.0%}" if view.progress else ""
            print(view.job.status, done)
        image, data = await imaging.read_image(job.id)
        print(f"{image.width} x {image.height} px, seed {image.seed}, {image.size} bytes, {image.sha256[:12]}")
        assert isinstance(data, bytes)
        assert data.startswith(b"\x89PNG")


asyncio.run(main())

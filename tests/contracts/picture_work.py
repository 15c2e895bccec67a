"""The promises of `ImageGenerator` about pictures that are brought: edits begin with them, enlargements show the same.

May import pytest, Pillow (to make and to look at pictures), the core and the neighbouring modules; knows no adapter.
"""

import hashlib
import io

import attrs
import pytest
from PIL import Image, ImageChops, ImageStat

from contracts.image_generator import check_cancelled, check_picture, unheard
from imaging_core.errors import InvalidRequest
from imaging_core.formats import header_of
from imaging_core.ids import new_job_id, new_token
from imaging_core.images import GeneratedImage, ImageRequest, InputImage, Operation
from imaging_core.ports import GenerationCall, ImageGenerator

_COLOURS = ((220, 40, 40), (40, 200, 60), (40, 60, 220), (240, 220, 60))


def file_of(image: Image.Image, kind: str = "PNG") -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def four_colours(width: int = 256, height: int = 192) -> Image.Image:
    """A picture whose quarters nobody can take for each other's."""
    image = Image.new("RGB", (width, height))
    for k, colour in enumerate(_COLOURS):
        image.paste(colour, (k % 2 * width // 2, k // 2 * height // 2, width, height))
    return image


def right_half(width: int = 256, height: int = 192) -> Image.Image:
    """A mask that has the right half painted anew."""
    mask = Image.new("L", (width, height))
    mask.paste(255, (width // 2, 0, width, height))
    return mask


def input_of(data: bytes) -> InputImage:
    """What the core knows of a picture that is brought."""
    header = header_of(data)
    assert header is not None
    return InputImage(size=len(data), sha256=hashlib.sha256(data).hexdigest(), **attrs.asdict(header))


def opened(picture: GeneratedImage) -> Image.Image:
    """The picture, decoded."""
    return Image.open(io.BytesIO(picture.data)).convert("RGB")


def difference(one: Image.Image, other: Image.Image) -> float:
    """How far two pictures of one size are apart on average, 0..255."""
    return float(sum(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean) / 3)


class PictureWorkContract:
    """Promise 8. A subclass supplies `generator`, the requests, and `still_runs`."""

    @pytest.fixture
    def generator(self) -> ImageGenerator:
        """The generator to try, its backend being well."""
        raise NotImplementedError("supply the generator to try")

    def edit_request(self) -> ImageRequest:
        """A small and fast edit that changes about half."""
        raise NotImplementedError("supply an edit")

    def masked_request(self) -> ImageRequest:
        """A small and fast edit that takes a mask."""
        raise NotImplementedError("supply an edit with a mask")

    def upscale_request(self) -> ImageRequest:
        """An enlargement."""
        raise NotImplementedError("supply an enlargement")

    def picture(self) -> Image.Image:
        """A picture that the backend takes, its quarters in four colours."""
        return four_colours()

    async def call(
        self, generator: ImageGenerator, request: ImageRequest, picture: bytes, mask: bytes | None = None
    ) -> GenerationCall:
        """A call as the service makes it."""
        wanted = attrs.evolve(
            request, seed=42, init_image=input_of(picture), mask=None if mask is None else input_of(mask)
        )
        fitted = (await generator.capabilities()).fit(wanted)
        return GenerationCall(
            job_id=new_job_id(), request=fitted, index=0, images=1, seed=42, task_id=new_token(), init_image=picture,
            mask=mask,
        )  # fmt: skip

    async def test_8_capabilities_say_what_is_done_with_pictures(self, generator: ImageGenerator) -> None:
        capabilities = await generator.capabilities()

        assert set(capabilities.operations) == set(Operation)
        for request in (self.edit_request(), self.masked_request(), self.upscale_request()):
            with pytest.raises(InvalidRequest) as refused:
                capabilities.fit(request)
            assert "init_image" in {problem.field for problem in refused.value.problems}
        assert capabilities.parameter("init_image") is None, "drawing from a prompt takes no picture"

    async def test_8_an_edit_begins_with_its_picture(self, generator: ImageGenerator) -> None:
        first = self.picture()
        other = first.transpose(Image.Transpose.ROTATE_180)

        answers = [
            await generator.generate(await self.call(generator, self.edit_request(), file_of(picture)), report=unheard)
            for picture in (first, other, first)
        ]

        made = [answer.images[0] for answer in answers]
        for picture in made:
            check_picture(picture)
        one, two, again = (opened(picture).resize(first.size) for picture in made)
        assert difference(one, first) > 1, "it was changed"
        assert difference(one, first) < difference(one, other), "and still looks like what it was"
        assert difference(two, other) < difference(two, first)
        assert difference(one, again) < 1

    async def test_8_what_the_mask_keeps_stays_as_it_was(self, generator: ImageGenerator) -> None:
        picture = self.picture()
        mask = right_half(*picture.size)
        call = await self.call(generator, self.masked_request(), file_of(picture), file_of(mask))

        generated = await generator.generate(call, report=unheard)

        check_picture(generated.images[0])
        result = opened(generated.images[0])
        assert result.size == picture.size
        # The border may be soft.
        kept = (0, 0, picture.width * 3 // 8, picture.height)
        painted = (picture.width * 5 // 8, 0, picture.width, picture.height)
        assert difference(result.crop(kept), picture.crop(kept)) < 1
        assert difference(result.crop(painted), picture.crop(painted)) > 1

    async def test_8_an_enlargement_is_the_same_picture(self, generator: ImageGenerator) -> None:
        picture = self.picture()
        call = await self.call(generator, self.upscale_request(), file_of(picture))

        generated = await generator.generate(call, report=unheard)

        (made,) = generated.images
        check_picture(made)
        assert made.width > picture.width
        assert abs(made.width / made.height - picture.width / picture.height) < 0.02
        assert difference(opened(made).resize(picture.size), picture) < 8

    async def test_8_jpeg_and_webp_are_taken_like_png(self, generator: ImageGenerator) -> None:
        for kind in ("JPEG", "WEBP"):
            call = await self.call(generator, self.edit_request(), file_of(self.picture(), kind))

            generated = await generator.generate(call, report=unheard)

            check_picture(generated.images[0])

    async def still_runs(self, call: GenerationCall) -> bool:
        """Whether the backend works on that call now."""
        raise NotImplementedError("supply a look at the backend")

    def slow_edit_request(self) -> ImageRequest:
        """An edit that takes at least half a second."""
        raise NotImplementedError("supply a slow edit")

    async def test_5_a_cancelled_edit_stops_on_the_backend(self, generator: ImageGenerator) -> None:
        call = await self.call(generator, self.slow_edit_request(), file_of(self.picture()))
        await check_cancelled(generator, call, self.still_runs)

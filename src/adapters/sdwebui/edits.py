"""Writes what img2img and extra-single-image take beside the words: the pictures, and what is done with them.

May import the core and this folder.
"""

import base64

import attrs

from adapters.sdwebui.lists import Lists
from adapters.sdwebui.picture_offers import FILLS, RESIZE_MODES
from imaging_core.errors import CallRejected
from imaging_core.ports import GenerationCall


@attrs.frozen(kw_only=True)
class Enlargement:
    """What one enlargement asks."""

    body: dict[str, object] = attrs.field(repr=False)
    #: Size of the result in px.
    width: int
    height: int


def edit_of(call: GenerationCall) -> dict[str, object]:
    """The further fields of an img2img call. Raises CallRejected for one without its picture."""
    request, options = call.request, call.request.options
    body: dict[str, object] = {
        # One picture serves a whole batch; more pictures than the batch has are an error.
        "init_images": [_text(call.init_image)],
        "denoising_strength": 0.75 if request.strength is None else request.strength,
        "resize_mode": _number(RESIZE_MODES, options.get("resize_mode")),
        "include_init_images": False,
    }
    if call.mask is not None:
        body |= {
            "mask": _text(call.mask),
            "mask_blur": options.get("mask_blur", 4),
            "inpainting_fill": _number(FILLS, options.get("inpainting_fill", "original")),
            "inpaint_full_res": options.get("inpaint_full_res", False),
            "inpaint_full_res_padding": options.get("inpaint_full_res_padding", 32),
            "inpainting_mask_invert": int(options.get("inpainting_mask_invert") is True),
        }
    return body


def enlargement_of(call: GenerationCall, lists: Lists) -> Enlargement:
    """What an enlargement asks. Raises CallRejected for what this instance, by its lists, would not do."""
    upscaler, scale = call.request.options.get("upscaler"), call.request.options.get("scale")
    picture = call.request.init_image
    if upscaler not in lists.enlargers:
        raise CallRejected(f"The WebUI has no such upscaler. It has: {', '.join(lists.enlargers) or 'none'}.")
    if picture is None or not isinstance(scale, int | float):
        raise CallRejected("An enlargement begins with a picture and a scale.")
    body = {"image": _text(call.init_image), "resize_mode": 0, "upscaling_resize": scale, "upscaler_1": upscaler}
    return Enlargement(body=body, width=int(picture.width * scale), height=int(picture.height * scale))


def _text(data: bytes | None) -> str:
    if data is None:
        raise CallRejected("The call begins with a picture, and there is none.")
    return base64.b64encode(data).decode()


def _number(names: tuple[str, ...], name: object) -> int:
    return names.index(name) if isinstance(name, str) and name in names else 0

"""The routes around generation that work on pictures: upscaling, reading metadata, captions.

May import the standard library, Pillow and this package.
"""

from __future__ import annotations

from typing import Any

from PIL import Image

from fakes.sdwebui import infotext
from fakes.sdwebui.catalog import Catalog
from fakes.sdwebui.errors import HTTPRefusal
from fakes.sdwebui.pictures import decode, encode


def single(request: dict[str, Any], catalog: Catalog) -> dict[str, Any]:
    """The body of /extra-single-image."""
    image, text = _processed(request["image"], request, catalog)
    return {"html_info": f"<p>{text}</p>", "image": encode(image, "png", text, keyword="postprocessing")}


def batch(request: dict[str, Any], catalog: Catalog) -> dict[str, Any]:
    """The body of /extra-batch-images."""
    results = [_processed(item["data"], request, catalog) for item in request["imageList"]]
    images = [encode(image, "png", text, keyword="postprocessing") for image, text in results]
    return {"html_info": f"<p>{results[-1][1]}</p>", "images": images}


def _processed(data: str, request: dict[str, Any], catalog: Catalog) -> tuple[Image.Image, str]:
    image = decode(data).convert("RGB")
    done: dict[str, Any] = {}
    name = request["upscaler_1"]
    if name != "None":
        if name not in catalog.upscalers:
            raise AssertionError(f"could not find upscaler named {name}")
        size, done = _target(image, request)
        image = image.resize(size, Image.Resampling.NEAREST if name == "Nearest" else Image.Resampling.LANCZOS)
        done["Postprocess upscaler"] = name
    if request["gfpgan_visibility"]:
        # The restorer's model cannot be had: the picture stays as it is, the text says otherwise.
        done["GFPGAN visibility"] = request["gfpgan_visibility"]
    return image, ", ".join(f"{key}: {value}" for key, value in done.items())


def _target(image: Image.Image, request: dict[str, Any]) -> tuple[tuple[int, int], dict[str, Any]]:
    if request["resize_mode"] == 1:
        width, height = request["upscaling_resize_w"], request["upscaling_resize_h"]
        size = f"{width}x{height}"
        done = {"Postprocess upscale to": size}
        return (width, height), done | ({"Postprocess crop to": size} if request["upscaling_crop"] else {})
    factor = float(request["upscaling_resize"])
    return (int(image.width * factor), int(image.height * factor)), {"Postprocess upscale by": factor}


def png_info(request: dict[str, Any]) -> dict[str, Any]:
    """The body of /png-info."""
    image = decode(request["image"])
    text = str(image.info.get("parameters", ""))
    return {"info": text, "items": {}, "parameters": infotext.read(text)}


def interrogate(request: dict[str, Any]) -> dict[str, str]:
    """The body of /interrogate on a server whose caption models cannot be had."""
    if request["model"] not in ("clip", "deepdanbooru"):
        raise HTTPRefusal(404, "Model not found")
    decode(request["image"])
    return {"caption": "<error>"}

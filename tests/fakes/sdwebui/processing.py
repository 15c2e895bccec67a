"""One job from its checked request to pictures and info: passes, steps, hires, seeds, and what an interrupt leaves.

May import the standard library, Pillow and this package.
"""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageFilter, ImageOps

from fakes.sdwebui import infotext
from fakes.sdwebui.errors import NamedError
from fakes.sdwebui.pictures import decode, draw, encode, grid

if TYPE_CHECKING:
    from fakes.sdwebui.engine import Engine


class Processing:
    """A job while it runs, and its results afterwards."""

    def __init__(
        self,
        engine: Engine,
        request: dict[str, Any],
        sampler: str,
        schedule: str | None,
        init_images: list[Image.Image] | None,
    ) -> None:
        self._engine = engine
        self._state = engine.state
        self._request = request
        self._sampler = sampler
        self._schedule = schedule
        self._init = init_images
        self._images: list[Image.Image] = []
        self._texts: list[str] = []
        self._first = 0

    async def run(self) -> None:
        """Make the pictures; raises what the real code raises for values it never checked."""
        request = self._request
        assert request["prompt"] is not None
        self._prepare()
        self._check_sizes()
        if request.get("enable_hr"):
            self._check_hires_names()
        self._engine.faults.raise_at("start")
        iterations, hires = request["n_iter"], bool(request.get("enable_hr"))
        if self._state.job_count == -1:
            self._state.job_count = iterations * (2 if hires else 1)
        for iteration in range(iterations):
            self._state.skipped = False
            if self._state.interrupted:
                break
            if iterations > 1:
                self._state.job = f"Batch {iteration + 1} out of {iterations}"
            await self._iterate(iteration, hires=hires)
        if not self._texts:
            raise IndexError("list index out of range")
        if request["save_images"] and len(self._images) > 1:
            self._images.insert(0, grid(self._images))
            self._texts.insert(0, self._texts[0])
            self._first = 1

    def _prepare(self) -> None:
        request, settings = self._request, self._engine.settings
        styles = request["styles"] or []
        prompt, negative = infotext.styled(
            request["prompt"], request["negative_prompt"] or "", styles, self._engine.catalog.styles
        )
        self._prompt, self._negative = infotext.without_comments(prompt), infotext.without_comments(negative)
        self._seed, self._subseed = _drawn(request["seed"]), _drawn(request["subseed"])
        self._step_by = 0 if request["subseed_strength"] else 1
        total = request["batch_size"] * request["n_iter"]
        self._seeds = [self._seed + k * self._step_by for k in range(total)]
        clip_skip = settings.get("CLIP_stop_at_last_layers")
        if isinstance(clip_skip, str):
            raise TypeError("bad operand type for unary -: 'str'")
        self._clip_skip = int(clip_skip)
        checkpoint = self._engine.memory.loaded
        assert checkpoint is not None
        self._checkpoint = checkpoint
        self._vae, self._vae_hash = self._engine.catalog.vae(settings.get("sd_vae"))
        self._extra = self._extra_parameters()

    def _check_sizes(self) -> None:
        request = self._request
        for side in ("width", "height"):
            if request[side] is None:
                raise TypeError("unsupported operand type(s) for //: 'NoneType' and 'int'")
        if request["steps"] == 0:
            raise ZeroDivisionError("integer division or modulo by zero")
        if request["steps"] < 0:
            raise RuntimeError("number of steps must be non-negative")
        self._size = _floored(request["width"], request["height"])
        if 0 in self._size:
            raise RuntimeError(
                "Calculated padded input size per channel: (10 x 2). Kernel size: (3 x 3)."
                " Kernel size can't be greater than actual input size"
            )
        if self._init is not None:
            self._check_init_images()

    def _check_init_images(self) -> None:
        images, most = len(self._init or ()), self._request["batch_size"]
        if images > most:
            raise RuntimeError(f"bad number of images passed: {images}; expecting {most} or less")
        if images == 0:
            raise RuntimeError("Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [0]")

    def _check_hires_names(self) -> None:
        request, catalog = self._request, self._engine.catalog
        if request["hr_checkpoint_name"]:
            catalog.named(request["hr_checkpoint_name"])
        name = request["hr_upscaler"]
        if name is not None and name not in catalog.latent_modes and name not in catalog.upscalers:
            raise NamedError("Exception", f"could not find upscaler named {name}")

    async def _iterate(self, iteration: int, *, hires: bool) -> None:
        request = self._request
        size = self._size
        steps_done = await self._sample(request["steps"], size)
        if hires and not self._state.interrupted:
            if request["denoising_strength"] is None:
                raise TypeError("'>' not supported between instances of 'NoneType' and 'int'")
            second = request["hr_sampler_name"]
            if second and not any(row["name"] == second for row in self._engine.catalog.samplers):
                raise AssertionError(f"bad sampler name: {second}")
            size = self._hires_size()
            self._state.next_job()
            steps_done += await self._sample(request["hr_second_pass_steps"] or request["steps"], size)
        batch = request["batch_size"]
        for seed in self._seeds[iteration * batch : (iteration + 1) * batch]:
            self._images.append(self._picture(size, seed, steps_done))
            self._texts.append(self._text(seed))
        self._state.next_job()

    async def _sample(self, steps: int, size: tuple[int, int]) -> int:
        state, faults = self._state, self._engine.faults
        state.sampling_steps = steps
        for step in range(steps):
            state.sampling_step = step
            state.latent = draw(max(size[0] // 4, 1), max(size[1] // 4, 1), self._seed, step)
            if step == steps // 2:
                self._engine.faults.raise_at("middle")
            await asyncio.sleep(faults.step_seconds)
            while faults.stall and not (state.interrupted and not faults.deaf):  # noqa: ASYNC110  # two conditions, polled
                await asyncio.sleep(0.005)
            if (state.interrupted and not faults.deaf) or state.skipped:
                return step + 1
        return steps

    def _hires_size(self) -> tuple[int, int]:
        request = self._request
        if request["hr_resize_x"] or request["hr_resize_y"]:
            width, height = request["hr_resize_x"], request["hr_resize_y"]
            ratio = request["width"] / request["height"]
            return _floored(width or int(height * ratio), height or int(width / ratio))
        return _floored(int(request["width"] * request["hr_scale"]), int(request["height"] * request["hr_scale"]))

    def _picture(self, size: tuple[int, int], seed: int, steps: int) -> Image.Image:
        request = self._request
        painted = draw(
            *size,
            self._prompt,
            self._negative,
            seed,
            steps,
            self._sampler,
            self._schedule,
            self._checkpoint.name,
            self._clip_skip,
            self._vae,
            request["cfg_scale"],
            request["subseed_strength"] and self._subseed,
        )
        if not self._init:
            return painted
        source = self._init[0].convert("RGB").resize(size)
        mixed = Image.blend(source, painted, min(1.0, request["denoising_strength"]))
        if not request["mask"]:
            return mixed
        mask = decode(request["mask"]).convert("L").resize(size)
        if request["inpainting_mask_invert"]:
            mask = ImageOps.invert(mask)
        blur = request["mask_blur_x"] if request["mask_blur"] is None else request["mask_blur"]
        return Image.composite(mixed, source, mask.filter(ImageFilter.GaussianBlur(blur)))

    def _extra_parameters(self) -> dict[str, Any]:
        request = self._request
        extra: dict[str, Any] = {}
        if self._init is not None:
            extra |= {"Denoising strength": request["denoising_strength"]} | self._mask_parameters()
        if self._engine.version.startswith("1.10.") and self._schedule not in (None, "Automatic"):
            extra["Schedule type"] = self._schedule
        if request.get("enable_hr"):
            extra |= self._hires_parameters()
        extra |= infotext.networks(self._prompt)
        if request["refiner_checkpoint"] and request["refiner_switch_at"]:
            refiner = self._engine.catalog.named(request["refiner_checkpoint"])
            extra |= {
                "Refiner": f"{refiner.name} [{refiner.short_hash}]",
                "Refiner switch at": request["refiner_switch_at"],
            }
        return extra

    def _mask_parameters(self) -> dict[str, Any]:
        request = self._request
        if not request["mask"]:
            return {}
        blur = request["mask_blur"]
        found: dict[str, Any] = {"Mask blur": request["mask_blur_x"] if blur is None else blur}
        if request["inpaint_full_res"] and request["inpaint_full_res_padding"]:
            found |= {"Inpaint area": "Only masked", "Masked area padding": request["inpaint_full_res_padding"]}
            found["Masked content"] = ("fill", "original", "latent noise", "latent nothing")[request["inpainting_fill"]]
        return found

    def _hires_parameters(self) -> dict[str, Any]:
        request = self._request
        # The three that are None are functions in the real program: filled in the infotext, null in `info`.
        sized = request["hr_resize_x"] or request["hr_resize_y"]
        given = {
            "Denoising strength": request["denoising_strength"],
            "Hires sampler": request["hr_sampler_name"],
            "Hires prompt": _LATER,
            "Hires negative prompt": _LATER,
            "Hires schedule type": request.get("hr_scheduler") or _LATER,
            "Hires upscale": None if sized else request["hr_scale"],
            "Hires resize": f"{request['hr_resize_x']}x{request['hr_resize_y']}" if sized else None,
            "Hires steps": request["hr_second_pass_steps"] or None,
            "Hires upscaler": request["hr_upscaler"],
        }
        return {key: None if value is _LATER else value for key, value in given.items() if value is not None}

    def _text(self, seed: int) -> str:
        request = self._request
        newest = self._engine.version.startswith("1.10.")
        schedule = (self._schedule or "Automatic") if newest else self._schedule
        varied = bool(request["subseed_strength"])
        later = {"Hires prompt": request.get("hr_prompt"), "Hires negative prompt": request.get("hr_negative_prompt")}
        extra = self._extra | {key: value or None for key, value in later.items() if key in self._extra}
        first = {
            "Steps": request["steps"],
            "Sampler": self._sampler,
            "Schedule type": schedule,
            "CFG scale": request["cfg_scale"],
            "Seed": seed,
            "Face restoration": self._face_restorer(),
            "Size": f"{request['width']}x{request['height']}",
            "Model hash": self._checkpoint.short_hash,
            "Model": self._checkpoint.name,
            "VAE hash": self._vae_hash,
            "VAE": self._vae,
            "Variation seed": self._subseed if varied else None,
            "Variation seed strength": request["subseed_strength"] if varied else None,
            "Denoising strength": extra.get("Denoising strength"),
            "Clip skip": self._clip_skip if self._clip_skip > 1 else None,
            "Tiling": "True" if request["tiling"] else None,
        }
        return infotext.write(self._prompt, self._negative, first | extra | {"Version": f"v{self._engine.version}"})

    def _face_restorer(self) -> str | None:
        return str(self._engine.settings.get("face_restoration_model")) if self._request["restore_faces"] else None

    def encoded(self, kind: str) -> list[str]:
        """The pictures as the answer carries them."""
        return [encode(image, kind, text) for image, text in zip(self._images, self._texts, strict=True)]

    def info(self) -> str:
        """The JSON text in the answer's `info`."""
        request, total = self._request, len(self._seeds)
        subseeds = [self._subseed + k for k in range(total)]
        return json.dumps(
            {
                "prompt": self._prompt,
                "all_prompts": [self._prompt] * total,
                "negative_prompt": self._negative,
                "all_negative_prompts": [self._negative] * total,
                "seed": self._seed,
                "all_seeds": self._seeds,
                "subseed": self._subseed,
                "all_subseeds": subseeds,
                "subseed_strength": request["subseed_strength"],
                "width": request["width"],
                "height": request["height"],
                "sampler_name": self._sampler,
                "cfg_scale": request["cfg_scale"],
                "steps": request["steps"],
                "batch_size": request["batch_size"],
                "restore_faces": bool(request["restore_faces"]),
                "face_restoration_model": self._face_restorer(),
                "sd_model_name": self._checkpoint.name,
                "sd_model_hash": self._checkpoint.short_hash,
                "sd_vae_name": self._vae,
                "sd_vae_hash": self._vae_hash,
                "seed_resize_from_w": request["seed_resize_from_w"],
                "seed_resize_from_h": request["seed_resize_from_h"],
                "denoising_strength": request["denoising_strength"],
                "extra_generation_params": self._extra,
                "index_of_first_image": self._first,
                "infotexts": self._texts,
                "styles": request["styles"] or [],
                "job_timestamp": self._state.job_timestamp,
                "clip_skip": self._clip_skip,
                "is_using_inpainting_conditioning": False,
                "version": f"v{self._engine.version}",
            }
        )


_LATER = object()


def _drawn(value: int | None) -> int:
    return random.randrange(4294967294) if value is None or value == -1 else value


def _floored(width: int, height: int) -> tuple[int, int]:
    """Sizes in px the latent space can hold."""
    return width // 8 * 8, height // 8 * 8

"""The request fields of every route that takes a body: name, type and default, in the order the real server echoes them.

May import the standard library.
"""

from __future__ import annotations

from typing import Any

#: name -> (type, default). Defaults are echoed as they are: pydantic v1 does not coerce them.
Fields = dict[str, tuple[str, Any]]

_SHARED: Fields = {
    "prompt": ("str", ""),
    "negative_prompt": ("str", ""),
    "styles": ("list[str]", None),
    "seed": ("int", -1),
    "subseed": ("int", -1),
    "subseed_strength": ("float", 0),
    "seed_resize_from_h": ("int", -1),
    "seed_resize_from_w": ("int", -1),
    "sampler_name": ("str", None),
    "scheduler": ("str", None),
    "batch_size": ("int", 1),
    "n_iter": ("int", 1),
    "steps": ("int", 50),
    "cfg_scale": ("float", 7.0),
    "width": ("int", 512),
    "height": ("int", 512),
    "restore_faces": ("bool", None),
    "tiling": ("bool", None),
    "do_not_save_samples": ("bool", False),
    "do_not_save_grid": ("bool", False),
    "eta": ("float", None),
    "denoising_strength": ("float", None),
    "s_min_uncond": ("float", None),
    "s_churn": ("float", None),
    "s_tmax": ("float", None),
    "s_tmin": ("float", None),
    "s_noise": ("float", None),
    "override_settings": ("dict", None),
    "override_settings_restore_afterwards": ("bool", True),
    "refiner_checkpoint": ("str", None),
    "refiner_switch_at": ("float", None),
    "disable_extra_networks": ("bool", False),
    "firstpass_image": ("str", None),
    "comments": ("dict", None),
}

_HIRES: Fields = {
    "enable_hr": ("bool", False),
    "firstphase_width": ("int", 0),
    "firstphase_height": ("int", 0),
    "hr_scale": ("float", 2.0),
    "hr_upscaler": ("str", None),
    "hr_second_pass_steps": ("int", 0),
    "hr_resize_x": ("int", 0),
    "hr_resize_y": ("int", 0),
    "hr_checkpoint_name": ("str", None),
    "hr_sampler_name": ("str", None),
    "hr_scheduler": ("str", None),
    "hr_prompt": ("str", ""),
    "hr_negative_prompt": ("str", ""),
}

_INIT: Fields = {
    "init_images": ("list", None),
    "resize_mode": ("int", 0),
    "image_cfg_scale": ("float", None),
    "mask": ("str", None),
    "mask_blur_x": ("int", 4),
    "mask_blur_y": ("int", 4),
    "mask_blur": ("int", None),
    "mask_round": ("bool", True),
    "inpainting_fill": ("int", 0),
    "inpaint_full_res": ("bool", True),
    "inpaint_full_res_padding": ("int", 0),
    "inpainting_mask_invert": ("int", 0),
    "initial_noise_multiplier": ("float", None),
    "latent_mask": ("str", None),
}

_TASK: Fields = {"force_task_id": ("str", None), "sampler_index": ("str", "Euler")}

_SCRIPTS: Fields = {
    "script_name": ("str", None),
    "script_args": ("list", []),
    "send_images": ("bool", True),
    "save_images": ("bool", False),
    "alwayson_scripts": ("dict", {}),
    "infotext": ("str", None),
}

_TXT2IMG: Fields = _SHARED | _HIRES | _TASK | _SCRIPTS
_IMG2IMG: Fields = (
    _SHARED
    | {"denoising_strength": ("float", 0.75)}
    | _INIT
    | _TASK
    | {"include_init_images": ("bool", False)}
    | _SCRIPTS
)

EXTRA_SINGLE: Fields = {
    "resize_mode": ("int", 0),
    "show_extras_results": ("bool", True),
    "gfpgan_visibility": ("float", 0),
    "codeformer_visibility": ("float", 0),
    "codeformer_weight": ("float", 0),
    "upscaling_resize": ("float>0", 2),
    "upscaling_resize_w": ("int", 512),
    "upscaling_resize_h": ("int", 512),
    "upscaling_crop": ("bool", True),
    "upscaler_1": ("str", "None"),
    "upscaler_2": ("str", "None"),
    "extras_upscaler_2_visibility": ("float", 0),
    "upscale_first": ("bool", False),
    "image": ("str", ""),
}
EXTRA_BATCH: Fields = EXTRA_SINGLE | {"imageList": ("list!", None)}

PNG_INFO: Fields = {"image": ("str!", None)}
INTERROGATE: Fields = {"image": ("str", ""), "model": ("str", "clip")}
PROGRESS: Fields = {"id_task": ("str", None), "id_live_preview": ("int", -1), "live_preview": ("bool", True)}


def generation(route: str, version: str) -> Fields:
    """The fields of txt2img or img2img as that release knows them; schedulers became a field with 1.9."""
    fields = _TXT2IMG if route == "txt2img" else _IMG2IMG
    if version.startswith("1.8."):
        return {name: field for name, field in fields.items() if name not in ("scheduler", "hr_scheduler")}
    return fields

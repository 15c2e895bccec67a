"""Stable Diffusion WebUI instances as one image generator: txt2img over the API of AUTOMATIC1111 and its kin.

May import the core, httpx and Pillow; no other adapter.
"""

from adapters.sdwebui.generator import SdWebuiGenerator
from adapters.sdwebui.settings import SdWebuiSettings

__all__ = ["SdWebuiGenerator", "SdWebuiSettings"]

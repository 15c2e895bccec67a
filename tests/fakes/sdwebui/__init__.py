"""A Stable Diffusion WebUI (AUTOMATIC1111) without the weights: the real wire, queue, quirks and errors on a real port.

`python -m fakes.sdwebui --port 0` serves; tests start it with `launch()`. What it answers is compared with records of the
real program. May import starlette, uvicorn and Pillow, and nothing of the product.
"""

from fakes.sdwebui.launcher import FakeWebUI, LoggedCall, launch

__all__ = ["FakeWebUI", "LoggedCall", "launch"]

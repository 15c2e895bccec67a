"""Stability AI's hosted models as an image generator: one paid picture per call, over its REST API.

May import the core, httpcore and Pillow; no other adapter.
"""

from adapters.stability.generator import StabilityGenerator
from adapters.stability.settings import AnswerForm, StabilityKey, StabilitySettings

__all__ = ["AnswerForm", "StabilityGenerator", "StabilityKey", "StabilitySettings"]

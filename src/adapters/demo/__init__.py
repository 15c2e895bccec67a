"""The built-in demo generator: procedural pictures that let the whole service be tried with no key and no GPU.

May import the core, attrs, numpy and Pillow; no other adapter.
"""

from adapters.demo.generator import DemoGenerator

__all__ = ["DemoGenerator"]

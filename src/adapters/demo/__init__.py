"""The built-in demo generator: procedural pictures that let the whole service be tried with no key and no GPU.

Imports the core, numpy and Pillow; nothing else.
"""

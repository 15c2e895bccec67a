"""Brings compose.yaml up with the real Docker and shows that it works; `python -m compose_test`.

May import the standard library, httpx, attrs, Pillow, Playwright and the neighbouring modules of the tests.
"""

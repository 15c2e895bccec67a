"""Process chaos: real processes, killed and frozen from outside while jobs flow, judged by what clients, engines and disk saw.

`python -m chaos SCENARIO` runs one scenario and ends with one JSON line. May import the standard library, attrs, httpx,
Pillow, redis and the test doubles beside it, and nothing of the product.
"""

"""A stand-in for the Stability AI REST API that speaks its wire on a real port, refuses what it refuses and counts charges.

May import the standard library, attrs, Pillow, Starlette, uvicorn and yaml; nothing of the service under test.
"""

from fakes.stability.launcher import StabilityProcess, launch

__all__ = ["StabilityProcess", "launch"]

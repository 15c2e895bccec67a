"""AUTOMATIC1111's /sdapi/v1 over the same jobs, for clients that know no other; may import the rest of the API.

A call is an ordinary job inside: it is in every list, can be cancelled, and its pictures are kept; `X-Job-Id` names it.
"""

from entrypoints.api.a1111.door import A1111Door
from entrypoints.api.a1111.refusals import BELOW, tell

__all__ = ["BELOW", "A1111Door", "tell"]

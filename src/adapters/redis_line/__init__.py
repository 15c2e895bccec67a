"""How this process talks to any Redis from its event loop, for the adapters that need one; imports redis-py and hiredis."""

from adapters.redis_line.ear import listen
from adapters.redis_line.line import Line, Word

__all__ = ["Line", "Word", "listen"]

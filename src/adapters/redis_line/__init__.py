"""How this process talks to any Redis from its event loop, for the adapters that need one; imports redis-py, hiredis and the core."""

from adapters.redis_line.ear import listen
from adapters.redis_line.faults import address_of, unavailable
from adapters.redis_line.line import Line, Word

__all__ = ["Line", "Word", "address_of", "listen", "unavailable"]

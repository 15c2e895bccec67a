"""Counts requests over all processes that share a Redis, on its clock; imports the core's neighbours in this package."""

from adapters.redis.link import RedisLink


class RedisRequestMeter:
    """One number per name, which expires once the whole allowance is there again."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def take(self, name: str, *, per_minute: int) -> float:
        """0 to go ahead, else the seconds to wait."""
        wait = await self._link.script("meter", name, per_minute)
        return int(wait) / 1e6

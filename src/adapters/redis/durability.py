"""Whether a Redis keeps what it was given, asked by INFO since CONFIG is often forbidden; imports the core."""

from typing import Final

from adapters.redis.link import RedisLink
from imaging_core.errors import ImagingError

#: Streams' exclusive ranges and the script semantics that the adapters stand on.
OLDEST: Final = (6, 2)


class UnsuitableRedis(ImagingError):
    """That Redis cannot hold the jobs; the sentence says why and what mends it."""


class VolatileRedis(UnsuitableRedis):
    """That Redis would forget jobs at a restart or under pressure; may be permitted knowingly."""


async def check_durability(link: RedisLink, *, allow_volatile: bool = False) -> None:
    """Return if accepted jobs are safe there.

    Raises UnsuitableRedis for a Redis that is too old or a replica; VolatileRedis, unless permitted, for one without
    an append-only file or with an eviction policy; Unavailable when it does not answer.
    """
    facts = _facts(await link.command("INFO"))
    version = facts.get("redis_version", "0.0")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        raise UnsuitableRedis(f"Redis at {link.address} is version {version}. It must be 6.2 or later (or Valkey).")
    if facts.get("role") == "slave":
        raise UnsuitableRedis(f"Redis at {link.address} is a read-only replica. Put its primary into {link.setting}.")
    if allow_volatile:
        return
    if facts.get("aof_enabled") != "1":
        raise VolatileRedis(
            f"Redis at {link.address} has no append-only file: a restart would lose accepted jobs. "
            f"Mend it with: {_cli(link)} CONFIG SET appendonly yes (and appendonly yes in its redis.conf), "
            "or accept the loss with --allow-volatile."
        )
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise VolatileRedis(
            f"Redis at {link.address} throws data away when memory is short (maxmemory-policy {policy}). "
            f"Mend it with: {_cli(link)} CONFIG SET maxmemory-policy noeviction (and the same in its redis.conf), "
            "or accept the loss with --allow-volatile."
        )


def _facts(info: bytes) -> dict[str, str]:
    lines = (line for line in info.decode().splitlines() if ":" in line)
    return dict(line.split(":", 1) for line in lines)


def _cli(link: RedisLink) -> str:
    if link.address.startswith("/"):
        return f"redis-cli -s {link.address}"
    host, _, port = link.address.rpartition(":")
    return f"redis-cli -h {host} -p {port}"

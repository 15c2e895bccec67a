"""Whether a name that somebody asks for is one of ours: the API and the page agree on it here; imports stdlib."""

from collections.abc import Collection, Iterable


def host_name(host: str) -> str:
    """The name in a Host header, without its port, in lower case."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower().rstrip(".")


def is_ours(name: str, allowed: Collection[str]) -> bool:
    """Whether one of `allowed` says so; `*.domain` stands for every name below it."""
    return any(_is_below(name, one.lower()) for one in allowed)


def _is_below(name: str, allowed: str) -> bool:
    return name.endswith(allowed[1:]) if allowed.startswith("*.") else name == allowed


def bare(names: Iterable[str]) -> tuple[str, ...]:
    """The same names, each once, with IPv6 addresses as they are written where no port can follow."""
    return tuple(dict.fromkeys(name.strip("[]") for name in names))

"""Which network addresses a caller's URL may lead to; imports stdlib only.

The lists are IANA's special-purpose registries for IPv4 and IPv6, written out: `ipaddress.is_global` changed its answers
between patch releases of Python, and counts some ways into a private network (6to4, NAT64) as global.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

Address = IPv4Address | IPv6Address

#: IPv4 that is not public: this network, private use, shared (carrier-grade NAT), loopback, link-local with the clouds'
#: metadata service, protocol assignments, documentation, AS112, AMT, 6to4 relays, benchmarks, multicast, reserved.
_NOT_PUBLIC_4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        # Azure's own metadata service, on an address that looks public.
        "168.63.129.16/32",
    )
)
#: All of IPv6 that is handed out; loopback, mapped, NAT64, unique local, link-local and multicast lie outside.
_PUBLIC_6: Final = IPv6Network("2000::/3")
#: What is not public within it: protocol assignments with Teredo and ORCHID, documentation, 6to4, AS112.
_NOT_PUBLIC_6: Final = tuple(
    IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?", re.ASCII)


def is_public(address: Address) -> bool:
    """Whether anybody on the Internet could be meant; of an address that wraps an IPv4 one, never."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)


class Allowed:
    """What the operator permits beside public addresses: names, addresses and networks."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        """Raises ValueError for an entry that is none of these."""
        self._names: set[str] = set()
        self._networks: list[IPv4Network | IPv6Network] = []
        for entry in entries:
            try:
                self._networks.append(ip_network(entry))
            except ValueError:
                if not _NAME.fullmatch(entry.lower()) or re.fullmatch(r"[0-9./]+", entry):
                    raise ValueError(
                        f"{entry!r} is no host name, address or network. Write for instance "
                        "hooks.internal, 10.1.2.3 or 10.0.0.0/8, separated by commas."
                    ) from None
                self._names.add(entry.lower())

    def name(self, host: str) -> bool:
        """Whether that name may resolve to anything."""
        return host.lower() in self._names

    def address(self, address: Address) -> bool:
        """Whether that address may be connected to, as itself or as the IPv4 address that it maps."""
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any((mapped or address) in network for network in self._networks)

"""Network namespaces: a hub, and hosts that reach it over a cable each; imports the standard library."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

#: The hub's address, the same from every host.
HUB = "10.77.0.1"


def ip(*arguments: str) -> None:
    """Run iproute2. Raises CalledProcessError with what it said."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


class Network:
    """One hub and its hosts, named after this process."""

    def __init__(self, hosts: int) -> None:
        self.hub = f"img{os.getpid()}"
        self.hosts = [f"{self.hub}-{n}" for n in range(1, hosts + 1)]

    def within(self, host: str) -> Sequence[str]:
        """What a command begins with to run there."""
        return ("ip", "netns", "exec", host)

    def _cable(self, host: str) -> str:
        return f"c{host.removeprefix('img')}"

    def cut(self, host: str) -> None:
        """Pull that host's cable: packets are lost without a word."""
        ip("-n", self.hub, "link", "set", self._cable(host), "down")

    def mend(self, host: str) -> None:
        """Put it back."""
        ip("-n", self.hub, "link", "set", self._cable(host), "up")

    @contextmanager
    def up(self) -> Iterator["Network"]:
        """There while inside."""
        try:
            self._build()
            yield self
        finally:
            for name in (*self.hosts, self.hub):
                subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def _build(self) -> None:
        ip("netns", "add", self.hub)
        ip("-n", self.hub, "link", "set", "lo", "up")
        ip("-n", self.hub, "addr", "add", f"{HUB}/32", "dev", "lo")
        for number, host in enumerate(self.hosts, start=1):
            ip("netns", "add", host)
            ip("-n", host, "link", "set", "lo", "up")
            cable = self._cable(host)
            ip("-n", self.hub, "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", host)
            ip("-n", self.hub, "addr", "add", f"10.77.{number}.1/24", "dev", cable)
            ip("-n", host, "addr", "add", f"10.77.{number}.2/24", "dev", "eth0")
            ip("-n", self.hub, "link", "set", cable, "up")
            ip("-n", host, "link", "set", "eth0", "up")
            ip("-n", host, "route", "add", HUB, "via", f"10.77.{number}.1")

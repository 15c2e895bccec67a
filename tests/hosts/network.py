"""Network namespaces: a hub, and hosts that reach it and each other, over a cable each; imports the standard library."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

#: The hub's address, the same from every host.
HUB = "10.77.0.1"


def ip(*arguments: str) -> None:
    """Run iproute2. Raises CalledProcessError with what it said."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def tc(*arguments: str) -> None:
    """Run its part for what goes over a device. Raises CalledProcessError with what it said."""
    subprocess.run(["tc", *arguments], check=True, capture_output=True, text=True)


class Network:
    """One hub and its hosts, named after this process."""

    def __init__(self, hosts: int) -> None:
        self.hub = f"img{os.getpid()}"
        self.hosts = [f"{self.hub}-{n}" for n in range(1, hosts + 1)]

    @property
    def names(self) -> list[str]:
        """The names, for a program inside."""
        return [self.hub, *self.hosts]

    @classmethod
    def known(cls, names: Sequence[str]) -> "Network":
        """One that is up already."""
        network = cls(hosts=0)
        network.hub, *network.hosts = names
        return network

    def address(self, host: str) -> str:
        """A host's own address, the same from everywhere."""
        return f"10.77.{self.hosts.index(host) + 1}.2"

    def within(self, host: str) -> Sequence[str]:
        """What a command begins with to run there."""
        return ("ip", "netns", "exec", host)

    def _cable(self, host: str) -> str:
        return f"c{host.removeprefix('img')}"

    def cut(self, host: str) -> None:
        """Cut that host off from all others: packets are lost without a word, both ways."""
        for place, device in self._ends(host):
            tc("-n", place, "qdisc", "replace", "dev", device, "root", "blackhole")

    def mend(self, host: str) -> None:
        """Put it back."""
        for place, device in self._ends(host):
            tc("-n", place, "qdisc", "del", "dev", device, "root")

    def _ends(self, host: str) -> Sequence[tuple[str, str]]:
        return (self.hub, self._cable(host)), (host, "eth0")

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
        # The hosts reach each other through it.
        ip("netns", "exec", self.hub, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        for number, host in enumerate(self.hosts, start=1):
            ip("netns", "add", host)
            ip("-n", host, "link", "set", "lo", "up")
            cable = self._cable(host)
            ip("-n", self.hub, "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", host)
            ip("-n", self.hub, "addr", "add", f"10.77.{number}.1/24", "dev", cable)
            ip("-n", host, "addr", "add", f"10.77.{number}.2/24", "dev", "eth0")
            ip("-n", self.hub, "link", "set", cable, "up")
            ip("-n", host, "link", "set", "eth0", "up")
            ip("-n", host, "route", "add", "10.77.0.0/16", "via", f"10.77.{number}.1")

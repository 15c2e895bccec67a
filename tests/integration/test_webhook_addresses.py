"""A caller's URL leads to public addresses only, however it is written and whatever its name resolves to."""

import asyncio
import ipaddress
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.webhooks import Allowed, SystemResolver
from adapters.webhooks.addresses import Address, is_public
from adapters.webhooks.resolver import NameServerSilent, NameUnknown
from adapters.webhooks.targets import Target, Unfit, addresses_of

PUBLIC = ("93.184.215.14", "1.1.1.1", "223.255.255.254", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e")
NOT_PUBLIC = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.1.2.3"),
    *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1"),
    *("198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("168.63.129.16", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:93.184.215.14", "::ffff:0:10.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::5db8:d70e", "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:10::1", "2001:db8::1"),
    *("2002:7f00:1::", "2002:5db8:d70e::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1"),
    *("fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1"),
)


def resolving(*addresses: str) -> "Fixed":
    return Fixed(addresses)


class Fixed:
    """A resolver that gives the same addresses for any name, and counts."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        if not self.addresses:
            raise NameUnknown(host)
        return [ipaddress.ip_address(text) for text in self.addresses]


async def fits(url: str, *addresses: str, allow: Sequence[str] = ()) -> bool:
    try:
        await addresses_of(Target(url), resolving(*addresses), Allowed(allow))
    except Unfit:
        return False
    return True


@pytest.mark.parametrize("address", PUBLIC)
async def test_a_public_address_is_fit(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
    assert await fits("https://hooks.example/x", address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_no_other_address_is_fit(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    assert not await fits("https://hooks.example/x", address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_one_bad_address_among_good_ones_spoils_the_name(address: str) -> None:
    assert not await fits("https://hooks.example/x", PUBLIC[0], address)
    assert not await fits("https://hooks.example/x", address, PUBLIC[3])


@given(st.ip_addresses(v=4))
def test_what_python_calls_private_is_never_public(address: ipaddress.IPv4Address) -> None:
    if is_public(address):
        properties = ("private", "loopback", "link_local", "multicast", "reserved", "unspecified")
        assert not any(getattr(address, f"is_{name}") for name in properties)


@given(st.ip_addresses(v=6))
def test_nor_is_an_ipv6_address_that_is_not_global_unicast(address: ipaddress.IPv6Address) -> None:
    if is_public(address):
        assert address.is_global
        assert address.ipv4_mapped is None
        assert address.sixtofour is None
        assert address.teredo is None


@given(st.ip_addresses(v=4))
def test_wrapping_an_ipv4_address_makes_no_way_around(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    wrapped = (
        number,
        0xFFFF << 32 | number,
        0xFFFF << 48 | number,
        0x64FF9B << 96 | number,
        0x2002 << 112 | number << 80,
    )
    assert not any(is_public(ipaddress.IPv6Address(value)) for value in wrapped)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example",
        "//hooks.example/x",
        "https://",
        "https:///x",
        "https:hooks.example",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "gopher://hooks.example/",
        "javascript:alert(1)",
        "https://user@hooks.example/",
        "https://user:secret@hooks.example/",
        "https://hooks.example@127.0.0.1/",
        "https://hooks.example/#part",
        "https://hooks.example:0/",
        "https://hooks.example:99999/",
        "https://hooks.example:x/",
        "https://[::1",
        "https://[fe80::1%25eth0]x/",
        "https://[not-an-address]/",
        "https://hooks.example\\@127.0.0.1/",
        "https://hooks.example/a b",
        "https://hooks.example/\r\nX-Injected: 1",
        "https://hooks.example/\x00",
        "https://hööks.example/",
        "https://①②⑦.0.0.1/",
        "https://hooks.example/" + "x" * 2000,
        "https://-dash.example/",
        "https://hooks.example%2f.internal/",
    ],
)
def test_a_malformed_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(Unfit) as refusal:
        Target(url)

    assert "hooks.example" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_url_is_taken_apart_as_it_is_sent() -> None:
    target = Target("https://Hooks.Example:8443/a/b?token=1&x=%20")

    assert (target.secure, target.host, target.port, target.path) == (True, "hooks.example", 8443, "/a/b?token=1&x=%20")
    assert Target("https://hooks.example").path == "/"
    assert Target("https://[2606:4700::1]/x").host == "2606:4700::1"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "[::ffff:7f00:1]", "localhost"]
)
async def test_no_spelling_of_this_machine_gets_through(host: str) -> None:
    with pytest.raises(Unfit, match="must lead to public addresses"):
        await addresses_of(Target(f"https://{host}/"), SystemResolver(), Allowed())


async def test_plain_http_is_for_allowed_hosts_only() -> None:
    assert not await fits("http://hooks.example/", PUBLIC[0])
    assert await fits("http://hooks.internal/", "10.1.2.3", allow=["hooks.internal"])
    assert await fits("http://hooks.internal/", "10.1.2.3", allow=["10.0.0.0/8"])
    assert not await fits("http://hooks.internal/", "10.1.2.3", "192.168.1.1", allow=["10.0.0.0/8"])


@pytest.mark.parametrize(
    ("port", "fit"), [(443, True), (8443, True), (1024, True), (22, False), (25, False), (80, False)]
)
async def test_ports_of_other_services_are_closed_but_to_allowed_hosts(port: int, fit: bool) -> None:
    assert await fits(f"https://hooks.example:{port}/", PUBLIC[0]) is fit
    assert await fits(f"https://hooks.internal:{port}/", "10.1.2.3", allow=["hooks.internal"])


async def test_an_allowed_network_is_one_whatever_the_spelling_of_its_addresses() -> None:
    assert await fits("https://hooks.internal/", "10.1.2.3", allow=["10.0.0.0/8"])
    assert await fits("https://hooks.internal/", "::ffff:10.1.2.3", allow=["10.0.0.0/8"])
    assert await fits("https://hooks.internal/", "10.1.2.3", PUBLIC[0], allow=["10.0.0.0/8"])
    assert not await fits("https://hooks.internal/", "10.1.2.3", "127.0.0.1", allow=["10.0.0.0/8"])
    assert await fits("https://hooks.internal/", "fd00::1", allow=["fd00::/8"])
    assert not await fits("https://hooks.internal/", "fe80::1", allow=["fd00::/8"])


async def test_an_unknown_name_and_a_private_one_are_refused_alike() -> None:
    sentences = []
    for addresses in ((), ("10.0.0.1",)):
        with pytest.raises(Unfit) as refusal:
            await addresses_of(Target("https://secret.internal/"), resolving(*addresses), Allowed())
        sentences.append(str(refusal.value))

    assert sentences[0] == sentences[1]
    assert "internal" not in sentences[0]


@pytest.mark.parametrize(
    "entry", ["", "10.0.0.0/33", "10.0.0.1/8", "host name", "http://hooks.internal", "*", "999.1.1.1"]
)
def test_a_wrong_entry_of_the_allow_list_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="no host name, address or network") as refusal:
        Allowed([entry])

    assert repr(entry) in str(refusal.value)


async def test_the_system_knows_this_machine() -> None:
    assert ipaddress.ip_address("127.0.0.1") in await SystemResolver()("localhost")


async def test_a_name_that_cannot_be_is_unknown() -> None:
    with pytest.raises(NameUnknown):
        await SystemResolver()("x" * 64 + ".example")


async def test_a_silent_name_server_is_given_no_more_than_its_share_of_threads() -> None:
    release = threading.Event()

    def slow(_: str) -> Sequence[str]:
        release.wait(30)
        return ["1.1.1.1"]

    resolve = SystemResolver(slow)

    waiting = [asyncio.create_task(resolve("slow.example")) for _ in range(16)]
    await asyncio.sleep(0)
    with pytest.raises(NameServerSilent):
        await resolve("one.more.example")
    release.set()

    assert {str(address) for found in await asyncio.gather(*waiting) for address in found} == {"1.1.1.1"}
    assert await resolve("again.example")


async def test_a_system_without_threads_costs_nobody_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    resolve = SystemResolver(lambda _: ["1.1.1.1"])
    with monkeypatch.context() as exhausted:
        exhausted.setattr(threading.Thread, "start", none_left)
        for _ in range(20):
            with pytest.raises(NameServerSilent):
                await resolve("some.example")

    assert [str(address) for address in await resolve("some.example")] == ["1.1.1.1"]

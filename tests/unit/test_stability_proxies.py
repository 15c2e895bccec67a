"""Which proxy is used for Stability AI, as HTTP_PROXY and its kin are understood elsewhere."""

import httpcore
import pytest

from adapters.stability.proxies import proxy_for


@pytest.fixture(autouse=True)
def _only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)


@pytest.mark.parametrize(
    ("no_proxy", "spared"),
    [
        ("*", True),
        ("other.example, api.example.com", True),
        ("API.example.com", True),
        (".example.com", True),
        ("*.example.com", True),
        ("example.com", True),
        ("api.example.com:8443", True),
        ("https://api.example.com/", True),
        ("all://example.com:8443", True),
        ("", False),
        ("api.example.com:443", False),
        ("http://api.example.com", False),
        ("ample.com", False),
        ("api.example.com:many, [", False),
    ],
)
def test_no_proxy_spares_hosts_and_domains_with_and_without_scheme_and_port(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, spared: bool
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
    monkeypatch.setenv("no_proxy", no_proxy)

    proxy = proxy_for("https", "api.example.com", 8443)

    assert (proxy is None) is spared


@pytest.mark.parametrize("no_proxy", ["::1", "[::1]", "[::1]:8080", "http://[::1]:8080"])
def test_no_proxy_spares_an_ipv6_address(monkeypatch: pytest.MonkeyPatch, no_proxy: str) -> None:
    monkeypatch.setenv("http_proxy", "proxy.test")
    monkeypatch.setenv("no_proxy", no_proxy)

    assert proxy_for("http", "::1", 8080) is None
    assert proxy_for("http", "::2", 8080) is not None


def test_a_password_of_any_letters_is_told_as_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "https://us%40er:pässwort@proxy.test")

    proxy = proxy_for("http", "api.example.com", 80)

    assert proxy is not None
    assert proxy.auth == (b"us@er", "pässwort".encode())
    assert (proxy.url.host, proxy.url.port) == (b"proxy.test", 443)


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:geheim/x@proxy.test:80",
        "http://user:geheim@proxy.test:99999",
        "http://user:geheim@a..b",
        "http://user:geheim@[::1",
        "http://user:geheim@",
        "socks5://user:geheim@proxy.test",
    ],
)
def test_a_proxy_that_is_none_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("http_proxy", proxy)

    with pytest.raises(httpcore.ProxyError, match="http://host:port") as refused:
        proxy_for("http", "api.example.com", 80)

    assert refused.value.__context__ is None  # what urllib says of it repeats a part

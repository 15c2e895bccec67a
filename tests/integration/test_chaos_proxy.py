"""The proxy of the chaos runs swallows the replies it is told to, and no others."""

from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from chaos.proxy import SwallowingProxy
from redis_server import RedisServer, shared_server


@pytest.fixture
def server(pytestconfig: pytest.Config) -> RedisServer:
    return shared_server(pytestconfig)


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[SwallowingProxy]:
    with SwallowingProxy(server.port) as proxy:
        yield proxy


def client_of(proxy: SwallowingProxy, timeout_s: float = 20.0) -> redis.Redis:
    return redis.Redis(port=proxy.port, socket_timeout=timeout_s, retry=Retry(NoBackoff(), 0))


def test_everything_passes_until_it_is_armed(proxy: SwallowingProxy) -> None:
    with client_of(proxy) as client:
        client.set("chaos:proxy", "x" * 100_000)
        assert client.get("chaos:proxy") == b"x" * 100_000
        assert client.eval("return {1, {'a', 'b'}, redis.status_reply('fine')}", 0) == [1, [b"a", b"b"], b"fine"]
        client.delete("chaos:proxy")
    assert proxy.swallowed == []


def test_the_nth_reply_is_cut_off_though_the_command_was_carried_out(
    proxy: SwallowingProxy, server: RedisServer
) -> None:
    with client_of(proxy) as client, server.admin() as admin:
        # A new connection introduces itself, and those replies count as well.
        assert client.ping()
        proxy.arm("any", 2, "cut")
        assert client.incr("chaos:cut") == 1
        with pytest.raises(redis.ConnectionError):
            client.incr("chaos:cut")
        assert admin.get("chaos:cut") == b"2"
        admin.delete("chaos:cut")
    assert proxy.swallowed == [("other", "cut")]


def test_a_black_hole_never_answers_again(proxy: SwallowingProxy) -> None:
    proxy.arm("fetch", 1, "black-hole")
    with client_of(proxy, 1.0) as client:
        assert client.ping()
        with pytest.raises(redis.TimeoutError):
            client.eval("return ARGV[1]", 0, "fetch")
    assert proxy.swallowed == [("fetch", "black-hole")]


def test_what_is_held_is_never_heard(proxy: SwallowingProxy, server: RedisServer) -> None:
    proxy.hold()
    with client_of(proxy, 1.0) as client, server.admin() as admin:
        with pytest.raises(redis.TimeoutError):
            client.set("chaos:held", "1")
        proxy.release()
        with client_of(proxy) as again:
            assert again.ping()
        assert admin.get("chaos:held") is None


def test_announcements_pass(proxy: SwallowingProxy, server: RedisServer) -> None:
    with client_of(proxy) as client, client.pubsub() as subscription, server.admin() as admin:
        subscription.subscribe("chaos:news")
        assert subscription.get_message(timeout=5) is not None
        admin.publish("chaos:news", "hello")
        message = subscription.get_message(timeout=5)
        assert message is not None
        assert message["data"] == b"hello"

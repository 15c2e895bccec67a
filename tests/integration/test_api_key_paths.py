"""No spelling of a path opens what the path itself keeps shut."""

import re
import socket
from collections.abc import Iterator

import pytest

from imaging_core.keys import Scope
from key_setting import LockedApi

ADMINS = [
    *(("GET", "/keys"), ("HEAD", "/keys"), ("POST", "/keys"), ("DELETE", "/keys/0123456789ab")),
    *(("GET", "/audit"), ("HEAD", "/audit"), ("GET", "/metrics")),
]


@pytest.fixture(scope="module")
def api() -> Iterator[LockedApi]:
    with LockedApi().serving() as api:
        api.make_admin()
        yield api


@pytest.mark.parametrize(
    "further", ["", "%0A", "%0D", "%0A%0A", "%0D%0A", "%00", "%20", "/", "?x", "%3F", "%23", "%85"]
)
def test_what_is_for_admins_is_for_admins_however_it_is_spelt(further: str, api: LockedApi) -> None:
    key = api.make_key(scopes=[Scope.READ, Scope.SUBMIT])
    before = api.within(api.keys.list)
    with api.asked(key) as client:
        for method, path in ADMINS:
            for spelt in (f"{path}{further}", f"/{path}{further}", path.replace("e", "%65") + further):
                answer = client.request(method, spelt, json={"name": "mine", "scopes": ["admin"]})
                assert answer.status_code in (403, 404, 405), (method, spelt)
    assert api.within(api.keys.list) == before


@pytest.mark.parametrize("target", ["*keys", "keys", "*/keys", "*", "?/keys", "http:keys", ";/keys"])
def test_a_target_that_is_no_path_leads_nowhere(target: str, api: LockedApi) -> None:
    key, body = api.make_key(scopes=[Scope.READ, Scope.SUBMIT]), b'{"name":"mine","scopes":["admin"]}'
    before = api.within(api.keys.list)
    head = (
        f"POST {target} HTTP/1.1\r\nHost: {api.url.removeprefix('http://')}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    host, _, port = api.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as wire:
        wire.sendall(head.encode() + body)
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
    assert re.match(rb"HTTP/1.1 4\d\d ", answer), answer[:200]
    assert api.within(api.keys.list) == before


def test_a_reader_cannot_submit_however_the_path_is_spelt(api: LockedApi) -> None:
    with api.asked(api.make_key(scopes=[Scope.READ])) as client:
        for path in ("/images%0A", "/local/images%0A", "/images/batch%0A", "/webhooks/secret/rotate%0A"):
            assert client.post(path, json={"prompt": "x"}).status_code == 403


def test_a_reader_does_not_learn_what_messages_are_signed_with(api: LockedApi) -> None:
    with api.asked(api.make_key(scopes=[Scope.READ])) as client:
        for path in ("/webhooks/secret", "/webhooks/secret%0A"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["scope"]) == (403, "submit")

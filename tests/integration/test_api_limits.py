"""What a key may not do too often or too much, links that need none, and what browsers must not do; over the wire."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from api_setting import RunningApi, until
from entrypoints.api.signing import MAX_TTL_S, PictureSigner
from imaging_core.keys import KeyLimits, Scope, new_key_id, new_key_token
from imaging_core.memory import MemoryJobRepository
from imaging_core.spending import Budget, Settling, listed_price
from key_setting import LockedApi


@pytest.fixture
def api() -> Iterator[LockedApi]:
    with LockedApi(wrong_keys_per_minute=3).serving() as api:
        api.release()
        api.make_admin()
        yield api


def finished(client: httpx.Client, prompt: str = "a hill") -> str:
    """The id of a job of that client's that has its picture."""
    image_id: str = client.post("/images", json={"prompt": prompt}).raise_for_status().json()["image_id"]
    until(lambda: client.get(f"/status/{image_id}").json(), lambda told: told["status"] == "finished")
    return image_id


# --- how often, how much ------------------------------------------------------------------------------------


def test_a_key_may_ask_so_often_a_minute(api: LockedApi) -> None:
    with api.asked(api.make_key(requests_per_minute=5)) as client, api.asked(api.make_key()) as other:
        answers = [client.get("/jobs") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        refusal = answers[-1]
        assert 1 <= int(refusal.headers["retry-after"]) <= 12
        assert refusal.json()["limit"] == "requests_per_minute"
        assert other.get("/jobs").status_code == 200


def test_wrong_keys_from_one_address_are_refused_unseen_and_good_ones_still_work(api: LockedApi) -> None:
    good = api.make_key()
    with api.asked(good) as client, api.client() as stranger:
        assert client.get("/jobs").status_code == 200
        answers = [
            stranger.get("/jobs", headers={"x-api-key": new_key_token(new_key_id())}).status_code for _ in range(5)
        ]
        assert answers == [401, 401, 401, 429, 429]
        refusal = stranger.get("/jobs", headers={"x-api-key": "sk-anything"})
        assert refusal.status_code == 429
        assert 1 <= int(refusal.headers["retry-after"]) <= 20
        assert client.get("/jobs").status_code == 200
        assert stranger.get("/livez").status_code == 200
        # Nothing was tried, so nothing is counted.
        assert stranger.get("/jobs").status_code == 401


def budgeted(api: LockedApi, *, total: float | None = None) -> None:
    """Make the service keep to credits."""

    async def use() -> None:
        service = api.service
        assert isinstance(service.jobs, MemoryJobRepository)
        book = service.jobs.spending
        service._adding = Budget(
            service.jobs,
            book,
            Settling(service.jobs, book),
            limits_of=api.keyring.limits_of,
            price_of=listed_price(service.capabilities),
            credits_per_day=total,
        )

    api.within(use)


def test_a_key_may_spend_so_many_credits_a_day(api: LockedApi) -> None:
    budgeted(api)
    with api.asked(api.make_key(credits_per_day=7.0)) as client, api.asked(api.make_key()) as other:
        # 3 credits each.
        assert [client.post("/images", json={"prompt": "x"}).status_code for _ in range(2)] == [202, 202]
        refusal = client.post("/images", json={"prompt": "x"})
        assert refusal.status_code == 429
        told = refusal.json()
        assert (told["type"], told["limit"]) == ("/problems/credit-limit", "key")
        resets = datetime.fromisoformat(told["resets_at"])
        left_s = (resets - datetime.now(UTC)).total_seconds()
        assert 0 < left_s <= 86_400
        assert abs(int(refusal.headers["retry-after"]) - left_s) < 60
        # The free backend costs nothing, and another key has its own.
        assert client.post("/local/images", json={"prompt": "x"}).status_code == 202
        assert other.post("/images", json={"prompt": "x"}).status_code == 202


def test_all_keys_together_may_spend_so_many_credits_a_day(api: LockedApi) -> None:
    budgeted(api, total=6.0)
    with api.asked(api.make_key()) as one, api.asked(api.make_key()) as other:
        assert one.post("/images", json={"prompt": "x"}).status_code == 202
        assert other.post("/images", json={"prompt": "x"}).status_code == 202
        refusal = one.post("/images", json={"prompt": "x"})
        assert refusal.status_code == 429
        assert refusal.json()["limit"] == "service"


def test_a_key_has_its_own_share_of_the_queue(api: LockedApi) -> None:
    budgeted(api)
    api.hold()
    with api.asked(api.make_key(max_queued=1)) as client, api.asked(api.make_key()) as other:
        refused = []
        for _ in range(8):
            answer = client.post("/local/images", json={"prompt": "hold on"})
            refused += [answer] if answer.status_code == 429 else []
        assert refused
        assert refused[-1].json()["type"] == "/problems/queue-full"
        assert other.post("/local/images", json={"prompt": "x"}).status_code == 202
    api.release()


# --- links --------------------------------------------------------------------------------------------------


def test_a_signed_link_opens_its_picture_and_nothing_else(api: LockedApi) -> None:
    with api.asked(api.make_key()) as client, api.client() as stranger:
        mine, other = finished(client), finished(client, "another hill")
        link = api.access.signer.sign(mine)
        opened = stranger.get(link)
        assert opened.status_code == 200
        assert opened.content == client.get(f"/image/{mine}").content
        assert stranger.head(link).status_code == 200
        assert stranger.get(link, headers={"range": "bytes=0-3"}).status_code == 206

        small = stranger.get(api.access.signer.sign(mine, thumbnail=True) + "&size=64")
        assert small.status_code == 200
        assert small.content == client.get(f"/image/{mine}/thumbnail?size=64").content

        query = link.partition("?")[2]
        for changed in (
            f"/image/{other}/thumbnail?{query}",
            f"/image/{mine}/thumbnail/?{query}",
            f"/image/{mine}/thumbnail?{query}&index=1",
            link.replace(mine, other),
            link.replace("index=0", "index=1"),
            link.replace("index=0&", ""),
            f"{link}&index=1",
            f"{link}&expires=99999999999",
            re.sub(r"expires=\d+", "expires=99999999999", link),
            link[:-1] + ("0" if link[-1] != "0" else "1"),
            link.replace("signature=", "signature=&signature="),
            re.sub(r"signature=.*", "signature=%C3%A9", link),
            f"/image/{mine}/preview?{query}",
            f"/status/{mine}?{query}",
            f"/jobs/{mine}?{query}",
            f"/jobs?{query}",
            f"//image/{mine}?{query}",
        ):
            refused = stranger.request("GET", api.url + changed)
            assert refused.status_code == 403, changed
            assert refused.json()["type"] == "/problems/bad-link"
        for method in ("POST", "DELETE", "PUT"):
            assert stranger.request(method, link).status_code == 401


def test_a_link_ends_and_none_is_good_for_longer_than_a_week() -> None:
    now = 1000.0
    signer = PictureSigner(b"k" * 32, clock=lambda: now)
    job = "0" * 32

    def good(link: str) -> bool:
        path, _, query = link.partition("?")
        pairs = [(name, value) for name, _, value in (part.partition("=") for part in query.split("&"))]
        return signer.knows(path, pairs)

    link, long = signer.sign(job, 2, ttl_s=10), signer.sign(job, ttl_s=MAX_TTL_S * 10)
    assert good(link)
    now = 1010.0
    assert not good(link)
    now = 1000.0 + MAX_TTL_S - 1
    assert good(long)
    now = 1000.0 + MAX_TTL_S
    assert not good(long)
    assert PictureSigner(b"other" * 8, clock=lambda: 1000.0).knows(f"/image/{job}", []) is False


def test_another_process_with_the_same_secret_knows_the_link(api: LockedApi) -> None:
    job = "0" * 32
    secret = api.within(lambda: api.keyring.secret("picture-links"))
    assert secret == api.within(lambda: api.keyring.secret("picture-links"))
    path, _, query = PictureSigner(secret).sign(job, 1).partition("?")
    pairs = [(name, value) for name, _, value in (part.partition("=") for part in query.split("&"))]

    assert PictureSigner(secret).knows(path, pairs)
    assert not PictureSigner.of_this_process().knows(path, pairs)


# --- browsers -----------------------------------------------------------------------------------------------

HOSTS = {"allowed_hosts": ("localhost", "127.0.0.1", "[::1]", "*.lan", "images.example.org")}


@pytest.fixture(scope="module")
def named() -> Iterator[LockedApi]:
    with LockedApi(**HOSTS, cors_origins=("https://studio.example.org",)).serving() as api:
        api.release()
        yield api


@pytest.mark.parametrize(
    "host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST.", "a.b.lan", "images.example.org:443"]
)
def test_the_service_answers_to_its_names(host: str, named: LockedApi) -> None:
    with named.client() as client:
        assert client.get("/jobs", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "lan",
        "xlan",
        "[::2]",
        "images.example.org.evil",
    ],
)
def test_a_name_that_is_not_ours_is_refused(host: str, named: LockedApi) -> None:
    with named.client() as client:
        answer = client.get("/jobs", headers={"host": host})
        assert answer.status_code == 421
        assert "IMAGING_ALLOWED_HOSTS" in answer.json()["detail"]
        assert host not in answer.text
        # A prober knows an address and no name.
        assert client.get("/livez", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"sec-fetch-site": "same-site", "origin": "http://localhost:3000"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_a_page_from_elsewhere_changes_nothing_while_no_key_is_needed(
    headers: dict[str, str], named: LockedApi
) -> None:
    with named.client() as client:
        for method, path in (("POST", "/images"), ("POST", "/keys"), ("DELETE", f"/jobs/{'0' * 32}")):
            answer = client.request(method, path, headers=headers)
            assert answer.status_code == 403
            assert answer.json()["type"] == "/problems/cross-site"
        assert not client.get("/keys").json()["keys"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin", "origin": "http://localhost"},
        {"origin": "http://localhost", "host": "localhost"},
        {"sec-fetch-site": "cross-site", "origin": "https://studio.example.org"},
    ],
)
def test_programs_our_own_page_and_friends_may(headers: dict[str, str], named: LockedApi) -> None:
    with named.client() as client:
        assert client.post("/images", json={"prompt": "x"}, headers=headers).status_code == 202


def test_only_named_origins_may_read_from_a_browser(named: LockedApi) -> None:
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    with named.client() as client:
        friend = client.options("/images", headers={"origin": "https://studio.example.org", **asks})
        assert friend.status_code == 200
        assert friend.headers["access-control-allow-origin"] == "https://studio.example.org"
        assert "access-control-allow-credentials" not in friend.headers
        stranger = client.options("/images", headers={"origin": "https://evil.example", **asks})
        assert stranger.status_code == 400
        read = client.get("/jobs", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in read.headers
        assert (
            "location"
            in client.get("/jobs", headers={"origin": "https://studio.example.org"}).headers[
                "access-control-expose-headers"
            ]
        )


def test_without_origins_no_page_may_read() -> None:
    with RunningApi().serving() as api, api.client() as client:
        answer = client.get("/jobs", headers={"origin": "http://localhost:3000"})
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_password_that_a_browser_sends_by_itself_changes_nothing_for_a_page_from_elsewhere(api: LockedApi) -> None:
    key = api.make_key()
    with api.client() as client:
        client.auth = httpx.BasicAuth("me", key)
        away = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
        assert client.post("/sdapi/v1/nowhere", headers=away).status_code == 403
        assert client.post("/sdapi/v1/nowhere").status_code == 404


def test_limits_of_a_key_are_told_by_its_id(api: LockedApi) -> None:
    limits = KeyLimits(max_queued=2, requests_per_minute=3, credits_per_day=4.5)
    made = api.within(lambda: api.keyring.create("some", scopes=[Scope.READ], limits=limits))

    assert api.within(lambda: api.keyring.limits_of(made.key.id)) == limits
    assert api.within(lambda: api.keyring.limits_of(None)) == KeyLimits()

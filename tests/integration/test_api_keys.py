"""Keys over the wire: who gets in, who sees what, what a refusal says."""

import base64
import logging
from collections.abc import Iterator

import httpx
import pytest

from api_setting import RunningApi
from imaging_core.errors import Unavailable
from imaging_core.images import ImageRef
from imaging_core.keys import Scope, new_key_id, new_key_token
from key_callers import admin, alice, api, bob, finished, stranger
from key_setting import LockedApi

__all__ = ["admin", "alice", "api", "bob", "stranger"]

READ, SUBMIT = Scope.READ, Scope.SUBMIT
UNKNOWN = "0" * 32


def routes(api: LockedApi) -> list[tuple[str, str]]:
    """Every method and path that the description names, with ids that nobody has."""
    with api.asked(api.make_admin()) as client:
        paths = client.get("/openapi.json").json()["paths"]
    return [
        (
            method.upper(),
            path.replace("{image_id}", UNKNOWN).replace("{key_id}", "0" * 12).replace("{", "").replace("}", ""),
        )
        for path, operations in paths.items()
        for method in operations
    ]


def test_no_route_but_health_answers_without_a_key(api: LockedApi, stranger: httpx.Client) -> None:
    described = routes(api)
    undescribed = [("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/docs/start.js"), ("GET", "/nowhere")]
    assert ("POST", "/keys") in described

    for method, path in [*described, *undescribed, ("PUT", "/images"), ("OPTIONS", "/images"), ("HEAD", "/jobs")]:
        answer = stranger.request(method, path)
        if path in ("/livez", "/readyz"):
            assert answer.status_code == 200
        else:
            assert answer.status_code == 401, (method, path)
            assert "Bearer" in answer.headers["www-authenticate"]
            assert answer.headers["cache-control"] == "no-store"
            if path.startswith("/v1/"):
                assert answer.json()["error"]["code"] == "invalid_api_key"
            elif path.startswith(("/sdapi/", "/internal/")):
                assert answer.json().keys() == {"detail"}
            else:
                assert method == "HEAD" or answer.json()["type"] == "/problems/unauthorized"


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "mixed"])
def test_a_key_comes_as_bearer_or_as_x_api_key(header: str, api: LockedApi, stranger: httpx.Client) -> None:
    key = api.make_key()
    headers = {
        "authorization": {"authorization": f"bEaReR   {key}"},
        "x-api-key": {"x-api-key": key},
        # A proxy in front may have put its own there.
        "mixed": {"authorization": "Basic dXNlcjpwYXNz", "x-api-key": key},
    }[header]

    assert stranger.get("/jobs", headers=headers).status_code == 200


def test_a_key_in_the_address_opens_nothing(api: LockedApi, stranger: httpx.Client) -> None:
    key = api.make_key()

    for name in ("key", "api_key", "access_token", "token", "x-api-key", "authorization"):
        assert stranger.get("/jobs", params={name: key}).status_code == 401


def basic(password: str) -> dict[str, str]:
    """The header for a password and any user."""
    return {"authorization": "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()}


def test_basic_is_for_the_documentation_and_the_a1111_facade(api: LockedApi, stranger: httpx.Client) -> None:
    key = api.make_key()

    assert stranger.get("/docs", headers=basic(key)).status_code == 200
    assert stranger.get("/sdapi/v1/nowhere", headers=basic(key)).status_code == 404
    assert stranger.get("/sdapi/v1/nowhere", headers=basic("wrong")).status_code == 401
    assert stranger.get("/jobs", headers=basic(key)).status_code == 401
    assert stranger.get("/docs").headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Basic",
        "Basic %%%",
        "Basic " + base64.b64encode(b"\xff:\xfe").decode(),
        "Digest x",
        "",
        "\xff",
    ],
)
def test_a_malformed_header_is_no_key(header: str, stranger: httpx.Client) -> None:
    for path in ("/jobs", "/docs"):
        assert stranger.get(path, headers={b"authorization": header.encode("latin-1")}).status_code == 401


def test_a_wrong_key_is_refused_without_being_repeated(api: LockedApi, stranger: httpx.Client) -> None:
    good = api.make_key()
    near = good[:-1] + ("0" if good[-1] != "0" else "1")
    for wrong in (near, new_key_token(new_key_id()), "sk-anything", good.upper(), "é" * 20):
        answer = stranger.get("/jobs", headers={b"x-api-key": wrong.encode()})
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert wrong not in answer.text


def test_each_scope_opens_what_it_names_and_a_refusal_names_it(api: LockedApi) -> None:
    with (
        api.asked(api.make_key(scopes=[READ])) as reader,
        api.asked(api.make_key(scopes=[SUBMIT])) as submitter,
        api.asked(api.make_key(scopes=[READ, SUBMIT])) as both,
    ):
        assert reader.get("/jobs").status_code == 200
        assert submitter.post("/images", json={"prompt": "x"}).status_code == 202
        refusals = [
            (reader.post("/images", json={"prompt": "x"}), "submit"),
            (reader.delete(f"/jobs/{UNKNOWN}"), "submit"),
            (submitter.get("/jobs"), "read"),
            (both.get("/keys"), "admin"),
            (both.post("/keys", json={"name": "mine"}), "admin"),
            (both.delete(f"/keys/{'0' * 12}"), "admin"),
            (both.get("/audit"), "admin"),
        ]
    for answer, scope in refusals:
        assert answer.status_code == 403
        assert answer.json()["type"] == "/problems/forbidden"
        assert f"'{scope}'" in answer.json()["detail"]
        assert answer.json()["scope"] == scope


def test_somebody_elses_job_looks_exactly_like_one_that_never_was(alice: httpx.Client, bob: httpx.Client) -> None:
    image_id = finished(alice)
    asked = [
        ("GET", "/status/{}"),
        ("GET", "/image/{}"),
        ("GET", "/image/{}/preview"),
        ("GET", "/image/{}?index=7"),
        ("GET", "/jobs/{}"),
        ("GET", "/jobs/{}/events"),
        ("POST", "/jobs/{}/cancel"),
        ("POST", "/jobs/{}/retry"),
        ("DELETE", "/jobs/{}"),
    ]
    for method, path in asked:
        theirs, unknown = (bob.request(method, path.format(one)) for one in (image_id, UNKNOWN))
        assert theirs.status_code == unknown.status_code == 404, path
        assert theirs.content == unknown.content
        differing = {"date", "x-request-id"}
        assert {k: v for k, v in theirs.headers.items() if k not in differing} == {
            k: v for k, v in unknown.headers.items() if k not in differing
        }
    assert alice.get(f"/image/{image_id}").status_code == 200

    assert alice.delete(f"/jobs/{image_id}").status_code == 204
    for method, path in asked:
        assert alice.request(method, path.format(image_id)).status_code == 410, path
        theirs, unknown = (bob.request(method, path.format(one)) for one in (image_id, UNKNOWN))
        assert theirs.status_code == unknown.status_code == 404, path
        assert theirs.content == unknown.content


def test_everybody_lists_their_own_jobs_and_an_admin_all(
    alice: httpx.Client, bob: httpx.Client, admin: httpx.Client
) -> None:
    mine, theirs = finished(alice), finished(bob)

    def listed(client: httpx.Client) -> set[str]:
        return {job["image_id"] for job in client.get("/jobs", params={"limit": 200}).json()["jobs"]}

    assert mine in listed(alice)
    assert theirs not in listed(alice)
    assert {mine, theirs} <= listed(admin)
    assert admin.get(f"/image/{theirs}").status_code == 200


def test_the_same_idempotency_key_of_two_callers_is_two_jobs(alice: httpx.Client, bob: httpx.Client) -> None:
    headers = {"idempotency-key": "one"}
    ids = {c.post("/images", json={"prompt": "x"}, headers=headers).json()["image_id"] for c in (alice, bob, alice)}

    assert len(ids) == 2


def test_readiness_tells_strangers_no_details(api: LockedApi, stranger: httpx.Client) -> None:
    assert stranger.get("/readyz").json()["ready"] is True


def test_no_key_is_in_any_log_line(api: LockedApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    good, wrong = api.make_key(), new_key_token(new_key_id())
    with api.client() as client:
        client.get("/jobs", headers={"x-api-key": good})
        client.get("/jobs", headers={"x-api-key": wrong})
        client.get("/jobs", params={"key": good})
    lines = [str(vars(record)) for record in caplog.records if record.name.startswith("imaging")]

    assert any("wrong key" in line for line in lines)
    assert not any(secret.split("_")[2] in line for line in lines for secret in (good, wrong))


class TestOpen:
    """While no key was ever made."""

    @pytest.fixture
    def api(self) -> Iterator[LockedApi]:
        with LockedApi().serving() as api:
            api.release()
            yield api

    def test_everybody_may_do_everything_and_a_key_is_ignored(self, api: LockedApi, stranger: httpx.Client) -> None:
        assert stranger.post("/images", json={"prompt": "x"}).status_code == 202
        for header in ("Bearer sk-anything", "Basic Og==", "Basic"):
            assert stranger.get("/jobs", headers={"authorization": header}).status_code == 200

    def test_the_first_key_shuts_the_door_and_must_be_an_admins(self, api: LockedApi, stranger: httpx.Client) -> None:
        weak = stranger.post("/keys", json={"name": "first", "scopes": ["read"]})
        assert weak.status_code == 422
        assert "admin" in weak.json()["detail"]

        first = stranger.post("/keys", json={"name": "first"}).json()
        assert first["scopes"] == ["admin", "read", "submit"]
        assert stranger.get("/jobs").status_code == 401
        with api.asked(first["key"]) as client:
            assert client.post("/keys", json={"name": "second"}).json()["scopes"] == ["read", "submit"]
            # With every key revoked, it does not open again.
            for key in client.get("/keys").json()["keys"]:
                client.delete(f"/keys/{key['id']}")
            assert client.get("/jobs").status_code == 401
        assert stranger.get("/jobs").status_code == 401


def test_a_key_from_a_setting_is_an_admins_and_cannot_be_revoked_here() -> None:
    given = "a-long-enough-secret-of-my-own"
    with LockedApi(given=[given]).serving() as api, api.asked(given) as client, api.client() as stranger:
        assert stranger.get("/jobs").status_code == 401
        (key,) = client.get("/keys").json()["keys"]
        assert set(key["scopes"]) == {"admin", "read", "submit"}
        refused = client.delete(f"/keys/{key['id']}")
        assert refused.status_code == 422
        assert "IMAGING_API_KEYS" in refused.json()["detail"]
        assert given not in client.get("/keys").text


def test_a_service_without_a_keyring_has_no_doors_for_keys() -> None:
    with RunningApi().serving() as api, api.client() as client:
        assert client.get("/keys").status_code == 404


def test_a_stranger_learns_which_part_is_away_but_not_where_it_is() -> None:
    async def away() -> None:
        raise Unavailable("Redis at 10.1.2.3:6379 does not answer.")

    with LockedApi(config={"readiness": {"jobs": away}}).serving() as api, api.client() as client:
        assert "10.1.2.3" in client.get("/readyz").text
        api.make_admin()
        told = client.get("/readyz")
        assert told.status_code == 503
        assert told.json()["checks"]["jobs"]["ok"] is False
        assert "10.1.2.3" not in told.text


def test_while_nobody_can_tell_who_asks_nobody_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    with LockedApi(fresh_s=0.0).serving() as api:
        key = api.make_admin()

        async def away(*_: object) -> None:
            raise Unavailable("Redis does not answer.", retry_after_s=7)

        monkeypatch.setattr(api.keys, "get", away)
        with api.asked(key) as client:
            answer = client.get("/jobs")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
            assert answer.json()["type"] == "/problems/unavailable"
            assert client.get("/livez").status_code == 200


def test_nobody_hears_of_somebody_elses_jobs(alice: httpx.Client, bob: httpx.Client, admin: httpx.Client) -> None:
    with bob.stream("GET", "/events", timeout=20) as stream:
        assert stream.status_code == 200
        theirs, mine = finished(alice), finished(bob)
        seen = ""
        for line in stream.iter_lines():
            seen += line
            if mine in line and "finished" in line:
                break

    assert mine in seen
    assert theirs not in seen
    with admin.stream("GET", f"/jobs/{theirs}/events", timeout=20) as stream:
        assert "finished" in stream.read().decode()


def test_only_who_may_see_a_picture_is_sent_to_where_it_is() -> None:
    given: list[str] = []

    async def link(ref: ImageRef) -> str:
        given.append(ref.key)
        return "https://pictures.example/it"

    with LockedApi(config={"link": link}).serving() as api:
        api.release()
        api.make_admin()
        with api.asked(api.make_key("alice")) as alice, api.asked(api.make_key("bob")) as bob, api.client() as stranger:
            path = f"/image/{finished(alice)}"

            assert (bob.get(path).status_code, stranger.get(path).status_code) == (404, 401)
            told = alice.head(path)
            assert (told.status_code, int(told.headers["content-length"]) > 0) == (200, True)
            assert alice.get(path, headers={"if-none-match": told.headers["etag"]}).status_code == 304
            assert given == []

            sent = alice.get(path)
            assert (sent.status_code, sent.headers["location"]) == (307, "https://pictures.example/it")
            assert sent.headers["cache-control"] == "no-store"
            assert len(given) == 1

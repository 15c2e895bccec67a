"""Keys are made, listed and revoked over HTTP by admins, and all of it is on record."""

import httpx
import pytest

from api_setting import until
from key_callers import admin, alice, api, finished
from key_setting import LockedApi

__all__ = ["admin", "alice", "api"]


def test_an_admin_makes_lists_and_revokes_keys_and_it_is_on_record(api: LockedApi, admin: httpx.Client) -> None:
    asked = {"name": "Zoë", "scopes": ["read"], "max_queued": 3, "requests_per_minute": 600, "credits_per_day": 1.5}
    made = admin.post("/keys", json=asked)
    assert made.status_code == 201
    told = made.json()
    token = told.pop("key")
    assert told.items() >= asked.items()
    assert made.headers["location"] == f"/keys/{told['id']}"
    assert token.startswith(f"img_{told['id']}_")

    listing = admin.get("/keys")
    assert told in listing.json()["keys"]
    assert token not in listing.text
    with api.asked(token) as client:
        assert client.get("/jobs").status_code == 200
        revoked = admin.delete(f"/keys/{told['id']}")
        assert revoked.status_code == 200
        assert revoked.json()["revoked_at"]
        assert (told["last_used_at"], revoked.json()["last_used_at"][-1]) == (None, "Z")
        # In the very process that revoked it, at once.
        assert client.get("/jobs").status_code == 401
    assert admin.delete(f"/keys/{told['id']}").json() == revoked.json()

    records = admin.get("/audit", params={"limit": 3}).json()["records"]
    assert [record["action"] for record in records] == ["key.revoked", "key.revoked", "key.created"]
    assert {record["subject"] for record in records} == {told["id"]}
    assert len({record["actor"] for record in records}) == 1


def test_a_deletion_is_on_record_with_who_did_it(alice: httpx.Client, admin: httpx.Client) -> None:
    image_id = finished(alice)
    assert alice.delete(f"/jobs/{image_id}").status_code == 204

    def newest() -> dict[str, str]:
        record: dict[str, str] = admin.get("/audit", params={"limit": 1}).json()["records"][0]
        return record

    record = until(newest, lambda told: told["subject"] == image_id)
    owners = {key["id"] for key in admin.get("/keys").json()["keys"] if key["name"] == "alice"}
    assert record["action"] == "job.deleted"
    assert {record["actor"]} == owners


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["root"]}, "scopes"),
        ({"name": "x", "max_queued": 0}, "max_queued"),
        ({"name": "x", "requests_per_minute": "9"}, "requests_per_minute"),
        ({"name": "x", "credits_per_day": -1}, "credits_per_day"),
        ({"name": "x", "id": "me"}, ""),
        ([], ""),
    ],
)
def test_a_wrong_wish_for_a_key_names_the_field(asked: object, field: str, admin: httpx.Client) -> None:
    answer = admin.post("/keys", json=asked)

    assert answer.status_code == 422
    assert any(error["field"].startswith(field) for error in answer.json()["errors"])


@pytest.mark.parametrize("key_id", ["0" * 12, "..%2f..%2fetc", "%00", "x" * 500])
def test_an_unknown_key_cannot_be_revoked(key_id: str, admin: httpx.Client) -> None:
    assert admin.delete(f"/keys/{key_id}").status_code == 404


@pytest.mark.parametrize("limit", ["0", "1001", "x", "-1", "9" * 50])
def test_a_wrong_number_of_records_is_refused(limit: str, admin: httpx.Client) -> None:
    assert admin.get("/audit", params={"limit": limit}).status_code == 422

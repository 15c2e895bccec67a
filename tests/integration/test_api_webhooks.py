"""Webhooks over the wire: what a submit refuses, what arrives, what the log and the secret endpoints tell, and whom."""

import asyncio
import ipaddress
import json
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import jsonschema
import pytest
from standardwebhooks import Webhook as Verifier

from adapters.webhooks import Allowed, HttpWebhookSender
from adapters.webhooks.addresses import Address
from api_setting import ended, submit, until
from contracts.samples import NOON, a_job
from entrypoints.api.webhook_payload import webhook_payload
from imaging_core.deliverer import Deliverer, DeliveryLimits
from imaging_core.deliveries import Delivery, Schedule
from imaging_core.images import ImageRef
from imaging_core.webhook_desk import WebhookDesk
from imaging_core.webhooks import WebhookEvent
from key_callers import admin, alice, bob
from key_setting import LockedApi
from webhook_receiver import Received, Receiver, hang, receiving

__all__ = ["admin", "alice", "bob"]

HIDDEN = "a-secret-in-the-path"


async def _resolve(host: str) -> Sequence[Address]:
    """Numbers stand for themselves, `private.example` for an address that is not public, all else for this machine."""
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        return [ipaddress.ip_address("10.0.0.1" if host == "private.example" else "127.0.0.1")]


def deliver(api: LockedApi) -> None:
    """Give the running service a desk for webhooks and a deliverer that does not wait long."""

    async def begin() -> None:
        sender = HttpWebhookSender(resolve=_resolve, allowed=Allowed(["127.0.0.1"]), timeout_s=0.5)
        outbox = api.service.jobs.outbox  # type: ignore[attr-defined]
        api.service.webhooks = WebhookDesk(outbox, sender)
        deliverer = Deliverer(
            jobs=api.service.jobs,
            events=api.service.events,
            outbox=outbox,
            sender=sender,
            payload=webhook_payload,
            schedule=Schedule(delays_s=(0.02,) * 6),
            limits=DeliveryLimits(lease_s=2, poll_s=0.02, gather_s=0.02, at_once=4, per_host=2),
        )
        api.deliverer = asyncio.create_task(deliverer.run())  # type: ignore[attr-defined]

    api.within(begin)


@pytest.fixture(scope="module")
def api() -> Iterator[LockedApi]:
    with LockedApi(wrong_keys_per_minute=10_000).serving() as api:
        api.release()
        api.make_admin()
        deliver(api)
        yield api

        async def end() -> None:
            api.deliverer.cancel()  # type: ignore[attr-defined]
            await asyncio.gather(api.deliverer, return_exceptions=True)  # type: ignore[attr-defined]

        api.within(end)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def messages(receiver: Receiver, count: int = 1) -> list[Received]:
    """The messages that came, once there are that many."""
    return until(lambda: receiver.received, lambda received: len(received) >= count)


def deliveries(client: httpx.Client, image_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/jobs/{image_id}/deliveries").raise_for_status().json()["deliveries"]
    return found


def settled(client: httpx.Client, image_id: str) -> dict[str, Any]:
    """The job's delivery, once it is delivered or given up."""
    return until(lambda: deliveries(client, image_id), lambda found: bool(found) and found[0]["state"] != "pending")[0]


# --- what arrives ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prompt", "kind"), [("a hill", "finished"), ("refuse", "filtered"), ("hold", "cancelled")])
def test_every_end_is_told(api: LockedApi, alice: httpx.Client, receiver: Receiver, prompt: str, kind: str) -> None:
    api.hold()
    image_id = submit(alice, prompt=prompt, webhook=f"{receiver.url}/{HIDDEN}")
    if kind == "cancelled":
        alice.post(f"/jobs/{image_id}/cancel").raise_for_status()

    (got,) = messages(receiver)

    message = Verifier(alice.get("/webhooks/secret").json()["secret"]).verify(got.body, got.headers)
    assert (message["type"], got.path) == (f"job.{kind}", f"/{HIDDEN}")
    assert {**message["data"], "favourite": False} == alice.get(f"/status/{image_id}").json()
    assert message["timestamp"] == message["data"]["finished_at"]
    assert (got.headers["webhook-id"], got.headers["content-type"]) == (f"msg_{image_id}", "application/json")
    api.release()


def test_the_prompt_is_not_told(alice: httpx.Client, receiver: Receiver) -> None:
    submit(alice, prompt="a very private hill", webhook=receiver.url)

    (got,) = messages(receiver)

    assert b"private" not in got.body
    assert json.loads(got.body)["data"]["images"][0]["url"].startswith("/image/")


def test_only_the_named_ends_are_told(alice: httpx.Client, receiver: Receiver) -> None:
    quiet = submit(alice, webhook=receiver.url, webhook_events=["failed", "cancelled"])
    assert ended(alice, quiet)["status"] == "finished"
    loud = submit(alice, webhook=receiver.url, webhook_events=["finished"])

    (got,) = messages(receiver)

    assert json.loads(got.body)["data"]["image_id"] == loud
    assert deliveries(alice, quiet) == []


def test_a_receiver_that_fails_three_times_hears_it_the_fourth(alice: httpx.Client, receiver: Receiver) -> None:
    receiver.plan(500, 503, 404)
    image_id = submit(alice, webhook=receiver.url)

    delivery = settled(alice, image_id)

    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 503, 404, 204]
    assert [attempt["error"] is None for attempt in delivery["attempts"]] == [False, False, False, True]
    assert (delivery["state"], delivery["next_attempt_at"]) == ("delivered", None)
    received = messages(receiver, 4)
    assert len({(got.headers["webhook-id"], got.body) for got in received}) == 1
    verifier = Verifier(alice.get("/webhooks/secret").json()["secret"])
    assert all(verifier.verify(got.body, got.headers) for got in received)


def test_a_receiver_that_never_answers_well_is_given_up(alice: httpx.Client, receiver: Receiver) -> None:
    receiver.always(500)
    image_id = submit(alice, webhook=receiver.url)

    delivery = settled(alice, image_id)

    assert (delivery["state"], len(delivery["attempts"])) == ("failed", 7)


def test_a_receiver_that_is_gone_is_not_asked_again(alice: httpx.Client, receiver: Receiver) -> None:
    receiver.plan(410)

    delivery = settled(alice, submit(alice, webhook=receiver.url))

    assert (delivery["state"], len(delivery["attempts"])) == ("failed", 1)


def test_receivers_that_hang_hold_up_no_other_and_no_job(alice: httpx.Client, receiver: Receiver) -> None:
    with receiving() as stuck:
        stuck.always(hang)
        hanging = [submit(alice, webhook=f"http://stuck.example:{stuck.port}/") for _ in range(6)]
        quick = [submit(alice, webhook=receiver.url) for _ in range(3)]

        for image_id in quick:
            assert settled(alice, image_id)["state"] == "delivered"
        first = deliveries(alice, hanging[-1])
        assert (first[0]["state"], first[0]["attempts"]) == ("pending", [])
        for image_id in hanging:
            alice.delete(f"/jobs/{image_id}").raise_for_status()


# --- what a submit refuses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"webhook": f"https://private.example/{HIDDEN}"}, "webhook"),
        ({"webhook": f"https://169.254.169.254/{HIDDEN}"}, "webhook"),
        ({"webhook": f"ftp://hooks.example/{HIDDEN}"}, "webhook"),
        ({"webhook": f"http://user:{HIDDEN}@127.0.0.1/"}, "webhook"),
        ({"webhook": HIDDEN}, "webhook"),
        ({"webhook": ""}, "webhook"),
        ({"webhook": 7}, "webhook"),
        ({"webhook": "https://127.0.0.1/" + "x" * 2000}, "webhook"),
        ({"webhook": "https://127.0.0.1/\r\nX-Injected: 1"}, "webhook"),
        ({"webhook": "https://127.0.0.1/", "webhook_events": []}, "webhook_events"),
        ({"webhook": "https://127.0.0.1/", "webhook_events": ["admired"]}, "webhook_events.0"),
        ({"webhook": "https://127.0.0.1/", "webhook_events": "finished"}, "webhook_events"),
        ({"webhook_events": ["finished"]}, "webhook_events"),
    ],
)
def test_a_wrong_webhook_is_refused_at_once_by_its_field(
    alice: httpx.Client, fields: dict[str, object], field: str
) -> None:
    answer = alice.post("/images", json={"prompt": "a hill", **fields})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert HIDDEN not in answer.text


def test_a_retried_job_tells_the_same_webhook(alice: httpx.Client, receiver: Receiver) -> None:
    image_id = submit(alice, prompt="refuse", webhook=receiver.url, webhook_events=["filtered"])
    messages(receiver, 1)

    retried = alice.post(f"/jobs/{image_id}/retry").raise_for_status().json()["image_id"]

    assert json.loads(messages(receiver, 2)[1].body)["data"]["image_id"] == retried


def test_another_webhook_under_one_idempotency_key_is_another_submit(alice: httpx.Client, receiver: Receiver) -> None:
    def post(path: str) -> httpx.Response:
        body = {"prompt": "a hill", "webhook": f"{receiver.url}{path}"}
        return alice.post("/images", json=body, headers={"Idempotency-Key": "hook-1"})

    first, same, other = post("/a"), post("/a"), post("/b")

    assert first.json() == same.json() or first.json()["image_id"] == same.json()["image_id"]
    assert other.status_code == 422


# --- the log ---------------------------------------------------------------------------------------------


def test_a_message_is_sent_again_by_hand_under_its_id(alice: httpx.Client, receiver: Receiver) -> None:
    image_id = submit(alice, webhook=receiver.url)
    delivery = settled(alice, image_id)

    answer = alice.post(f"/jobs/{image_id}/deliveries/{delivery['id']}/resend")

    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    first, second = messages(receiver, 2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    until(lambda: deliveries(alice, image_id)[0], lambda found: len(found["attempts"]) == 2)


def test_whose_url_it_is_sees_all_of_it_and_an_admin_only_where_it_leads(
    alice: httpx.Client, admin: httpx.Client, receiver: Receiver
) -> None:
    image_id = submit(alice, webhook=f"{receiver.url}/{HIDDEN}")

    assert settled(alice, image_id)["url"] == f"{receiver.url}/{HIDDEN}"
    assert settled(admin, image_id)["url"] == receiver.url
    for client in (alice, admin):
        detail = client.get(f"/jobs/{image_id}")
        assert detail.json()["webhook"]["origin"] == receiver.url
        assert HIDDEN not in detail.text


def test_anothers_deliveries_are_not_there(alice: httpx.Client, bob: httpx.Client, receiver: Receiver) -> None:
    image_id = submit(alice, webhook=receiver.url)
    delivery = settled(alice, image_id)["id"]
    unknown = "0" * 32

    for asked, other in (
        (bob.get(f"/jobs/{image_id}/deliveries"), bob.get(f"/jobs/{unknown}/deliveries")),
        (
            bob.post(f"/jobs/{image_id}/deliveries/{delivery}/resend"),
            bob.post(f"/jobs/{unknown}/deliveries/{delivery}/resend"),
        ),
    ):
        assert (asked.status_code, asked.content) == (other.status_code, other.content) == (404, other.content)
    mine = submit(bob, prompt="a hill")
    assert bob.post(f"/jobs/{mine}/deliveries/{delivery}/resend").status_code == 404
    assert len(receiver.received) == 1


@pytest.mark.parametrize("delivery", ["x", "msg_" + "0" * 32, "..%2f..", "%00", "x" * 5000])
def test_an_unknown_delivery_is_told_as_such(alice: httpx.Client, delivery: str) -> None:
    image_id = submit(alice)

    assert alice.post(f"/jobs/{image_id}/deliveries/{delivery}/resend").status_code == 404


def test_a_deleted_job_has_no_log(alice: httpx.Client, receiver: Receiver) -> None:
    image_id = submit(alice, webhook=receiver.url)
    settled(alice, image_id)
    alice.delete(f"/jobs/{image_id}").raise_for_status()

    assert alice.get(f"/jobs/{image_id}/deliveries").status_code == 410


# --- the secret ------------------------------------------------------------------------------------------


def test_each_owner_has_a_secret_of_their_own(alice: httpx.Client, bob: httpx.Client) -> None:
    hers = [alice.get("/webhooks/secret") for _ in range(2)]

    assert hers[0].json() == hers[1].json()
    assert hers[0].headers["cache-control"] == "no-store"
    assert hers[0].json()["secret"] != bob.get("/webhooks/secret").json()["secret"]


def test_a_replaced_secret_signs_beside_the_new_one(alice: httpx.Client, receiver: Receiver) -> None:
    old = alice.get("/webhooks/secret").json()["secret"]

    rotated = alice.post("/webhooks/secret/rotate").raise_for_status().json()

    assert rotated["secret"] != old
    assert rotated["previous_signs_until"] is not None
    assert alice.get("/webhooks/secret").json() == rotated
    submit(alice, webhook=receiver.url)
    (got,) = messages(receiver)
    for secret in (old, rotated["secret"]):
        assert Verifier(secret).verify(got.body, got.headers)["type"] == "job.finished"


def test_nothing_secret_is_logged(alice: httpx.Client, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.always(500)
    with caplog.at_level(logging.DEBUG):
        image_id = submit(alice, webhook=f"{receiver.url}/{HIDDEN}")
        assert settled(alice, image_id)["state"] == "failed"
        until(lambda: caplog.text, lambda text: "given up" in text)

    said = [f"{record.getMessage()} {vars(record)}" for record in caplog.records if record.name.startswith("imaging")]
    assert not [line for line in said if HIDDEN in line or "whsec_" in line]


def test_the_description_tells_of_the_messages(api: LockedApi, alice: httpx.Client, receiver: Receiver) -> None:
    submit(alice, prompt="a hill", webhook=receiver.url)
    (got,) = messages(receiver)
    spec = alice.get("/openapi.json").json()
    post = spec["webhooks"]["jobEnded"]["post"]

    schema = {**post["requestBody"]["content"]["application/json"]["schema"], "components": spec["components"]}
    jsonschema.Draft202012Validator(schema).validate(json.loads(got.body))
    assert {parameter["name"] for parameter in post["parameters"]} <= {name.lower() for name in got.headers}


def test_the_pictures_addresses_are_whole_where_the_services_own_is_known() -> None:
    job = a_job().claimed(worker="w", token="t", now=NOON, lease_s=60)
    picture = ImageRef(index=0, key="k", media_type="image/png", size=9, sha256="0" * 64, width=1, height=1, seed=3)
    job = job.succeeded([picture], now=NOON)
    delivery = Delivery(id="msg_1", job_id=job.id, event=WebhookEvent.FINISHED, host="example.org", created_at=NOON)

    def url(**where: str) -> str:
        told: str = json.loads(webhook_payload(job, delivery, **where))["data"]["images"][0]["url"]
        return told

    assert url() == f"/image/{job.id}?index=0"
    assert url(public_url="https://pictures.example.org/imaging") == (
        f"https://pictures.example.org/imaging/image/{job.id}?index=0"
    )

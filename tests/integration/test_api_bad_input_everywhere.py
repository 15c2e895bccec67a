"""What no endpoint can make anything of is refused by every endpoint there is, and repeated by none.

The endpoints are those of the API's own description, so that a new one is tried from its first day. May import the
neighbouring test modules.
"""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import attrs
import httpx
import pytest

from api_setting import ended, submit
from bad_inputs import CANARY, IDS, NOT_JSON, WRONG_SHAPE
from key_setting import LockedApi

#: Many calls over lines that other tests cover: measuring them would take longer than the calls.
pytestmark = pytest.mark.no_cover

JSON = "application/json"

#: For every field of every body.
BAD_VALUES: dict[str, object] = {
    "null": None,
    "text": CANARY,
    "long text": CANARY * 1000,
    "list": [CANARY],
    "object": {CANARY: CANARY},
    "true": True,
    "zero": 0,
    "negative": -1,
    "fraction": 1.5,
    "2^63": 2**63,
    "10^60": 10**60,
    "1e300": 1e300,
    "escape": f"\x1b[31m{CANARY}\r\n\u202e",
    "path": f"../../../etc/{CANARY}",
    "deep": [[[[[[[[[[CANARY]]]]]]]]]],
}

#: Whose fields may all be left out.
NEEDS_NO_FIELD = {"/jobs/cancel"}

Spec = dict[str, Any]

#: What A1111's clients send, by path: the description does not name it.
A1111 = {
    "txt2img": ["prompt", "negative_prompt", "seed", "steps", "cfg_scale", "width", "height", "sampler_name", "scheduler",
                "batch_size", "n_iter", "styles", "enable_hr", "override_settings", "force_task_id", "alwayson_scripts"],
    "img2img": ["prompt", "init_images", "mask", "denoising_strength", "inpainting_fill", "resize_mode", "include_init_images"],
    "extra-single-image": ["image", "upscaling_resize", "upscaler_1", "resize_mode"],
    "png-info": ["image"],
    "options": ["sd_model_checkpoint", "samples_format"],
    "interrupt": [],
    "skip": [],
    "refresh-checkpoints": [],
}  # fmt: skip


@attrs.frozen(kw_only=True)
class Endpoint:
    """One method of one path."""

    method: str
    path: str
    described: Spec

    @property
    def facade(self) -> bool:
        """Whether it answers in another program's words, which differ."""
        return self.path.startswith(("/v1/", "/sdapi/"))

    @property
    def media_types(self) -> frozenset[str]:
        return frozenset(self.described.get("requestBody", {}).get("content", {}))

    def fields(self, document: Spec) -> list[str]:
        """The names in its JSON body."""
        schema = self.described["requestBody"]["content"][JSON]["schema"]
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        return [*schema.get("properties", {})]


class Everything:
    """A served API of every backend, with its admin as the caller."""

    def __init__(self, api: LockedApi) -> None:
        api.release()
        self.api = api
        self.client = api.asked(api.make_admin())
        self.document: Spec = self.client.get("/openapi.json").json()
        self.endpoints = [
            Endpoint(method=method.upper(), path=path, described=described)
            for path, methods in self.document["paths"].items()
            for method, described in methods.items()
        ]
        self.endpoints += [
            Endpoint(method="POST", path=f"/sdapi/v1/{name}", described=_taking(fields))
            for name, fields in A1111.items()
        ]

    def taking(self, media_type: str) -> list[Endpoint]:
        """Those that take such a body."""
        return [endpoint for endpoint in self.endpoints if media_type in endpoint.media_types]

    def about(self, name: str) -> list[Endpoint]:
        """Those with such an id in their path, streams of ended jobs included."""
        return [endpoint for endpoint in self.endpoints if f"{{{name}}}" in endpoint.path]


def _taking(fields: list[str]) -> Spec:
    return {"requestBody": {"content": {JSON: {"schema": {"properties": {field: {} for field in fields}}}}}}


@pytest.fixture(scope="module")
def everything() -> Iterator[Everything]:
    with LockedApi(config={"max_wait_s": 0.05}).serving() as api:
        everything = Everything(api)
        with closing(everything.client):
            yield everything


def fault_of(endpoint: Endpoint, answer: httpx.Response, *, refused: bool = True) -> str | None:
    """What is wrong with an answer to something bad."""
    what = f"{endpoint.method} {endpoint.path}: {answer.status_code} {answer.text[:300]}"
    if answer.status_code < 400:
        return what if refused else None
    if answer.status_code >= 500 and "IMAGING_SPARE_URL" not in answer.text:
        return what
    if CANARY in answer.text or CANARY in str(answer.headers):
        return f"It repeats what was sent: {what}"
    if not endpoint.facade and answer.headers["content-type"] != "application/problem+json":
        return f"It is no problem: {what}"
    if endpoint.facade and not isinstance(answer.json(), dict):
        return f"It has no envelope: {what}"
    return None


def send(everything: Everything, endpoint: Endpoint, body: bytes, media_type: str = JSON) -> httpx.Response:
    headers = {"Content-Type": media_type}
    return everything.client.request(endpoint.method, filled(endpoint.path), content=body, headers=headers)


def filled(path: str, **ids: str) -> str:
    """The path with ids in it, unknown ones where none are given."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: ids.get(match[1], "f" * 32), path)


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_a_body_that_is_not_strict_json_is_refused_everywhere(everything: Everything, body: bytes) -> None:
    endpoints = everything.taking(JSON)
    assert {"/images", "/local/images", "/images/batch", "/images/edits", "/images/upscale", "/estimate", "/png-info",
            "/keys"} <= {endpoint.path for endpoint in endpoints}  # fmt: skip
    faults = [fault_of(endpoint, send(everything, endpoint, body)) for endpoint in endpoints if not endpoint.facade]
    # Other programs take more for JSON, and their clients send it.
    faults += [
        fault_of(endpoint, send(everything, endpoint, body), refused=False) for endpoint in endpoints if endpoint.facade
    ]
    assert not any(faults), "\n".join(filter(None, faults))


@pytest.mark.parametrize("body", WRONG_SHAPE.values(), ids=WRONG_SHAPE.keys())
def test_a_body_that_is_no_request_is_refused_everywhere(everything: Everything, body: object) -> None:
    faults = [
        fault_of(
            endpoint,
            send(everything, endpoint, json.dumps(body).encode()),
            refused=not endpoint.facade and not (body == {} and endpoint.path in NEEDS_NO_FIELD),
        )
        for endpoint in everything.taking(JSON)
    ]
    assert not any(faults), "\n".join(filter(None, faults))


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_a_bad_value_in_any_field_is_no_fault_of_the_service(everything: Everything, value: object) -> None:
    faults = [
        f"{field}: {fault}"
        for endpoint in everything.taking(JSON)
        for field in endpoint.fields(everything.document)
        for extra in ({}, {"prompt": "x"})
        if (
            fault := fault_of(
                endpoint, send(everything, endpoint, json.dumps({**extra, field: value}).encode()), refused=False
            )
        )
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_a_bad_value_in_a_request_of_a_batch_is_no_fault_of_the_service(everything: Everything, value: object) -> None:
    batch = next(endpoint for endpoint in everything.endpoints if endpoint.path == "/images/batch")
    fields = everything.document["components"]["schemas"]["StabilitySubmission"]["properties"]
    faults = [
        f"{field}: {fault}"
        for field in fields
        for body in (
            {"requests": [{"prompt": "x"}, {"prompt": "x", field: value}]},
            {"requests": [{"prompt": "x"}], "shared": {field: value}},
        )
        if (fault := fault_of(batch, send(everything, batch, json.dumps(body).encode()), refused=False))
    ]
    assert not faults, "\n".join(faults)


def test_a_batch_of_everything_at_once_is_refused(everything: Everything) -> None:
    batch = next(endpoint for endpoint in everything.endpoints if endpoint.path == "/images/batch")
    bodies: list[Spec] = [
        {"requests": []},
        {"requests": [{"prompt": "x"}] * 1000},
        {"requests": [[{"prompt": CANARY}]]},
        {"requests": {CANARY: {"prompt": CANARY}}},
        {"requests": [{"prompt": CANARY}], CANARY: 1},
        {"requests": [{"prompt": "x", "owner": CANARY}]},
        {"requests": [{"prompt": "x"}], "shared": {"owner": CANARY}},
        {"requests": [{"prompt": "x"}], "shared": CANARY},
    ]
    for body in bodies:
        assert fault_of(batch, send(everything, batch, json.dumps(body).encode())) is None


#: Bodies that are no form, each with its Content-Type.
_NO_FORM: dict[str, tuple[str, bytes]] = {
    "no boundary": ("multipart/form-data", b"--x\r\n\r\nkanarienvogel\r\n--x--\r\n"),
    "empty boundary": ('multipart/form-data; boundary=""', b"----\r\n"),
    "a boundary of 10,000": ("multipart/form-data; boundary=" + "x" * 10_000, b"kanarienvogel"),
    "empty": ("multipart/form-data; boundary=x", b""),
    "another boundary": ("multipart/form-data; boundary=x", b"--kanarienvogel\r\n\r\n--kanarienvogel--\r\n"),
    "cut off": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\nkanarienvogel',
    ),
    "a part without a name": ("multipart/form-data; boundary=x", b"--x\r\n\r\nkanarienvogel\r\n--x--\r\n"),
    "a name that is no text": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="\xff\xfe"\r\n\r\nkanarienvogel\r\n--x--\r\n',
    ),
    "10,000 parts": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="kanarienvogel"\r\n\r\n1\r\n' * 10_000 + b"--x--\r\n",
    ),
    "a head without end": (
        "multipart/form-data; boundary=x",
        b"--x\r\n" + b"X-Kanarienvogel: kanarienvogel\r\n" * 20_000 + b"\r\n\r\n--x--\r\n",
    ),
    "a picture that is none": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="kanarienvogel.png"\r\n'
        b"Content-Type: image/png\r\n\r\nkanarienvogel\r\n--x--\r\n",
    ),
    "NUL in a field": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nkanarienvogel\x00\r\n--x--\r\n',
    ),
}


@pytest.mark.parametrize(("media_type", "body"), _NO_FORM.values(), ids=_NO_FORM.keys())
def test_a_form_that_is_none_is_refused_everywhere(everything: Everything, media_type: str, body: bytes) -> None:
    endpoints = everything.taking("multipart/form-data")
    assert {"/images/edits", "/images/upscale", "/png-info"} <= {endpoint.path for endpoint in endpoints}
    faults = [fault_of(endpoint, send(everything, endpoint, body, media_type)) for endpoint in endpoints]
    assert not any(faults), "\n".join(filter(None, faults))


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/x-www-form-urlencoded", CANARY, "*/*"])
def test_a_body_of_another_type_is_refused_everywhere(everything: Everything, media_type: str) -> None:
    faults = [
        fault_of(endpoint, send(everything, endpoint, b'{"prompt": "kanarienvogel"}', media_type))
        for endpoint in everything.endpoints
        if endpoint.media_types and not endpoint.facade
    ]
    assert not any(faults), "\n".join(filter(None, faults))


@pytest.mark.parametrize("sent", IDS, ids=lambda sent: sent[:20])
def test_an_id_that_is_none_is_like_one_that_is_unknown_everywhere(everything: Everything, sent: str) -> None:
    sent = "%2e%2e%2f%2e%2e" if sent == ".." else sent
    client = everything.client
    endpoints = everything.about("image_id")
    assert len(endpoints) >= 11
    for endpoint in endpoints:
        unknown = client.request(endpoint.method, filled(endpoint.path))
        answer = client.request(endpoint.method, filled(endpoint.path, image_id=sent))
        assert fault_of(endpoint, answer) is None
        assert unknown.status_code == 404
        if answer.status_code != 405:
            assert (answer.status_code, answer.content) == (404, unknown.content), endpoint.path


@pytest.mark.parametrize("sent", IDS, ids=lambda sent: sent[:20])
def test_an_id_of_another_thing_that_is_none_is_404(everything: Everything, sent: str) -> None:
    sent = "%2e%2e%2f%2e%2e" if sent == ".." else sent
    for name in ("key_id", "delivery_id"):
        for endpoint in everything.about(name):
            answer = everything.client.request(endpoint.method, filled(endpoint.path, **{name: sent}))
            assert fault_of(endpoint, answer) is None
            assert answer.status_code in (404, 405)


@pytest.mark.parametrize(
    "last",
    [CANARY, "9" * 5000, "-1", "18446744073709551616-0", "0-0-0", "0", "٣", "x" * 64, "%00", "9999999999999-0", "1e3"],
    ids=lambda last: last[:20],
)
def test_a_last_event_id_that_is_foreign_ends_nothing(everything: Everything, last: str) -> None:
    client = everything.client
    image_id = submit(client)
    ended(client, image_id)
    header = {b"Last-Event-ID": last.encode()}
    nothing: dict[bytes, bytes] = {}
    for sent, query in ((header, {}), (nothing, {"after": last})):
        answer = client.get(f"/jobs/{image_id}/events", headers=sent, params=query)
        assert answer.status_code in (200, 204, 410, 422), answer.text
        assert CANARY not in answer.text
        with client.stream("GET", "/events", headers=sent, params=query) as stream:
            assert stream.status_code in (200, 410, 422)
            if stream.status_code == 200:
                assert next(stream.iter_bytes())


def test_afterwards_all_is_as_ever(everything: Everything) -> None:
    assert everything.client.get("/livez").status_code == 200
    ended(everything.client, submit(everything.client))

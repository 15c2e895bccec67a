"""What tells about the service itself: backends, health, the description, the page, and the headers of every answer."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest

from api_setting import RunningApi
from entrypoints.api.operation_ids import OPERATION_IDS
from imaging_core.errors import StorageFull


async def _answers() -> None:
    return


async def _is_full() -> None:
    raise StorageFull("There are 3 MB left. Delete old pictures.")


async def _hangs() -> None:
    await asyncio.Event().wait()


async def _breaks() -> None:
    raise RuntimeError("redis://:geheim@host")


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    with RunningApi(readiness={"jobs": _answers}).serving() as api:
        api.release()
        yield api


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


def _check_shape(spec: dict[str, Any], body: object, shape: str) -> None:
    schema = {"$ref": f"#/components/schemas/{shape}", "components": spec["components"]}
    jsonschema.Draft202012Validator(schema).validate(body)


def test_backends_tells_all_that_a_form_needs(client: httpx.Client, api: RunningApi) -> None:
    api.webui.there = False
    try:
        body = client.get("/backends").json()
    finally:
        api.webui.there = True
    _check_shape(client.get("/openapi.json").json(), body, "Backends")
    assert body["default"] == "stability"
    by_name = {backend["name"]: backend for backend in body["backends"]}
    cloud, webui, spare = by_name["stability"], by_name["local"], by_name["spare"]
    assert cloud["answers"]
    assert cloud["paid"]
    assert cloud["credits"] == {"core": 3.0, "": 1.0}
    ratio = next(p for p in cloud["parameters"] if p["name"] == "aspect_ratio")
    assert (ratio["kind"], ratio["choices"], ratio["default"]) == ("choice", ["1:1", "16:9"], "1:1")
    assert cloud["gate"]["open"]
    assert cloud["gate"]["slots"] == 4
    assert (webui["configured"], webui["answers"], webui["parameters"]) == (True, False, [])
    assert "does not answer" in webui["message"]
    assert (spare["configured"], spare["message"]) == (False, "Set IMAGING_SPARE_URL to use the spare backend.")


def test_the_lists_of_the_webui(client: httpx.Client) -> None:
    assert client.get("/local/models").json() == {"models": ["tinyA", "tinyB"]}
    assert client.get("/local/sampler_names").json() == {"samplers": ["Euler", "Euler a"]}
    assert client.get("/local/schedulers").json() == {"schedulers": ["automatic", "karras"]}


def test_a_service_without_that_backend_says_so() -> None:
    with RunningApi(local_backend="spare", images_backend="none").serving() as api, api.client() as client:
        lists = client.get("/local/models")
        assert (lists.status_code, lists.json()["type"]) == (503, "/problems/backend-not-configured")
        assert "IMAGING_SPARE_URL" in lists.json()["detail"]
        submit = client.post("/images", json={"prompt": "x"})
        assert (submit.status_code, submit.json()["type"]) == (503, "/problems/backend-not-configured")
        assert "'none'" in submit.json()["detail"]


def test_readiness_is_the_truth_about_every_part(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"ready": True, "checks": {"jobs": {"ok": True, "message": None}}}


def test_a_part_that_does_not_answer_turns_readiness_off_and_leaks_nothing() -> None:
    checks = {"jobs": _answers, "storage": _is_full, "bell": _hangs, "events": _breaks}
    with RunningApi(readiness=checks, readiness_timeout_s=0.1).serving() as api, api.client() as client:
        answer = client.get("/readyz")
        body = answer.json()
        assert (answer.status_code, body["type"]) == (503, "/problems/not-ready")
        assert body["detail"] == "These parts do not answer: storage, bell, events."
        assert body["checks"]["jobs"] == {"ok": True, "message": None}
        assert body["checks"]["storage"]["message"] == "There are 3 MB left. Delete old pictures."
        assert body["checks"]["bell"]["message"] == "No answer within 0.1 s."
        assert "geheim" not in answer.text
        assert client.get("/livez").status_code == 200


def test_the_description_is_whole_and_every_endpoint_has_an_example(client: httpx.Client) -> None:
    answer = client.get("/openapi.json")
    spec = answer.json()
    jsonschema.Draft202012Validator.check_schema({"$defs": spec["components"]["schemas"]})
    names = spec["components"]["schemas"]
    for reference in re.findall(r'"#/components/schemas/([^"]+)"', answer.text):
        assert reference in names
    assert "HTTPValidationError" not in answer.text
    assert client.get("/openapi.json", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304

    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            content = [c for a in operation["responses"].values() for c in a.get("content", {}).items()]
            content += operation.get("requestBody", {}).get("content", {}).items()
            shapes = [body["schema"]["$ref"].rpartition("/")[2] for _, body in content if "$ref" in body["schema"]]
            assert (
                any(names[shape].get("examples") for shape in shapes if shape != "Problem")
                or any("example" in body for _, body in content)
                or method == "delete"
                or path.endswith(("/preview", "/input"))
            ), (method, path)


def test_a_generated_client_gets_names_that_people_would_choose(client: httpx.Client) -> None:
    spec = client.get("/openapi.json").json()
    operations = [(path, method, operation) for path, of in spec["paths"].items() for method, operation in of.items()]
    for path, method, operation in operations:
        assert operation["operationId"] == OPERATION_IDS[path][method]
        assert all(parameter.get("description") for parameter in operation.get("parameters", [])), path
    assert len({operation["operationId"] for _, _, operation in operations}) == len(operations)
    # Nothing is named that is not there, but for what only a service with keys has.
    for path in OPERATION_IDS.keys() - spec["paths"].keys():
        assert path.startswith(("/keys", "/audit")), path


def test_every_example_fits_its_own_schema(client: httpx.Client) -> None:
    spec = client.get("/openapi.json").json()
    for name, schema in spec["components"]["schemas"].items():
        for example in schema.get("examples", []):
            _check_shape(spec, example, name)


def test_the_examples_of_the_bodies_say_what_the_endpoints_take(client: httpx.Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    stability, local = (schemas[f"{which}Submission"]["examples"][0] for which in ("Stability", "Local"))
    assert client.post("/images", json=stability).status_code == 202
    assert client.post("/local/images", json={**local, "model": "tinyA"}).status_code == 202


def test_the_page_loads_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert links == ["docs/swagger-ui.css", "data:,", "docs/swagger-ui-bundle.js", "docs/start.js"]
    for link in links:
        if link.startswith("docs/"):
            asset = client.get(f"/{link}")
            assert asset.status_code == 200
            assert client.get(f"/{link}", headers={"If-None-Match": asset.headers["etag"]}).status_code == 304
    assert "SwaggerUIBundle" in client.get("/docs/swagger-ui-bundle.js").text
    assert '"openapi.json"' in client.get("/docs/start.js").text


@pytest.mark.parametrize("path", ["/livez", "/status/x", "/kanarienvogel", "/docs", "/openapi.json", "/backends"])
def test_every_answer_has_the_headers_that_browsers_heed(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]


def test_head_is_answered_wherever_get_is(client: httpx.Client) -> None:
    for path in ("/livez", "/readyz", "/jobs", "/backends", "/docs", "/openapi.json", "/local/models"):
        get, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (get.status_code, b"")


def test_a_fault_of_the_service_is_a_problem_without_a_stack(
    client: httpx.Client, api: RunningApi, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("geheim")

    monkeypatch.setattr(api.service, "view", broken)
    answer = client.get("/status/kanarienvogel")
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "geheim" not in answer.text
    assert "Traceback" not in answer.text
    faults = [record for record in caplog.records if record.name == "imaging.api"]
    assert [record.getMessage() for record in faults] == ["A request failed."]
    assert getattr(faults[0], "route", None) == "/status/{image_id}"
    monkeypatch.undo()
    assert client.get("/status/kanarienvogel").status_code == 404

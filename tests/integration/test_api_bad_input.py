"""Whatever is sent, the answer is a 4xx problem that does not repeat it, and the next request is answered as ever."""

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_setting import RunningApi, ended, submit
from bad_inputs import CANARY, IDS, NOT_JSON, WRONG_SHAPE
from entrypoints.api.submissions import LocalSubmission, StabilitySubmission
from imaging_core.errors import Unavailable

PATHS = ("/images", "/local/images")


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    with RunningApi().serving() as api:
        api.release()
        yield api


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


def _refused(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert CANARY not in answer.text
    assert CANARY not in str(answer.headers)
    body: dict[str, Any] = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"].startswith("/problems/")
    assert body["detail"].endswith((".", "!"))
    return body


def _post(client: httpx.Client, path: str, body: bytes, content_type: str = "application/json") -> httpx.Response:
    return client.post(path, content=body, headers={"Content-Type": content_type})


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_a_body_that_is_not_strict_json_is_400(client: httpx.Client, path: str, body: bytes) -> None:
    assert _refused(_post(client, path, body), 400)["type"] == "/problems/malformed-json"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", WRONG_SHAPE.values(), ids=WRONG_SHAPE.keys())
def test_a_request_that_cannot_be_made_is_422_and_names_fields(client: httpx.Client, path: str, body: object) -> None:
    problem = _refused(_post(client, path, json.dumps(body).encode()), 422)
    assert problem["errors"]
    assert all(set(error) == {"field", "message"} for error in problem["errors"])


_LOCAL: dict[str, tuple[dict[str, object], str]] = {
    "steps 0": ({"steps": 0}, "steps"),
    "steps -1": ({"steps": -1}, "steps"),
    "steps as text": ({"steps": "20"}, "steps"),
    "steps true": ({"steps": True}, "steps"),
    "steps 1.0": ({"steps": 1.0}, "steps"),
    "width 0": ({"width": 0}, "width"),
    "width 63": ({"width": 63}, "width"),
    "width 16,385": ({"width": 16_385}, "width"),
    "width 2^63": ({"width": 2**63}, "width"),
    "each side allowed, the area not": ({"width": 2048, "height": 2048}, "width"),
    "unknown sampler": ({"sampler_name": CANARY}, "sampler_name"),
    "unknown scheduler": ({"scheduler": CANARY}, "scheduler"),
    "unknown style": ({"styles": ["film", CANARY]}, "styles"),
    "style that is no text": ({"styles": [1]}, "styles.0"),
    "many styles": ({"styles": ["film"] * 101}, "styles"),
    "n_iter 0": ({"n_iter": 0}, "n_iter"),
    "n_iter 1,000": ({"n_iter": 1000}, "n_iter"),
    "n_iter -1 x batch_size -1": ({"n_iter": -1, "batch_size": -1}, "n_iter"),
    "n_iter x batch_size": ({"n_iter": 16, "batch_size": 2}, "n_iter x batch_size"),
    "count that is not n_iter x batch_size": ({"n_iter": 2, "batch_size": 2, "count": 3}, "count"),
    "two samplers": ({"sampler_name": "Euler", "sampler": "Euler a"}, "sampler"),
    "cfg_scale as text": ({"cfg_scale": "7"}, "cfg_scale"),
    "cfg_scale 1e300": ({"cfg_scale": 1e300}, "cfg_scale"),
    "flag as text": ({"enable_hr": "yes"}, "enable_hr"),
    "further setting of the wrong type": ({"tiling": CANARY}, "tiling"),
    "further setting that is an object": ({"tiling": {CANARY: 1}}, "tiling"),
    "setting this WebUI does not have": ({"hr_upscaler": CANARY}, "hr_upscaler"),
    "backend": ({"backend": "stability"}, ""),
}


@pytest.mark.parametrize(("fields", "named"), _LOCAL.values(), ids=_LOCAL.keys())
def test_a_local_field_out_of_range_is_named_as_it_was_sent(
    client: httpx.Client, fields: dict[str, object], named: str
) -> None:
    problem = _refused(client.post("/local/images", json={"prompt": "x", **fields}), 422)
    assert named in [error["field"] for error in problem["errors"]]


@pytest.mark.parametrize("n", ["2", "many", [2], 1.5, True, 0])
def test_a_number_of_pictures_by_another_clients_name_must_be_one_too(client: httpx.Client, n: object) -> None:
    problem = _refused(client.post("/local/images", json={"prompt": "x", "n": n}), 422)
    assert [error["field"] for error in problem["errors"]] == ["n"]


def test_every_wrong_field_is_named_at_once(client: httpx.Client) -> None:
    body = {"prompt": "", "steps": 0, "width": 63, "sampler_name": CANARY}
    problem = _refused(client.post("/local/images", json=body), 422)
    assert {error["field"] for error in problem["errors"]} == {"prompt", "steps", "width", "sampler_name"}
    assert "Euler, Euler a" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "body", "right"),
    [
        ("/images", {"prompt": "x", "priority": "urgent"}, "must be one of 'low', 'normal' or 'high'."),
        ("/estimate", {"operation": "paint"}, "must be one of 'generate', 'edit' or 'upscale'."),
        ("/jobs/cancel", {"status": "finished"}, "must be one of 'queued' or 'started'."),
        ("/jobs/cancel", {"everybody": "yes"}, "must be true or false."),
    ],
)
def test_a_word_that_is_none_of_the_choices_is_told_them(
    client: httpx.Client, path: str, body: dict[str, str], right: str
) -> None:
    assert right in _refused(client.post(path, json=body), 422)["detail"]


def test_a_misspelt_field_is_told_the_right_one(client: httpx.Client) -> None:
    problem = _refused(client.post("/local/images", json={"prompt": "x", "sampler_nam": CANARY}), 422)
    assert "Did you mean sampler_name?" in problem["detail"]


def test_an_unknown_backend_is_told_the_known_ones(client: httpx.Client) -> None:
    for backend in (CANARY, "../" + CANARY, "x" * 5000):
        problem = _refused(client.post("/images", json={"prompt": "x", "backend": backend}), 422)
        assert problem["type"] == "/problems/unknown-backend"
        assert "stability, local" in problem["detail"]


def test_a_backend_that_is_not_set_up_says_which_setting_is_missing(client: httpx.Client) -> None:
    problem = _refused(client.post("/images", json={"prompt": "x", "backend": "spare"}), 503)
    assert problem["type"] == "/problems/backend-not-configured"
    assert "IMAGING_SPARE_URL" in problem["detail"]


_PROMPTS = ["🌊", "\u202egnirts", "\x1b[31mred\x1b[0m\r\nlog: forged", "<script>alert(1)</script>", "<lora:../../x:1>"]


@pytest.mark.parametrize("prompt", _PROMPTS)
def test_a_strange_prompt_is_a_prompt(client: httpx.Client, prompt: str) -> None:
    image_id = submit(client, prompt=prompt)
    assert client.get(f"/jobs/{image_id}").json()["request"]["prompt"] == prompt


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp",
     "application/json; charset=utf-16", "application/json; charset=latin-1", "kanarienvogel"],
)  # fmt: skip
def test_a_body_of_another_type_is_415(client: httpx.Client, content_type: str) -> None:
    answer = _post(client, "/images", b'{"prompt": "kanarienvogel"}', content_type)
    assert _refused(answer, 415)["type"] == "/problems/unsupported-media-type"


@pytest.mark.parametrize("path", ["/images", "/images/edits", "/png-info"])
def test_a_compressed_body_is_415(client: httpx.Client, path: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    _refused(client.post(path, content=b"\x1f\x8b", headers=headers), 415)


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON;charset=UTF-8", "application/json; x=y"]
)
def test_json_by_any_spelling_is_taken(client: httpx.Client, content_type: str) -> None:
    assert _post(client, "/images", b'{"prompt": "x"}', content_type).status_code == 202


@pytest.mark.parametrize("image_id", IDS, ids=lambda image_id: image_id[:20])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/status/{}"),
        ("GET", "/image/{}"),
        ("GET", "/image/{}/preview"),
        ("GET", "/jobs/{}"),
        ("DELETE", "/jobs/{}"),
        ("POST", "/jobs/{}/cancel"),
        ("POST", "/jobs/{}/retry"),
    ],
)
def test_an_id_that_is_none_looks_like_one_that_is_unknown(
    client: httpx.Client, method: str, path: str, image_id: str
) -> None:
    if image_id == "..":
        image_id = "%2e%2e%2f%2e%2e"
    problem = _refused(client.request(method, path.replace("{}", image_id)), 404, 405)
    if problem["status"] == 404:
        assert problem == _refused(client.get(f"/status/{'f' * 32}"), 404)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/images", "POST"),
        ("PUT", "/jobs/x", "DELETE, GET, HEAD"),
        ("HEAD", "/local/images", "POST"),
        ("TRACE", "/status/x", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(client: httpx.Client, method: str, path: str, allow: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    if method != "HEAD":
        _refused(answer, 405)


@pytest.mark.parametrize(
    "path", ["/", "/kanarienvogel", "/status", "/status/", "/images/", "//images", "/docs/x", "/jobs/"]
)
def test_a_path_that_is_none_is_404(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert _refused(answer, 404)["type"] == "/problems/not-found"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=201", "limit=x", "limit=1e3", "limit=" + "9" * 5000, "limit=", "status=kanarienvogel", "status=",
        "cursor=kanarienvogel", "cursor=%00", "cursor=" + "x" * 5000, "backend=%00", "backend=" + "x" * 65,
        "backend=kanarienvogel/", "cursor=%ff", "cursor=-1", "cursor=" + "9" * 400,
    ],
)  # fmt: skip
def test_a_query_that_cannot_be_is_422(client: httpx.Client, query: str) -> None:
    assert _refused(client.get(f"/jobs?{query}"), 422)["errors"]


def test_a_webui_that_is_down_is_503_with_a_sentence(client: httpx.Client, api: RunningApi) -> None:
    api.webui.there = False
    try:
        for answer in (
            *(client.get(f"/local/{what}") for what in ("models", "sampler_names", "schedulers")),
            client.post("/local/images", json={"prompt": "x"}),
        ):
            problem = _refused(answer, 503)
            assert problem["type"] == "/problems/unavailable"
            assert "http://127.0.0.1:7860" in problem["detail"]
            assert answer.headers["retry-after"] == "7"
    finally:
        api.webui.there = True
    assert client.get("/local/models").json() == {"models": ["tinyA", "tinyB"]}


class _Outage:
    """Makes methods raise Unavailable for as long as it lasts; whoever holds one of them can use it again afterwards."""

    def __init__(self, part: object, *methods: str) -> None:
        self._part = part
        self._real = {name: getattr(part, name) for name in methods}
        self._over = False

    def __enter__(self) -> None:
        for name, real in self._real.items():
            setattr(self._part, name, self._interrupted(real))

    def __exit__(self, *_: object) -> None:
        self._over = True
        for name in self._real:
            delattr(self._part, name)

    def _interrupted(self, real: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def call(*args: object, **named: object) -> object:
            if not self._over:
                raise Unavailable("Redis does not answer.", retry_after_s=3)
            return await real(*args, **named)

        return call


def test_a_repository_that_is_away_is_503_everywhere_and_comes_back(client: httpx.Client, api: RunningApi) -> None:
    image_id = submit(client)
    with _Outage(api.service.jobs, "get", "add", "list", "state", "now"):
        for answer in (
            client.get(f"/status/{image_id}"),
            client.get(f"/image/{image_id}"),
            client.get("/jobs"),
            client.get("/backends"),
            client.post("/images", json={"prompt": CANARY}),
            client.delete(f"/jobs/{image_id}"),
        ):
            assert _refused(answer, 503)["type"] == "/problems/unavailable"
            assert answer.headers["retry-after"] == "3"
    assert ended(client, image_id)["status"] == "finished"


_FIELDS = sorted({*StabilitySubmission.model_fields, *LocalSubmission.model_fields, "tiling", "mood", "unknown"})
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_ANY = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT
_VALUES = _ANY | st.lists(_ANY, max_size=3) | st.dictionaries(_TEXT, _ANY, max_size=2)
_BODIES = st.dictionaries(st.sampled_from(_FIELDS), _VALUES, max_size=6).map(lambda body: {"prompt": "x", **body})


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_BODIES, st.sampled_from(PATHS))
def test_no_body_is_a_fault_of_the_service(client: httpx.Client, body: dict[str, object], path: str) -> None:
    answer = _post(client, path, json.dumps(body).encode())
    assert answer.status_code in (202, 400, 422), answer.text


def test_afterwards_all_is_as_ever(client: httpx.Client) -> None:
    assert json.loads(client.get("/livez").content) == {"status": "alive"}
    submit(client)

"""A run of everything with secrets that can be told from all other text: none of them is in a log, an answer or a file.

May import the standard library, httpx, pytest and the neighbouring modules that start processes.
"""

import base64
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import attrs
import httpx
import pytest

from contracts.picture_work import file_of, four_colours
from fakes.sdwebui import launch as launch_webui
from fakes.stability import launch as launch_stability
from imaging_process import Imaging, until

PROVIDER, PASSWORD, ADMIN = (
    "sk-provider-0123456789abcdef",
    "webui-password-0123456789",
    "admin-key-0123456789abcdef0123456789",
)
PROMPT = "kanarienvogel over the secret lake"
PICTURE = base64.b64encode(file_of(four_colours(256, 256))).decode()


@attrs.frozen(kw_only=True)
class Ran:
    """What is left of a run."""

    log: str
    #: Everything that was answered, heads included, but for the answers that made a key or a secret.
    answers: str
    #: Secrets that the service made.
    made: tuple[str, ...]
    folder: Path


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("secrets")
    with launch_stability(keys=[PROVIDER]) as stability, launch_webui("--api-auth", f"user:{PASSWORD}") as webui:
        settings = {
            "STABILITY_KEY": PROVIDER,
            "IMAGING_STABILITY_BASE_URL": stability.url,
            "IMAGING_SDWEBUI_URLS": webui.url,
            "IMAGING_SDWEBUI_AUTH": f"user:{PASSWORD}",
            "IMAGING_API_KEYS": ADMIN,
            "IMAGING_ACCESS_LOG": "1",
            "IMAGING_LOG_FORMAT": "json",
            "IMAGING_WEBHOOK_ALLOW": "127.0.0.1",
            "IMAGING_RETRY_DELAY_S": "0.1",
        }
        with Imaging("up", "--no-gui", folder=folder, **settings) as imaging:
            imaging.start()
            until(lambda: _alive(imaging.url), "the API")
            answers: list[httpx.Response] = []
            with httpx.Client(base_url=imaging.url, timeout=60, verify=False) as client:  # noqa: S501
                client.event_hooks["response"].append(answers.append)
                made = _everything(client)
                for answer in answers:
                    assert answer.status_code < 500, answer.text
            yield Ran(
                log=imaging.output,
                answers="\n".join(f"{a.status_code} {a.headers} {a.text}" for a in answers if not _tells(a)),
                made=made,
                folder=folder,
            )


def _alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", timeout=5, verify=False).status_code == 200  # noqa: S501
    except httpx.TransportError:
        return False


def _ended(client: httpx.Client, job: str) -> bool:
    return client.get(f"/status/{job}?wait=5").json()["finished_at"] is not None


def _tells(answer: httpx.Response) -> bool:
    """Whether the answer is the one that tells a secret."""
    return answer.request.url.path in ("/keys", "/webhooks/secret") and answer.request.method in ("POST", "GET")


def _everything(client: httpx.Client) -> tuple[str, ...]:
    """Use every door, rightly and wrongly; the secrets that were told on the way."""
    client.get("/jobs", headers={"Authorization": "Bearer sk-wrong-key-0123456789"})
    client.headers["Authorization"] = f"Bearer {ADMIN}"
    key = client.post("/keys", json={"name": "one"}).json()["key"]
    client.get("/keys")
    client.headers["Authorization"] = f"Bearer {key}"
    secret = client.get("/webhooks/secret").json()["secret"]
    hook = {"webhook": "http://127.0.0.1:9/told"}
    made = [
        client.post("/images", json={"prompt": PROMPT, **hook}),
        client.post("/local/images", json={"prompt": PROMPT}),
    ]
    made += [
        client.post("/images", json={"prompt": f"{PROMPT} [{f}]"})
        for f in ("moderated", "server-error", "html", "drop")
    ]
    made += [client.post("/images/edits", json={"prompt": PROMPT, "image": PICTURE})]
    made += [client.post("/images/batch", json={"requests": [{"prompt": PROMPT}, {"prompt": PROMPT, "stepz": 1}]})]
    client.post("/images", json={"prompt": PROMPT, "seed": PROMPT, PROMPT: PROMPT})
    client.post("/images", content=f'{{"prompt": "{PROMPT}", '.encode(), headers={"Content-Type": "application/json"})
    client.post("/v1/images/generations", json={"prompt": PROMPT, "model": "nothing"})
    client.post("/v1/images/generations", json={"prompt": PROMPT, "model": "stability/core"})
    client.post("/sdapi/v1/txt2img", json={"prompt": PROMPT, "width": -1})
    client.get(
        "/sdapi/v1/options", headers={"Authorization": "Basic " + base64.b64encode(f"user:{key}".encode()).decode()}
    )
    client.get("/jobs", params={"q": PROMPT, "key": "x"})
    jobs = [answer.json()["image_id"] for answer in made if answer.status_code == 202]
    assert len(jobs) == 7, [answer.text for answer in made]
    for job in jobs:
        until(partial(_ended, client, job), "the end")
        client.get(f"/image/{job}")
        client.post(f"/jobs/{job}/cancel")
    client.get("/backends")
    client.get("/openapi.json")
    client.get("/metrics", headers={"Authorization": f"Bearer {ADMIN}"})
    client.get("/audit", headers={"Authorization": f"Bearer {ADMIN}"})
    return key, secret


def test_no_secret_is_logged_or_answered(ran: Ran) -> None:
    assert '"level"' in ran.log
    for secret in (PROVIDER, PASSWORD, ADMIN, *ran.made, "sk-wrong-key-0123456789"):
        assert secret not in ran.log
        assert secret not in ran.answers
        assert base64.b64encode(f"user:{secret}".encode()).decode() not in ran.log + ran.answers


def test_no_prompt_is_logged(ran: Ran) -> None:
    assert "kanarienvogel" not in ran.log.lower()
    assert "POST" in ran.log


def test_no_secret_is_in_a_file_but_where_it_must_be(ran: Ran) -> None:
    """The secret of the webhooks is kept, since messages are signed with it; keys are kept as hashes, others not at all."""
    key, _ = ran.made
    files = [path for path in ran.folder.rglob("*") if path.is_file()]
    assert any(path.parts[-2] != "data" for path in files)
    for path in files:
        data = path.read_bytes()
        for secret in (PROVIDER, PASSWORD, ADMIN, key):
            assert secret.encode() not in data, path

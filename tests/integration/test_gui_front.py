"""What stands before the page: names it answers to, and a first page that knows where its server is; on the real process."""

from collections.abc import Iterator

import httpx
import pytest

from imaging_process import Imaging, free_port, until


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """`imaging gui` on loopback, without any service behind it."""
    port = str(free_port())
    settings = {"IMAGING_GUI_PORT": port, "IMAGING_ALLOWED_HOSTS": "studio.example.org,*.lan"}
    with (
        Imaging("gui", folder=tmp_path_factory.mktemp("page"), **settings) as imaging,
        # Loading certificates that plain HTTP does not need takes longer than the page.
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, verify=False) as client,  # noqa: S501
    ):
        imaging.start()
        until(lambda: health(client, "localhost") == 200, "the page")
        yield client


def health(page: httpx.Client, host: str) -> int | None:
    """What a prober is answered."""
    try:
        return page.get("/_stcore/health", headers={"host": host}).status_code
    except httpx.TransportError:
        return None


def stream(page: httpx.Client, host: str) -> int:
    """How a browser's request for the page's stream of changes is answered."""
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    headers = {**upgrade, "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==", "host": host}
    with page.stream("GET", "/_stcore/stream", headers=headers) as answer:
        return answer.status_code


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1", "[::1]:8501", "studio.example.org", "a.lan"])
def test_it_answers_to_its_names(page: httpx.Client, host: str) -> None:
    assert page.get("/gallery", headers={"host": host}).status_code == 200
    assert stream(page, host) == 101


@pytest.mark.parametrize("host", ["evil.example", "studio.example.org.evil", "lan", "[::2]"])
def test_a_name_that_is_not_ours_gets_neither_the_page_nor_its_stream(page: httpx.Client, host: str) -> None:
    answer = page.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "IMAGING_ALLOWED_HOSTS" in answer.text
    assert host not in answer.text
    assert stream(page, host) == 403
    # A prober knows an address and no name.
    assert health(page, host) == 200


def test_the_first_page_says_where_its_server_is_and_may_not_be_framed_by_others(page: httpx.Client) -> None:
    answer = page.get("/gallery?job=1")
    assert answer.text.index("BACKEND_BASE_URL") < answer.text.index('type="module"')
    assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert page.head("/").status_code == 200

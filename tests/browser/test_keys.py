"""A service that asks for a key, in a real browser: a wrong key, then a right one, and nothing of it in the page."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from live_service import PATIENCE_MS, LiveService, Visit, visiting

pytestmark = pytest.mark.browser

ADMIN = "an-admin-key-of-our-own-choice"
#: That the tab keeps the prompt as it stands there, a while after the page is drawn.
_KEPT = """(prompt) => {
  document.querySelector(".st-key-prompt textarea")?.dispatchEvent(new Event("input", { bubbles: true }));
  return JSON.parse(sessionStorage["imaging.words"] ?? "{}").words?.prompt === prompt;
}"""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    folder: Path = tmp_path_factory.mktemp("keys")
    with LiveService(folder, IMAGING_DEMO_STEP_S="0.05", IMAGING_API_KEYS=ADMIN) as live:
        yield live


def enter(visit: Visit, key: str) -> None:
    visit.page.get_by_label("API key").fill(key)
    visit.page.get_by_role("button", name="Use this key").click()


def test_a_wrong_key_is_told_and_a_right_one_opens_the_studio(visit: Visit, live: LiveService) -> None:
    with httpx.Client(base_url=live.api_url, headers={"x-api-key": ADMIN}, trust_env=False) as client:
        key: str = client.post("/keys", json={"name": "ann"}).json()["key"]
    page = visit.open("/gallery").page
    expect(page.get_by_text("The service asks for a key.")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("link", name="Enter a key").click()
    expect(page.get_by_text("They are shown here once the service accepts a key.")).to_be_visible(timeout=PATIENCE_MS)

    enter(visit, "x" * 40)
    expect(page.get_by_text("does not know this key")).to_be_visible(timeout=PATIENCE_MS)
    enter(visit, key)
    expect(page.get_by_text("with a key of your own")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("The built-in demo is ready")).to_be_visible(timeout=PATIENCE_MS)

    page.get_by_role("link", name="Create").click()
    visit.generate("A lake in the morning")
    visit.picture("A lake in the morning")
    assert key not in page.content()
    assert key not in page.url
    assert key not in page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")

    page.get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="Forget my key").click()
    expect(page.get_by_text("Nothing is sent yet.")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("link", name="Gallery").click()
    expect(page.get_by_text("The service asks for a key.")).to_be_visible(timeout=PATIENCE_MS)
    assert visit.faults == []


def test_words_that_were_not_sent_come_back_to_the_key_they_were_typed_under_alone(
    visit: Visit, live: LiveService
) -> None:
    with httpx.Client(base_url=live.api_url, headers={"x-api-key": ADMIN}, trust_env=False) as client:
        ann, bob = (client.post("/keys", json={"name": name}).json()["key"] for name in ("ann", "bob"))
    page = visit.page

    def create_as(key: str) -> None:
        visit.open("/settings")
        enter(visit, key)
        expect(page.get_by_text("The built-in demo is ready")).to_be_visible(timeout=PATIENCE_MS)
        visit.settle()
        page.get_by_role("link", name="Create").click()
        page.get_by_role("button", name="Generate").wait_for(timeout=PATIENCE_MS)

    create_as(ann)
    visit.prompt.fill("A lake that is nobody's business")
    page.wait_for_function(_KEPT, arg="A lake that is nobody's business")

    create_as(bob)
    # It has asked for what was kept once it keeps what is there now.
    page.wait_for_function(_KEPT, arg="")
    visit.settle()
    expect(visit.prompt).to_have_value("")
    assert visit.faults == []


def test_on_a_narrow_window_the_pages_are_at_its_foot(live: LiveService) -> None:
    with visiting(live.gui_url, width=390, height=844) as visit:
        page = visit.open("/").page
        for name, sign in (("Settings", "Nothing is sent yet."), ("Gallery", "The service asks for a key.")):
            # Streamlit's own list of the pages is there for a moment too, until it is folded away.
            link = page.locator(".st-key-narrow-pages").get_by_role("link", name=name)
            expect(link).to_have_count(1, timeout=PATIENCE_MS)
            link.click()
            expect(page.get_by_text(sign)).to_be_visible(timeout=PATIENCE_MS)
            expect(link).to_be_in_viewport(timeout=PATIENCE_MS)
        assert visit.faults == []

"""Pausing, resuming and cancelling all, and defaults, in a real browser on the service as `imaging up` starts it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from imaging_process import until
from live_service import PATIENCE_MS, LiveService, Visit

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    folder: Path = tmp_path_factory.mktemp("queue")
    with LiveService(folder, IMAGING_DEMO_STEP_S="0.05") as live:
        yield live


def test_a_job_waits_while_its_backend_is_paused_and_goes_on_when_it_is_resumed(
    visit: Visit, live: LiveService
) -> None:
    page = visit.open("/queue").page
    expect(page.get_by_text("Nothing is waiting")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("cell", name="Demo 0/")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Pause …").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("New brushes")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused by an operator")).to_contain_text("New brushes", timeout=PATIENCE_MS)

    visit.open("/")
    expect(page.get_by_text("An operator has paused this backend").first).to_be_visible(timeout=PATIENCE_MS)
    visit.generate("A lighthouse at dusk")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=PATIENCE_MS)
    # A pause is obeyed after a restart too.
    live.service.kill()
    live.start_service()
    visit.open("/queue")
    expect(page.get_by_text("1 open job")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("0 under way, 1 waiting")).to_be_visible(timeout=PATIENCE_MS)

    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Nothing is waiting")).to_be_visible(timeout=PATIENCE_MS)
    visit.open("/").picture("A lighthouse at dusk")
    assert visit.faults == []


def test_cancelling_all_asks_first_and_then_empties_the_queue(visit: Visit, live: LiveService) -> None:
    with httpx.Client(base_url=live.api_url, trust_env=False) as client:
        client.post("/backends/demo/pause").raise_for_status()
        for number in range(3):
            client.post("/images", json={"prompt": f"A boat, number {number}", "backend": "demo"}).raise_for_status()
        page = visit.open("/queue").page
        expect(page.get_by_text("3 open jobs")).to_be_visible(timeout=PATIENCE_MS)
        page.get_by_role("button", name="Cancel all").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("It cannot be undone")).to_be_visible(timeout=PATIENCE_MS)
        dialog.get_by_role("button", name="Cancel them").click()
        expect(page.get_by_text("3 cancelled.")).to_be_visible(timeout=PATIENCE_MS)
        expect(page.get_by_text("open jobs")).to_have_count(0, timeout=PATIENCE_MS)
        until(lambda: not client.get("/jobs?status=queued").json()["jobs"], "an empty queue")
        client.post("/backends/demo/resume").raise_for_status()
    # By now a minute of waiting is on record.
    expect(page.get_by_role("heading", name="The last hour")).to_be_visible(timeout=PATIENCE_MS)
    assert visit.faults == []


def test_defaults_are_kept_in_the_browser_and_the_form_begins_with_them(visit: Visit) -> None:
    page = visit.open("/settings").page
    count = page.get_by_label("Pictures")
    count.fill("3")
    count.press("Enter")
    expect(page.get_by_text("Kept in this browser only.")).to_be_visible(timeout=PATIENCE_MS)
    page.wait_for_function("(localStorage.getItem('imaging.defaults') || '').includes('3')")
    visit.open("/")
    expect(page.get_by_label("Pictures")).to_have_value("3", timeout=PATIENCE_MS)
    assert visit.faults == []

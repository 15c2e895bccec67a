"""What people do on the page, in a real browser, on the service as `imaging up` starts it without any settings."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, expect

from live_service import PATIENCE_MS, LiveService, Visit, visiting

pytestmark = pytest.mark.browser

PROMPT = "A lighthouse at dusk"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """One service for all: what one test made is history to the next. A short lease, since one of them kills it.

    Steps slow enough that a job is still under way when a busy machine has drawn the page for the next.
    """
    folder: Path = tmp_path_factory.mktemp("live")
    settings = {"IMAGING_DEMO_STEP_S": "0.3", "IMAGING_LEASE_S": "3", "IMAGING_HEARTBEAT_S": "1"}
    with LiveService(folder, **settings) as live:
        yield live


@pytest.mark.essential
def test_a_newcomer_makes_a_picture_and_finds_it_again(visit: Visit) -> None:
    page = visit.open().page

    # Without a key the page opens on the demo, and the other sections say what they miss.
    expect(page.get_by_role("radio", name="Demo")).to_be_checked(timeout=PATIENCE_MS)
    page.get_by_text("Stability AI").first.click()
    expect(page.get_by_text("IMAGING_STABILITY_API_KEY")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_text("Demo", exact=True).first.click()

    visit.generate(PROMPT)
    expect(page.get_by_role("progressbar")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("img", name="Preview of the picture so far")).to_be_visible(timeout=PATIENCE_MS)
    visit.picture(PROMPT)
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.get_by_text("seed")).not_to_have_count(0, timeout=PATIENCE_MS)

    page.reload()
    visit.settle()
    visit.picture(PROMPT)

    page.get_by_role("button", name="Details").click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("finished")).to_be_visible(timeout=PATIENCE_MS)
    expect(page).to_have_url(re.compile(r"[?&]job=[0-9a-f]{32}"), timeout=PATIENCE_MS)
    with page.expect_download(timeout=PATIENCE_MS) as download:
        drawer.get_by_role("button", name="Download").click()
    assert re.fullmatch(r"a-lighthouse-at-dusk-\d+\.png", download.value.suggested_filename)
    assert download.value.path().read_bytes().startswith(b"\x89PNG")
    assert visit.faults == []


def test_on_a_phone_the_button_and_what_became_of_it_are_in_sight_above_the_pages(live: LiveService) -> None:
    with visiting(live.gui_url, width=390, height=844) as visit:
        page, scrolled = visit.open().page, "document.querySelector('[data-testid=stMain]').scrollTop"

        def stands_above_the_pages(found: Locator) -> None:
            found.wait_for()
            foot = page.locator(".st-key-narrow-pages").bounding_box()
            # What lies over it would be hit instead of it.
            found.click(trial=True)
            place = found.bounding_box()
            assert place is not None
            assert foot is not None
            assert place["y"] + place["height"] <= foot["y"]

        expect(page.get_by_role("button", name="Generate")).to_be_visible(timeout=PATIENCE_MS)
        assert page.evaluate(scrolled) == 0
        stands_above_the_pages(page.get_by_role("button", name="Generate"))
        visit.generate("A lighthouse on a phone")
        stands_above_the_pages(page.get_by_role("status").get_by_text("1 picture queued."))
        assert page.evaluate(scrolled) == 0


def test_two_jobs_at_once_while_the_next_prompt_is_typed(visit: Visit, live: LiveService) -> None:
    # However slow this machine is, the first is still open when the second is sent.
    httpx.post(f"{live.api_url}/backends/demo/pause").raise_for_status()
    page = visit.open().page
    expect(page).to_have_title("Imaging", timeout=PATIENCE_MS)
    visit.generate("A pine forest in the mist")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(1, timeout=PATIENCE_MS)
    visit.generate("A desert under the stars")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(2, timeout=PATIENCE_MS)
    expect(page).to_have_title("(2) Imaging", timeout=PATIENCE_MS)

    httpx.post(f"{live.api_url}/backends/demo/resume").raise_for_status()
    visit.prompt.fill("")
    visit.prompt.press_sequentially("A harbour in the morning", delay=50)
    visit.picture("A pine forest in the mist")
    visit.picture("A desert under the stars")
    expect(visit.prompt).to_have_value("A harbour in the morning", timeout=PATIENCE_MS)
    expect(page).to_have_title("Imaging", timeout=PATIENCE_MS)
    assert visit.faults == []


@pytest.mark.essential
def test_the_page_waits_out_a_service_that_is_killed_in_the_middle(visit: Visit, live: LiveService) -> None:
    page = visit.open().page
    visit.generate("A castle on a hill")
    expect(page.get_by_role("progressbar")).to_be_visible(timeout=PATIENCE_MS)
    live.service.kill()
    expect(page.get_by_text("The imaging service is not answering.")).to_be_visible(timeout=PATIENCE_MS)
    expect(visit.prompt).to_have_value("A castle on a hill", timeout=PATIENCE_MS)

    live.start_service()
    expect(page.get_by_text("The imaging service is not answering.")).to_have_count(0, timeout=PATIENCE_MS)
    visit.picture("A castle on a hill")
    assert visit.faults == []

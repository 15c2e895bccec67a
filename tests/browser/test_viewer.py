"""Pictures in full and in the whole window, from one to the next, in a real browser."""

import io
import re
import zipfile
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from entrypoints.client import ImagingClient
from live_service import PATIENCE_MS, LiveService, Visit

pytestmark = pytest.mark.browser

LAKE, CASTLE, HARBOUR = "A quiet lake", "A castle on a hill", "A harbour in the morning"
WHOLE = "See the picture in the whole window"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    with LiveService(tmp_path_factory.mktemp("live"), IMAGING_DEMO_STEP_S="0.01") as live:
        yield live


@pytest.fixture(scope="module")
def made(live: LiveService) -> dict[str, str]:
    """The ids of three jobs by prompt, the newest last: one of them has two pictures, one is an edit."""
    with ImagingClient(live.api_url) as client:
        ids: dict[str, str] = {}
        for prompt, count, width in ((LAKE, 1, 320), (CASTLE, 2, 256)):
            job = client.submit(prompt, count=count, width=width, height=256, steps=2)
            ids[prompt] = client.wait(job.image_id, timeout_s=PATIENCE_MS / 1000).image_id
        edit = client.edit(HARBOUR, ids[LAKE], steps=2)
        ids[HARBOUR] = client.wait(edit.image_id, timeout_s=PATIENCE_MS / 1000).image_id
        return ids


def told(page: Page) -> Locator:
    """What the drawer says of the place of its picture."""
    return page.locator(".st-key-pictures")


def turned_to(page: Page, place: str) -> None:
    """Return once the drawer shows that place, and an arrow key leads on from there: one pressed before is lost."""
    expect(told(page)).to_contain_text(place, timeout=PATIENCE_MS)
    expect(page.locator("dialog.viewer .stage:not(.waits)")).to_have_count(1, timeout=PATIENCE_MS)


def test_arrow_keys_lead_through_the_pictures_of_the_page(visit: Visit, made: dict[str, str]) -> None:
    page = visit.open("/gallery").page
    page.get_by_role("button", name=f"Open finished: {HARBOUR}").click()
    turned_to(page, "1 of 3 on this page")
    expect(page.get_by_role("button", name="Previous")).to_be_disabled(timeout=PATIENCE_MS)

    page.keyboard.press("ArrowRight")
    turned_to(page, "Picture 1 of 2 · 2 of 3 on this page")
    page.keyboard.press("ArrowRight")
    turned_to(page, "Picture 2 of 2")
    expect(page).to_have_url(re.compile(rf"job={made[CASTLE]}&picture=2$"), timeout=PATIENCE_MS)
    page.get_by_role("button", name="Next").click()
    turned_to(page, "3 of 3 on this page")
    page.keyboard.press("ArrowLeft")
    turned_to(page, "Picture 2 of 2")

    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0, timeout=PATIENCE_MS)
    expect(page).to_have_url(visit.url + "/gallery", timeout=PATIENCE_MS)
    assert visit.faults == []


def test_a_picture_fills_the_window_is_zoomed_and_leads_to_the_next(visit: Visit, made: dict[str, str]) -> None:
    page = visit.open(f"/gallery?job={made[LAKE]}").page
    page.get_by_role("button", name=WHOLE).click()
    window = page.locator("dialog.viewer")
    picture, much = window.get_by_role("img"), window.locator(".much")
    expect(picture).to_have_js_property("naturalWidth", 320, timeout=PATIENCE_MS)
    expect(much).to_have_text("200 %", timeout=PATIENCE_MS)
    page.keyboard.press("1")
    expect(much).to_have_text("100 %", timeout=PATIENCE_MS)
    window.get_by_role("button", name="Larger").click()
    expect(much).to_have_text("125 %", timeout=PATIENCE_MS)
    page.mouse.move(400, 400)
    page.mouse.wheel(0, 100)
    expect(much).to_have_text("100 %", timeout=PATIENCE_MS)
    page.keyboard.press("0")
    expect(much).to_have_text("200 %", timeout=PATIENCE_MS)

    page.keyboard.press("ArrowLeft")
    expect(window.locator(".told")).to_have_text("Picture 2 of 2 · 2 of 3 on this page", timeout=PATIENCE_MS)
    expect(picture).to_have_js_property("naturalWidth", 256, timeout=PATIENCE_MS)
    expect(picture).to_have_attribute("alt", f"Picture 2 of 2: {CASTLE}", timeout=PATIENCE_MS)

    # The drawer beneath stays for the first, and goes with the second.
    page.keyboard.press("Escape")
    expect(window).not_to_be_visible(timeout=PATIENCE_MS)
    expect(told(page)).to_contain_text("Picture 2 of 2", timeout=PATIENCE_MS)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0, timeout=PATIENCE_MS)
    assert visit.faults == []


def test_the_arrow_keys_of_an_edit_move_its_slider_and_its_picture_fills_the_window_too(
    visit: Visit, made: dict[str, str]
) -> None:
    page = visit.open(f"/gallery?job={made[HARBOUR]}").page
    slider = page.get_by_role("dialog").get_by_role("slider", name=re.compile("^Before and after"))
    slider.press("ArrowRight")
    expect(slider).to_have_value("51", timeout=PATIENCE_MS)
    expect(told(page)).to_contain_text("1 of 3 on this page", timeout=PATIENCE_MS)
    page.get_by_role("button", name=WHOLE).click()
    expect(page.locator("dialog.viewer").get_by_role("img")).to_have_js_property(
        "naturalWidth", 320, timeout=PATIENCE_MS
    )
    assert visit.faults == []


def test_a_picture_on_create_leads_to_itself_and_all_of_a_job_come_in_one_zip(
    visit: Visit, made: dict[str, str], live: LiveService
) -> None:
    with ImagingClient(live.api_url) as client:
        job = client.submit(CASTLE, count=2, width=256, height=256, steps=2)
        client.wait(job.image_id, timeout_s=PATIENCE_MS / 1000)
    page = visit.open().page
    page.get_by_role("button", name=f"Show in full: Picture 2 of 2: {CASTLE}").click()
    expect(told(page)).to_contain_text("Picture 2 of 2 · 1 of 4 on this page", timeout=PATIENCE_MS)
    expect(page).to_have_url(re.compile(rf"job={job.image_id}&picture=2$"), timeout=PATIENCE_MS)
    with page.expect_download(timeout=PATIENCE_MS) as download:
        page.get_by_role("dialog").get_by_role("button", name="Download all").click()
    assert download.value.suggested_filename == "a-castle-on-a-hill-2-pictures.zip"
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as archive:
        assert len(archive.namelist()) == 2
    with ImagingClient(live.api_url) as client:
        client.delete(job.image_id)
    assert visit.faults == []

"""What people do to pictures that are there: paint a mask and have the part painted anew, compare, and do it again later."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from live_service import PATIENCE_MS, LiveService, Visit

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    with LiveService(tmp_path_factory.mktemp("edits"), IMAGING_DEMO_STEP_S="0.02") as live:
        yield live


@pytest.fixture(scope="module")
def picture(live: LiveService) -> str:
    """A finished picture of 512 x 512 px, by its job's id."""
    answer = httpx.post(
        f"{live.api_url}/images", json={"prompt": "A lighthouse at dusk"}, headers={"prefer": "wait=30"}
    )
    assert answer.status_code == 200, answer.text
    image_id: str = answer.json()["image_id"]
    return image_id


def mask(visit: Visit) -> Locator:
    """Where the mask is painted, once everything around it is there and nothing moves any more."""
    found = visit.page.get_by_label(re.compile("^Mask on the picture"))
    found.wait_for()
    visit.settle()
    # Waits until it stands still, and brings it into sight.
    found.hover(position={"x": 5, "y": 5})
    return found


def newest(live: LiveService) -> str:
    """The id of the newest job."""
    image_id: str = httpx.get(f"{live.api_url}/jobs?limit=1").json()["jobs"][0]["image_id"]
    return image_id


def pixels(url: str) -> Image.Image:
    return Image.open(io.BytesIO(httpx.get(url).raise_for_status().content)).convert("RGB")


def test_a_painted_part_is_painted_anew_and_the_rest_is_kept(visit: Visit, live: LiveService, picture: str) -> None:
    page = visit.open(f"/edit?from={picture}").page
    page.get_by_text("A part", exact=True).click()
    box = mask(visit).bounding_box()
    assert box is not None
    # One stroke along the upper edge, beside which a brush of 64 px on the screen covers a fifth.
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 20, steps=8)
    page.mouse.up()
    expect(page.get_by_text(re.compile(r"^1\d % of the picture is painted anew"))).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label("Undo").click()
    expect(page.get_by_text("Paint over what should change.")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label("Redo").click()
    expect(page.get_by_text(re.compile("% of the picture is painted anew"))).to_be_visible(timeout=PATIENCE_MS)

    visit.prompt.fill("A red hot-air balloon")
    page.get_by_role("button", name="Repaint the part").click()
    slider = page.get_by_role("slider", name=re.compile("^Before and after"))
    slider.wait_for()

    edited = newest(live)
    before, after = (pixels(f"{live.api_url}/image/{image_id}") for image_id in (picture, edited))
    assert before.crop((0, 128, 512, 512)).tobytes() == after.crop((0, 128, 512, 512)).tobytes()
    assert before.crop((64, 8, 448, 48)).tobytes() != after.crop((64, 8, 448, 48)).tobytes()

    slider.focus()
    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "0 % before, 100 % after", timeout=PATIENCE_MS)

    # The same again, from its address alone: a new tab knows nothing of what was painted in this one.
    visit.open(f"/edit?like={edited}")
    expect(page.get_by_text(re.compile(r"^1\d % of the picture is painted anew"))).to_be_visible(timeout=PATIENCE_MS)
    expect(visit.prompt).to_have_value("A red hot-air balloon", timeout=PATIENCE_MS)
    # The page arrives from top to bottom: before the button is there, nothing listens to its keys.
    page.get_by_role("button", name="Repaint the part").wait_for()
    visit.prompt.press("Control+Enter")
    page.get_by_text("1 picture queued.").wait_for(state="attached")
    again = newest(live)
    assert again != edited
    assert httpx.get(f"{live.api_url}/status/{again}?wait=30").json()["status"] == "finished"
    assert pixels(f"{live.api_url}/image/{again}").tobytes() == after.tobytes()
    assert visit.faults == []


def test_a_mask_is_painted_with_the_keyboard_alone(visit: Visit, picture: str) -> None:
    page = visit.open(f"/edit?from={picture}").page
    page.get_by_text("A part", exact=True).click()
    painted = mask(visit)
    painted.focus()
    painted.press(" ")
    for _ in range(3):
        painted.press("Shift+ArrowRight")
    painted.press(" ")
    told = page.get_by_text(re.compile(r"% of the picture is painted anew"))
    expect(told).to_be_visible(timeout=PATIENCE_MS)
    painted.press("Delete")
    expect(told).to_have_count(0, timeout=PATIENCE_MS)
    painted.press("Control+z")
    expect(told).to_be_visible(timeout=PATIENCE_MS)
    covered = told.inner_text()

    # Not sent yet, and still there when the page is loaded anew.
    page.reload()
    page.get_by_text("A part", exact=True).click()
    expect(told).to_have_text(covered, timeout=PATIENCE_MS)
    assert visit.faults == []


def test_a_brought_mask_is_fitted_to_the_picture_and_painted_on(visit: Visit, picture: str, tmp_path: Path) -> None:
    file = tmp_path / "left half.png"
    halves = Image.new("L", (100, 100))
    halves.paste(255, (0, 0, 50, 100))
    halves.save(file)
    page = visit.open(f"/edit?from={picture}").page
    page.get_by_text("A part", exact=True).click()
    painted = mask(visit)
    page.get_by_role("button", name="Mask file").click()
    page.locator('input[type="file"]').first.set_input_files(file)
    half = page.get_by_text("50 % of the picture is painted anew")
    expect(half).to_be_visible(timeout=PATIENCE_MS)
    # The popover keeps the keys to itself until it is closed.
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Eraser").click()
    painted.click()
    expect(half).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.get_by_text("% of the picture is painted anew")).to_be_visible(timeout=PATIENCE_MS)
    assert visit.faults == []


def test_a_brought_picture_is_enlarged(visit: Visit, live: LiveService, tmp_path: Path) -> None:
    file = tmp_path / "a barn.jpg"
    Image.new("RGB", (96, 64), (180, 40, 30)).save(file, "JPEG")
    page = visit.open("/edit").page
    page.locator('input[type="file"]').first.set_input_files(file)
    page.get_by_text("Enlarge", exact=True).click()
    expect(page.get_by_text("From 96 × 64 px to about 192 × 128 px.")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Enlarge").click()
    page.get_by_text("1 picture queued.").wait_for(state="attached")
    made = httpx.get(f"{live.api_url}/status/{newest(live)}?wait=30").json()
    assert (made["images"][0]["width"], made["images"][0]["height"]) == (192, 128)
    assert visit.faults == []

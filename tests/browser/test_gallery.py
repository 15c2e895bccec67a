"""Finding, keeping and clearing away pictures in a real browser, on the service as `imaging up` starts it."""

import zipfile
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from entrypoints.client import ApiError, ImagingClient
from live_service import PATIENCE_MS, LiveService, Visit

pytestmark = pytest.mark.browser

LAKE, DUNES, CASTLE, HARBOUR = "A quiet lake", "A desert under the stars", "A castle on a hill", "A harbour and a lake"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    with LiveService(tmp_path_factory.mktemp("live"), IMAGING_DEMO_STEP_S="0.01") as live:
        yield live


@pytest.fixture
def client(live: LiveService) -> Iterator[ImagingClient]:
    with ImagingClient(live.api_url) as client:
        yield client


@pytest.fixture
def made(client: ImagingClient) -> dict[str, str]:
    """The ids of four finished jobs by prompt; nothing else is there."""
    for old in client.every_job():
        client.delete(old.image_id)
    prompts = {LAKE: 1, DUNES: 1, CASTLE: 2, HARBOUR: 1}
    ids = {
        prompt: client.submit(prompt, count=count, width=256, height=256, steps=2).image_id
        for prompt, count in prompts.items()
    }
    for image_id in ids.values():
        client.wait(image_id, timeout_s=PATIENCE_MS / 1000)
    return ids


def shows(visit: Visit, *prompts: str) -> None:
    """Wait until the gallery has these pictures and no others, in this order."""
    expect(visit.page.locator('[class*="st-key-tile-gallery-"] .tile-line:first-child')).to_have_text(
        list(prompts), timeout=PATIENCE_MS
    )


def opened(visit: Visit, prompt: str) -> Locator:
    """The drawer of that picture, opened by keyboard."""
    tile = visit.page.get_by_role("button", name=f"Open finished: {prompt}")
    tile.focus()
    tile.press("Enter")
    drawer = visit.page.get_by_role("dialog")
    drawer.get_by_role("button", name="Download", exact=True).wait_for()
    return drawer


def close(visit: Visit) -> None:
    """Put the drawer away."""
    visit.page.keyboard.press("Escape")
    expect(visit.page.get_by_role("dialog")).to_have_count(0, timeout=PATIENCE_MS)


def pick(visit: Visit, *prompts: str) -> None:
    """Pick these pictures by keyboard, so that what the buttons do is done to all of them."""
    visit.page.get_by_text("Pick several").click()
    for prompt in prompts:
        box = visit.page.get_by_role("checkbox", name=f"Pick {prompt}")
        box.focus()
        box.press("Space")
        expect(box).to_be_checked(timeout=PATIENCE_MS)
    visit.page.get_by_text(f"{len(prompts)} picked").wait_for()
    # The buttons are drawn after the number, and until then they stand for what was picked before.
    visit.settle()


@pytest.mark.essential
def test_pictures_are_found_marked_taken_along_and_deleted(
    visit: Visit, made: dict[str, str], client: ImagingClient
) -> None:
    page = visit.open("/gallery").page
    shows(visit, HARBOUR, CASTLE, DUNES, LAKE)

    search = page.get_by_label("Search in prompts")
    search.fill("LAKE")
    search.press("Enter")
    shows(visit, HARBOUR, LAKE)
    assert "lake" not in page.url.lower()
    page.get_by_role("button", name="Show everything").click()
    shows(visit, HARBOUR, CASTLE, DUNES, LAKE)

    opened(visit, DUNES).get_by_role("button", name="Add to favourites").click()
    page.get_by_role("button", name="Remove from favourites").wait_for()
    close(visit)
    page.get_by_text("Favourites", exact=True).click()
    shows(visit, f"★ {DUNES}")
    expect(page).to_have_url(visit.url + "/gallery?favourites=1", timeout=PATIENCE_MS)
    page.reload()
    shows(visit, f"★ {DUNES}")
    page.get_by_text("Favourites", exact=True).click()
    shows(visit, HARBOUR, CASTLE, f"★ {DUNES}", LAKE)

    pick(visit, CASTLE, LAKE)
    with page.expect_download(timeout=PATIENCE_MS) as download:
        page.get_by_role("button", name="Download zip").click()
    jobs = [client.job(made[prompt]) for prompt in (CASTLE, LAKE)]
    with zipfile.ZipFile(download.value.path()) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    seeds = [image.seed for job in jobs for image in job.images]
    assert list(held) == [
        f"a-castle-on-a-hill-{seeds[0]}-1.png",
        f"a-castle-on-a-hill-{seeds[1]}-2.png",
        f"a-quiet-lake-{seeds[2]}.png",
    ]
    assert list(held.values()) == [client.image(j.image_id, i.index).data for j in jobs for i in j.images]

    page.get_by_role("button", name="Delete").click()
    page.get_by_text("2 jobs with 3 pictures will be removed for good.").wait_for()
    page.get_by_role("button", name="Delete 2 jobs for good").click()
    shows(visit, HARBOUR, f"★ {DUNES}")
    with pytest.raises(ApiError) as gone:
        client.job(made[CASTLE])
    assert gone.value.status == 410
    assert visit.faults == []


def test_a_click_right_after_the_closing_does_not_open_the_drawer_again(visit: Visit, made: dict[str, str]) -> None:
    page = visit.open("/gallery").page
    opened(visit, DUNES)
    expect(page).to_have_url(f"{visit.url}/gallery?job={made[DUNES]}", timeout=PATIENCE_MS)
    # In one go in the browser: whatever hands can do between the closing and the new address is slower than this.
    page.evaluate(
        """async job => {
            document.querySelector('[role="dialog"] button[aria-label="Close"]').click()
            while (location.search.includes(job)) await new Promise(requestAnimationFrame)
            history.replaceState(null, '', '/gallery?job=' + job)
            for (const label of document.querySelectorAll('[data-testid="stMain"] label'))
                if (label.textContent === 'Favourites') label.querySelector('input').click()
        }""",
        made[DUNES],
    )
    page.get_by_text("Nothing found", exact=True).wait_for()
    expect(page).to_have_url(visit.url + "/gallery?favourites=1", timeout=PATIENCE_MS)
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert visit.faults == []


def test_a_link_leads_to_one_picture_of_a_job_and_from_there_to_more(
    visit: Visit, made: dict[str, str], client: ImagingClient
) -> None:
    page = visit.open(f"/gallery?job={made[CASTLE]}&picture=2").page
    drawer = page.get_by_role("dialog")
    drawer.get_by_text("Picture 2 of 2").wait_for()
    drawer.get_by_role("button", name="Previous").press("Enter")
    drawer.get_by_text("Picture 1 of 2").wait_for()
    # The buttons are drawn after the number, and until then they stand for the other picture.
    visit.settle()

    drawer.get_by_role("button", name="Other format").click()
    with page.expect_download(timeout=PATIENCE_MS) as download:
        page.get_by_role("button", name="Download WebP").click()
    assert download.value.suggested_filename.endswith("-1.webp")
    assert download.value.path().read_bytes()[8:12] == b"WEBP"
    page.keyboard.press("Escape")
    drawer.get_by_role("button", name="Link").click()
    expect(page.get_by_text(f"/gallery?job={made[CASTLE]}", exact=False)).to_be_visible(timeout=PATIENCE_MS)
    page.keyboard.press("Escape")

    drawer.get_by_role("button", name="Variations").click()
    page.get_by_label("How many").fill("2")
    page.get_by_label("How many").press("Enter")
    page.get_by_role("button", name="Make 2 pictures").click()
    page.get_by_text("2 pictures queued.").wait_for()
    newest = client.jobs(limit=1).jobs[0]
    assert newest.request is not None
    assert (newest.request.prompt, newest.request.width, newest.count) == (CASTLE, 256, 2)
    assert newest.seed != client.job(made[CASTLE]).seed
    page.keyboard.press("Escape")

    drawer.get_by_role("button", name="Use as starting picture").click()
    page.wait_for_url(f"**/edit?from={made[CASTLE]}", timeout=PATIENCE_MS)
    expect(page.get_by_role("dialog")).to_have_count(0, timeout=PATIENCE_MS)
    assert visit.faults == []

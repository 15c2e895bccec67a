"""How jobs end that do not end well, and what is done with settings, in a real browser with the provider's double behind the service."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from fakes.stability import launch
from live_service import PATIENCE_MS, LiveService, Visit

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """Stability AI's double, and the demo at a pace that leaves time to press Cancel."""
    with launch(rate_limit=False) as stability:
        settings = {
            "IMAGING_STABILITY_API_KEY": "sk-a-key-for-tests-0123456789",
            "IMAGING_STABILITY_BASE_URL": stability.url,
            "IMAGING_DEMO": "1",
            "IMAGING_DEMO_STEP_S": "0.5",
        }
        with LiveService(tmp_path_factory.mktemp("outcomes"), **settings) as live:
            yield live


def test_a_refused_and_a_filtered_job_say_what_happened_what_to_do_and_what_it_cost(visit: Visit) -> None:
    page = visit.open().page
    visit.generate("A hill [moderated]")
    expect(page.get_by_text("Rephrase the prompt: the provider refuses it. Nothing was charged.")).to_be_visible(
        timeout=PATIENCE_MS
    )
    visit.generate("A hill [filtered]")
    filtered = page.get_by_text("The provider filtered the picture. Rephrase the prompt or try another seed.")
    expect(filtered).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("This attempt was charged.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=PATIENCE_MS)

    # The way on is beneath it: the same settings on the form, to be changed.
    visit.prompt.fill("")
    page.get_by_role("button", name="Change the settings").first.click()
    expect(visit.prompt).to_have_value("A hill [filtered]", timeout=PATIENCE_MS)
    visit.generate("A hill")
    visit.picture("A hill")
    assert visit.faults == []


def test_a_job_under_way_is_cancelled(visit: Visit) -> None:
    page = visit.open("/?section=demo").page
    visit.generate("A castle on a hill")
    expect(page.get_by_role("progressbar")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=PATIENCE_MS)
    assert visit.faults == []


def test_settings_are_used_again_from_a_link_that_holds_no_prompt(visit: Visit) -> None:
    page = visit.open().page
    page.get_by_text("16:9", exact=True).click()
    page.get_by_text("Keep the seed").click()
    page.get_by_label("Seed", exact=True).fill("77")
    page.get_by_label("Seed", exact=True).press("Enter")
    visit.settle()
    visit.generate("A red barn in the fog")
    visit.picture("A red barn in the fog")
    page.get_by_role("button", name="Use these settings").click()
    page.wait_for_url("**like=*")
    link = page.url
    assert "barn" not in link

    # Loaded anew, the page knows nothing but its address.
    page.goto(link)
    expect(visit.prompt).to_have_value("A red barn in the fog", timeout=PATIENCE_MS)
    expect(page.get_by_role("radio", name="16:9")).to_be_checked(timeout=PATIENCE_MS)
    expect(page.get_by_label("Seed", exact=True)).to_have_value("77", timeout=PATIENCE_MS)
    assert visit.faults == []


def test_words_that_were_not_sent_outlive_a_reload_in_that_tab_alone(visit: Visit, live: LiveService) -> None:
    page = visit.open().page
    page.get_by_role("button", name="Generate").wait_for()
    visit.prompt.fill("A lake that I thought about for long")
    page.get_by_label("Negative prompt").fill("people")
    # Still in the field: nothing has told the page's server yet.
    page.get_by_label("Negative prompt").press_sequentially(", boats")

    page.reload()

    expect(visit.prompt).to_have_value("A lake that I thought about for long", timeout=PATIENCE_MS)
    expect(page.get_by_label("Negative prompt")).to_have_value("people, boats", timeout=PATIENCE_MS)
    other = page.context.new_page()
    other.goto(live.gui_url)
    other.get_by_role("button", name="Generate").wait_for(timeout=PATIENCE_MS)
    expect(other.get_by_label("Prompt", exact=True)).to_have_value("", timeout=PATIENCE_MS)
    assert "lake" not in page.url
    assert visit.faults == []

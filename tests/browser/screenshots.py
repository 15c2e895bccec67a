"""Makes the pictures of the page that the documentation shows: `python tests/browser/screenshots.py [folder]`.

May import the standard library, Playwright and the neighbouring modules that start the service and the browser.
"""

import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from live_service import LiveService, Visit, visiting

FOLDER = Path(__file__).parents[2] / "docs" / "images"

#: What the gallery is filled with: prompt and shape.
SHOWN = (
    ("Snowy mountains at sunset, a frozen lake", "1:1"),
    ("A quiet mountain lake at sunrise, mist over the water, pine forest", "3:2"),
    ("A desert under the stars, dunes, a crescent moon", "16:9"),
    ("A harbour town in the morning, sailing boats", "3:2"),
    ("A neon-lit city street in the rain, reflections", "1:1"),
    ("A field of poppies in spring, a lone tree, white clouds", "3:2"),
    ("A castle on a hill in autumn, golden hour", "2:3"),
    ("Northern lights over a snowy forest", "16:9"),
    ("A tropical island, palm trees, a sailing boat", "1:1"),
    ("A lighthouse on a cliff at dusk, storm clouds, warm light", "3:2"),
)


def main() -> None:
    """Start the service, fill it, and take the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, LiveService(Path(data), IMAGING_DEMO_STEP_S="0.2") as live:
        with visiting(live.gui_url, height=900) as visit:
            for prompt, shape in SHOWN:
                make(visit, prompt, shape)
        with visiting(live.gui_url, height=960) as visit:
            under_way(visit)
            shoot(visit, folder / "create.png")
        for name, dark, width in (("light", False, 1360), ("dark", True, 1360), ("phone", False, 390)):
            with visiting(live.gui_url, dark=dark, width=width, height=844 if width < 600 else 900) as visit:
                pages(visit, folder, name)


def make(visit: Visit, prompt: str, shape: str) -> None:
    """One picture, to its end."""
    visit.open()
    visit.page.get_by_role("radio", name=shape, exact=False).first.wait_for(state="attached")
    visit.page.get_by_text(shape, exact=True).click()
    visit.settle()
    visit.generate(prompt)
    visit.picture(prompt)


def under_way(visit: Visit) -> None:
    """A job that can be watched, some way on, above what came of the one before."""
    visit.open()
    visit.generate("A river through a forest in autumn, morning mist, birds")
    visit.page.get_by_text(re.compile(r"step 1[3-9] of 20")).first.wait_for()


def pages(visit: Visit, folder: Path, name: str) -> None:
    """Every page in one look: its newest picture, the gallery, one picture in full, the backends."""
    visit.open()
    visit.picture("A river through a forest")
    shoot(visit, folder / f"finished-{name}.png")
    visit.open("/gallery")
    visit.page.get_by_role("img", name="Picture: A tropical").wait_for()
    shoot(visit, folder / f"gallery-{name}.png")
    visit.page.get_by_role("button", name="Open finished: A tropical").click()
    visit.page.get_by_role("dialog").get_by_role("button", name="Download").wait_for()
    shoot(visit, folder / f"details-{name}.png")
    edit(visit)
    shoot(visit, folder / f"edit-{name}.png")
    visit.open("/queue")
    visit.page.get_by_text("Workers", exact=True).wait_for()
    shoot(visit, folder / f"queue-{name}.png")
    visit.open("/settings")
    visit.page.get_by_text("answers").first.wait_for()
    shoot(visit, folder / f"backends-{name}.png")


def edit(visit: Visit) -> None:
    """The sky of a picture under a mask, beside what came of it."""
    page = visit.open("/edit").page
    page.get_by_role("button", name="Edit: A quiet mountain lake").click()
    page.get_by_text("A part", exact=True).click()
    mask = page.get_by_label(re.compile("^Mask on the picture"))
    mask.scroll_into_view_if_needed()
    box = mask.bounding_box()
    assert box is not None
    for share in (0.1, 0.26):
        page.mouse.move(box["x"] + box["width"] * 0.08, box["y"] + box["height"] * share)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.92, box["y"] + box["height"] * share, steps=6)
        page.mouse.up()
    page.get_by_text("% of the picture is painted anew").wait_for()
    visit.prompt.fill("Northern lights over pine forest")
    page.get_by_role("button", name="Repaint the part").click()
    page.get_by_role("slider", name=re.compile("^Before and after")).wait_for()
    visit.page.evaluate("scrollTo(0, 0)")


def shoot(visit: Visit, path: Path) -> None:
    """Take it once every picture on the page is there."""
    visit.page.wait_for_function("[...document.images].every(image => image.complete)")
    visit.page.screenshot(path=path, animations="disabled")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()

"""Takes pictures of every page, light and dark, on a desk and on a phone: `python tests/browser/screenshots.py FOLDER [DOCS]`.

All of them go to FOLDER; with DOCS, those that the documentation shows go there too, made small. Fails when a browser's
console has an error. May import the standard library, Playwright, Pillow, the client and the neighbouring modules.
"""

import io
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import attrs
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from entrypoints.client import ImagingClient
from live_service import LiveService, Visit, visiting

#: What the gallery is filled with: prompt, width and height in px.
SHOWN = (
    ("Snowy mountains at sunset, a frozen lake", 512, 512),
    ("A quiet mountain lake at sunrise, mist over the water, pine forest", 640, 448),
    ("A desert under the stars, dunes, a crescent moon", 704, 384),
    ("A harbour town in the morning, sailing boats", 640, 448),
    ("A neon-lit city street in the rain, reflections", 512, 512),
    ("A field of poppies in spring, a lone tree, white clouds", 640, 448),
    ("A castle on a hill in autumn, golden hour", 448, 640),
    ("Northern lights over a snowy forest", 704, 384),
    ("A tropical island, palm trees, a sailing boat", 512, 512),
    ("A lighthouse on a cliff at dusk, storm clouds, warm light", 640, 448),
)
FAVOURITES = ("Northern lights", "A castle", "A lighthouse")
EDITED, LIVE = "A castle on a hill under a full moon", "A river through a forest in autumn, morning mist, birds"

#: Windows: name, width and height in px, dark or light.
WINDOWS = (
    ("light", 1360, 900, False),
    ("dark", 1360, 900, True),
    ("phone-light", 390, 844, False),
    ("phone-dark", 390, 844, True),
)

#: What the documentation shows, and the longest side it is shown with, in px.
DOCS = {
    "create-light": 1200,
    "gallery-light": 1200,
    "details-dark": 1200,
    "edit-light": 1200,
    "picking-dark": 1200,
    "gallery-phone-dark": 844,
    "create-phone-light": 844,
}
#: Largest of them, in bytes.
MOST_BYTES = 250_000


@attrs.frozen
class Filled:
    """What there is to look at."""

    several: str
    edited: str


def main() -> None:
    """Start the service, fill it, and take the pictures."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, LiveService(Path(data), IMAGING_DEMO_STEP_S="0.15") as live:
        everywhere(live, folder, empty)
        filled = fill(live)
        everywhere(live, folder, lambda visit, shoot: pages(visit, shoot, live, filled))
        live.service.kill()
        everywhere(live, folder, away, faults=False)
    if len(sys.argv) > 2:
        for name, longest in DOCS.items():
            if (source := folder / f"{name}.png").exists():
                slim(source, Path(sys.argv[2]) / f"{name}.png", longest)


Shoot = Callable[[str], None]


def everywhere(live: LiveService, folder: Path, look: Callable[[Visit, Shoot], None], *, faults: bool = True) -> None:
    """Look at the same things in every window."""
    for name, width, height, dark in WINDOWS:
        with visiting(live.gui_url, dark=dark, width=width, height=height) as visit:
            look(visit, lambda what, visit=visit, name=name: shoot(visit, folder / f"{what}-{name}.png"))  # type: ignore[misc]
            assert not (faults and visit.faults), visit.faults


def fill(live: LiveService) -> Filled:
    """Pictures, favourites among them, one job of several and an edit."""
    with ImagingClient(live.api_url) as client:
        ids = {}
        for number, (prompt, width, height) in enumerate(SHOWN):
            count = 3 if number == len(SHOWN) - 1 else 1
            job = client.submit(prompt, width=width, height=height, count=count, seed=4711 + number)
            ids[prompt] = client.wait(job.image_id).image_id
            if prompt.startswith(FAVOURITES):
                client.mark(job.image_id, favourite=True)
        castle = next(image_id for prompt, image_id in ids.items() if prompt.startswith("A castle"))
        edited = client.wait(client.edit(EDITED, castle, strength=0.8, seed=7).image_id)
        # The newest is what Create shows in full.
        client.wait(client.submit("A lighthouse by the sea, seagulls, morning", width=640, height=448, seed=3).image_id)
        return Filled(several=list(ids.values())[-1], edited=edited.image_id)


def empty(visit: Visit, shoot: Shoot) -> None:
    """What a newcomer sees."""
    visit.open()
    visit.page.get_by_text("Your pictures appear here").wait_for()
    shoot("create-empty")
    visit.open("/gallery")
    visit.page.get_by_text("No pictures yet").wait_for()
    shoot("gallery-empty")


def pages(visit: Visit, shoot: Shoot, live: LiveService, filled: Filled) -> None:
    """Every page at its work."""
    page = visit.page
    create(visit, shoot, live)
    visit.open("/gallery")
    page.get_by_role("img", name="Picture: A tropical").wait_for()
    shoot("gallery")
    page.get_by_role("button", name="Filters").click()
    page.get_by_text("Cancelled", exact=True).wait_for()
    shoot("filters")
    page.keyboard.press("Escape")
    page.get_by_text("Pick several").click()
    for prompt in ("A castle", "Northern lights"):
        page.get_by_role("checkbox", name=f"Pick {prompt}").last.press("Space")
    page.get_by_text("2 picked").wait_for()
    shoot("picking")
    visit.open(f"/gallery?job={filled.several}&picture=2")
    page.get_by_text("Picture 2 of 3").wait_for()
    shoot("details")
    page.get_by_role("dialog").get_by_role("button", name="Variations").click()
    page.get_by_role("button", name="Make 4 pictures").wait_for()
    shoot("variations")
    visit.open(f"/gallery?job={filled.edited}")
    page.get_by_role("slider", name=re.compile("^Before and after")).wait_for()
    shoot("details-edit")
    edit(visit, shoot, live)
    for name, sign in (("queue", "Workers"), ("settings", "answers")):
        visit.open(f"/{name}")
        page.get_by_text(sign).first.wait_for()
        visit.settle()
        shoot(name)


def create(visit: Visit, shoot: Shoot, live: LiveService) -> None:
    """A job that can be watched, some way on, above what came of the one before."""
    visit.open()
    visit.picture("A lighthouse by the sea")
    with ImagingClient(live.api_url) as client:
        visit.prompt.fill(LIVE)
        job = client.submit(LIVE, width=640, height=448, seed=11, steps=60)
        visit.page.get_by_text(re.compile(r"step (2[5-9]|[34]\d) of 60")).first.wait_for()
        shoot("create")
        client.cancel(job.image_id)
        client.wait(job.image_id)
        client.delete(job.image_id)


def edit(visit: Visit, shoot: Shoot, live: LiveService) -> None:
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
    page.evaluate("[document.querySelector('.stColumn'), window].forEach(one => one.scrollTo(0, 0))")
    shoot("edit")
    with ImagingClient(live.api_url) as client:
        client.delete(client.jobs(limit=1).jobs[0].image_id)


def away(visit: Visit, shoot: Shoot) -> None:
    """What is there to see while the service is not."""
    visit.open("/gallery")
    visit.page.get_by_text("The imaging service is not answering.").wait_for()
    shoot("away")


def shoot(visit: Visit, path: Path) -> None:
    """Take it once every picture on the page is there."""
    visit.page.wait_for_function(
        "!document.querySelector('[data-testid=stSkeleton]') && [...document.images].every(image => image.complete)"
    )
    visit.page.screenshot(path=path, animations="disabled")
    sys.stdout.write(f"{path}\n")


def slim(source: Path, target: Path, longest: int) -> None:
    """A copy with few enough colours to be small, and no longer than that on any side, in px."""
    with Image.open(source) as taken:
        copy = taken.convert("RGB")
    copy.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    for colours in (256, 192, 128, 96, 64, 48):
        file = io.BytesIO()
        copy.quantize(colours, method=Image.Quantize.MEDIANCUT).save(file, "PNG", optimize=True)
        if file.tell() <= MOST_BYTES:
            target.write_bytes(file.getvalue())
            sys.stdout.write(f"{target}: {file.tell()} bytes, {colours} colours\n")
            return
    raise AssertionError(f"{source} stays larger than {MOST_BYTES} bytes with {colours} colours")


if __name__ == "__main__":
    main()

"""The logic of the page for edits in Streamlit's own test runner, against the real API with the demo on a real port."""

import base64
import io
from collections.abc import Callable, Iterator

import attrs
import httpx
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from adapters.demo import DemoGenerator
from api_setting import RunningApi, ended, submit
from contracts.picture_work import file_of, right_half
from entrypoints.client import ImagingClient
from entrypoints.gui import remote
from page_reading import PATIENCE_S, button, seen, text_of

MASK = file_of(right_half(64, 64))


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    with RunningApi(DemoGenerator(step_s=0)).serving() as api:
        yield api
        api.release()


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


@pytest.fixture
def picture(client: httpx.Client) -> str:
    """The id of a finished job of 64 x 64 px."""
    image_id = submit(client, backend="demo", prompt="a red barn", width=64, height=64, steps=2)
    assert ended(client, image_id)["status"] == "finished"
    return image_id


def edit_page() -> None:
    """The page alone: the test runner cannot turn to a page that is a function."""
    from entrypoints.gui.views import edit

    edit.page()


def drawer_page() -> None:
    """The drawer alone."""
    from entrypoints.gui.components import drawer

    drawer.show_named()


@pytest.fixture
def visit(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    monkeypatch.setenv("IMAGING_API_URL", api.url)

    def visit(script: Callable[[], None] = edit_page, **query: str) -> AppTest:
        page = AppTest.from_function(script, default_timeout=PATIENCE_S)
        for name, value in query.items():
            page.query_params[name] = value
        return seen(page.run())

    yield visit
    remote.client().close()
    st.cache_resource.clear()
    st.cache_data.clear()


def newest(client: httpx.Client) -> dict[str, object]:
    """What the newest job asked for, once it has ended."""
    image_id = client.get("/jobs?limit=1").json()["jobs"][0]["image_id"]
    ended(client, image_id)
    asked: dict[str, object] = client.get(f"/jobs/{image_id}").json()["request"]
    return asked


def told(page: AppTest) -> list[str]:
    """What is said to be wrong, beside which field."""
    return [h.value for h in page.html if 'class="problem' in h.value]


def test_without_a_picture_it_asks_for_one_and_offers_those_made_here(
    visit: Callable[..., AppTest], picture: str
) -> None:
    page = visit()
    assert "Which picture?" in text_of(page)
    assert not [b for b in page.button if b.label == "Repaint"]
    seen(page.button(key=f"open-pick-{picture}").click().run())
    assert page.query_params["from"] == picture
    assert page.text_area(key="edit.prompt").value == "a red barn"
    assert button(page, "Repaint")


def test_a_link_leads_to_the_picture_and_it_is_repainted(
    visit: Callable[..., AppTest], picture: str, client: httpx.Client
) -> None:
    page = visit(**{"from": picture})
    assert "64 × 64 px" in text_of(page)
    page.text_area(key="edit.prompt").set_value("a red barn in winter")
    page.slider(key="demo/whole.strength").set_value(0.4)
    seen(button(page, "Repaint").click().run())
    asked = newest(client)
    assert (asked["operation"], asked["prompt"], asked["strength"]) == ("edit", "a red barn in winter", 0.4)
    assert asked["mask"] is None
    assert "1 picture queued." in text_of(page)


def test_a_backend_that_an_operator_has_stopped_is_said_above_the_form(
    visit: Callable[..., AppTest], picture: str, client: httpx.Client
) -> None:
    client.post("/backends/demo/pause", json={"reason": "New drivers"}).raise_for_status()
    try:
        page = visit(**{"from": picture})
        assert [w.value for w in page.warning if "An operator has paused this backend" in w.value]
    finally:
        client.post("/backends/demo/resume").raise_for_status()


def test_a_part_needs_a_mask_and_says_so_beside_the_picture(
    visit: Callable[..., AppTest], picture: str, client: httpx.Client
) -> None:
    page = visit(**{"from": picture})
    page.segmented_control(key="edit.mode").set_value("part")
    seen(page.run())
    seen(button(page, "Repaint the part").click().run())
    assert '<p class="problem" role="alert">Paint over what should change, or bring a mask.</p>' in told(page)

    page.session_state["edit.mask"] = (f"{picture}-0", "data:image/png;base64," + base64.b64encode(MASK).decode())
    seen(button(page, "Repaint the part").click().run())
    assert told(page) == []
    assert newest(client)["mask"] is not None


def test_a_mask_of_another_picture_is_not_used(visit: Callable[..., AppTest], picture: str) -> None:
    page = visit(**{"from": picture})
    page.session_state["edit.mask"] = ("another-0", "data:image/png;base64," + base64.b64encode(MASK).decode())
    page.segmented_control(key="edit.mode").set_value("part")
    seen(page.run())
    seen(button(page, "Repaint the part").click().run())
    assert len(told(page)) == 2


def test_it_says_how_large_an_enlargement_becomes_and_asks_for_it(
    visit: Callable[..., AppTest], picture: str, client: httpx.Client
) -> None:
    page = visit(**{"from": picture})
    page.segmented_control(key="edit.mode").set_value("enlarge")
    seen(page.run())
    page.slider(key="demo/enlarge.scale").set_value(3.0)
    seen(page.run())
    assert "From 64 × 64 px to about 192 × 192 px." in text_of(page)
    seen(button(page, "Enlarge").click().run())
    asked = newest(client)
    assert (asked["operation"], asked["options"]) == ("upscale", {"output_format": "png", "scale": 3.0})


def test_a_brought_picture_is_edited_and_its_settings_can_be_used(
    visit: Callable[..., AppTest], picture: str, client: httpx.Client
) -> None:
    page = visit()
    page.file_uploader(key="edit.sent").upload("barn.png", client.get(f"/image/{picture}").content, "image/png")
    seen(page.run())
    assert "The file says how it was made." in text_of(page)
    assert page.text_area(key="edit.prompt").value == "a red barn"
    seen(button(page, "Repaint").click().run())
    assert newest(client)["operation"] == "edit"
    seen(button(page, "Make it again").click().run())
    assert page.session_state["prompt"] == "a red barn"
    assert page.session_state["go_to"] == ("create", {})


def test_what_is_no_picture_is_told_beside_where_it_was_dropped(visit: Callable[..., AppTest]) -> None:
    page = visit()
    page.file_uploader(key="edit.sent").upload("page.png", b"<html>", "image/png")
    seen(page.run())
    assert told(page) == [
        '<p class="problem" role="alert">The picture must be a PNG, JPEG or WebP file; by its first bytes it is none of them.</p>'
    ]


def test_what_the_backend_cannot_take_is_told_beside_the_picture(visit: Callable[..., AppTest]) -> None:
    page = visit()
    page.session_state["edit.mode"] = "enlarge"
    page.file_uploader(key="edit.sent").upload("large.png", _file(3000, 3000), "image/png")
    seen(page.run())
    page.slider(key="demo/enlarge.scale").set_value(8.0)
    seen(page.run())
    seen(button(page, "Enlarge").click().run())
    assert "must be at most" in told(page)[0].lower()


def test_an_earlier_edit_is_taken_over_with_its_picture_and_its_mask(
    visit: Callable[..., AppTest], picture: str, client: httpx.Client
) -> None:
    mask = base64.b64encode(MASK).decode()
    fields = {"image_id": picture, "mask": mask, "prompt": "a pond", "backend": "demo", "strength": 0.35, "steps": 2}
    image_id = client.post("/images/edits", json=fields).json()["image_id"]
    ended(client, image_id)
    page = visit(like=image_id)
    assert page.segmented_control(key="edit.mode").value == "part"
    assert page.slider(key="demo/part.strength").value == 0.35
    assert page.text_area(key="edit.prompt").value == "a pond"
    brought = page.session_state["edit.mask.brought"]
    assert brought[0] == f"{image_id}-input"
    assert base64.b64decode(brought[1].partition(",")[2]).startswith(b"\x89PNG")


def test_a_picture_that_is_gone_is_said_and_another_is_asked_for(
    visit: Callable[..., AppTest], picture: str, client: httpx.Client
) -> None:
    assert client.delete(f"/jobs/{picture}").status_code == 204
    page = visit(**{"from": picture})
    assert "may have been deleted" in told(page)[0]
    assert "Which picture?" in text_of(page)
    assert "from" not in page.query_params


def _file(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()


def test_variations_of_an_edit_begin_with_the_same_picture_and_mask(
    visit: Callable[..., AppTest], client: httpx.Client, picture: str
) -> None:
    with ImagingClient(str(client.base_url)) as asking:
        first = asking.edit("a blue barn", picture, mask=MASK, backend="demo", strength=0.5, seed=5).image_id
        assert asking.wait(first).status == "finished"
        page = visit(drawer_page, job=first)
        page.number_input(key=f"variations-{first}").set_value(2)
        seen(page.run())
        seen(button(page, "Make 2 pictures").click().run())
        again = asking.job(asking.jobs(limit=1).jobs[0].image_id)
        before = asking.job(first)
        assert again.request is not None
        assert before.request is not None
        assert (again.request.strength, again.count) == (0.5, 2)
        assert attrs.evolve(again.request, seed=5, count=1, init_image=None, mask=None) == attrs.evolve(
            before.request, init_image=None, mask=None
        )
        assert again.seed != 5
        assert [asking.input_image(again.image_id, "image").data, asking.input_image(again.image_id, "mask").data] == [
            asking.input_image(first, "image").data,
            asking.input_image(first, "mask").data,
        ]
        assert asking.wait(again.image_id).status == "finished"

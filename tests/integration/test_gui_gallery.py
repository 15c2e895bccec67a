"""The gallery and the drawer in Streamlit's own test runner, against the real API on a real port."""

from collections.abc import Iterator

import httpx
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from api_setting import RunningApi, ended, submit
from entrypoints.gui import remote
from imaging_core.jobs import JobStatus
from page_reading import PATIENCE_S, button, seen, text_of


@pytest.fixture(scope="module")
def running() -> Iterator[RunningApi]:
    with RunningApi().serving() as api:
        yield api
        api.release()


@pytest.fixture
def client(running: RunningApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """What asks the API directly; no job is left of the test before."""
    monkeypatch.setenv("IMAGING_API_URL", running.url)
    with running.client() as client:
        for job in client.get("/jobs?limit=200").json()["jobs"]:
            assert client.delete(f"/jobs/{job['image_id']}").status_code == 204
        yield client
    remote.client().close()
    st.cache_resource.clear()
    st.cache_data.clear()


def gallery_page() -> None:
    """The gallery alone: the test runner cannot turn to a page that is a function."""
    from entrypoints.gui.views import gallery

    gallery.page()


def drawer_page() -> None:
    """The drawer alone."""
    from entrypoints.gui.components import drawer

    drawer.show_named()


def opened(script: object = gallery_page, **query: str) -> AppTest:
    """A page without the navigation around it."""
    page = AppTest.from_function(script, default_timeout=PATIENCE_S)  # type: ignore[arg-type]
    page.query_params.update(query)
    return seen(page.run())


def made(client: httpx.Client, prompt: str, **more: object) -> str:
    """The id of a finished job."""
    image_id = submit(client, "/local/images" if more.pop("local", False) else "/images", prompt=prompt, **more)
    assert ended(client, image_id)["status"] == "finished"
    return image_id


def shown(page: AppTest) -> list[str]:
    """The prompts of the pictures, in order."""
    return [image.proto.imgs[0].alt.removeprefix("Picture: ") for image in page.image]


def test_it_pages_through_everything_newest_first(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrypoints.gui.views.gallery.PER_PAGE", 2)
    for number in range(5):
        made(client, f"picture {number}")
    page = opened()
    assert shown(page) == ["picture 4", "picture 3"]
    for expected in (["picture 2", "picture 1"], ["picture 0"]):
        seen(page.button(key="older").click().run())
        assert shown(page) == expected
    assert page.button(key="older").disabled
    seen(page.button(key="newer").click().run())
    assert shown(page) == ["picture 2", "picture 1"]
    seen(page.button(key="newest").click().run())
    assert shown(page) == ["picture 4", "picture 3"]
    assert page.button(key="newer").disabled


def test_filters_narrow_it_and_the_address_says_so_but_for_the_words(client: httpx.Client) -> None:
    made(client, "a red barn", local=True, model="tinyB")
    mill = made(client, "a red mill", local=True, model="tinyA")
    made(client, "a blue mill")
    client.put(f"/jobs/{mill}/favourite")

    page = opened()
    page.text_input(key="gallery.words").set_value("mill RED")
    assert shown(seen(page.run())) == ["a red mill"]
    assert "mill" not in str(page.query_params)
    seen(button(page, "Show everything").click().run())
    assert len(shown(page)) == 3
    page.selectbox(key="gallery.backend").set_value("local")
    page.selectbox(key="gallery.model").set_value("tinyB")
    assert shown(seen(page.run())) == ["a red barn"]
    assert dict(page.query_params) == {"backend": "local", "model": "tinyB"}
    assert shown(opened(favourites="1")) == ["a red mill"]
    assert shown(opened(until="2020-01-01")) == []
    assert "Nothing found" in text_of(opened(until="2020-01-01"))
    assert shown(opened(model="gone long ago")) == []


def test_what_ended_without_a_picture_is_there_too(client: httpx.Client, running: RunningApi) -> None:
    running.hold()
    image_id = submit(client, "/images", prompt="hold it")
    client.post(f"/jobs/{image_id}/cancel")
    assert ended(client, image_id)["status"] == "cancelled"
    running.release()
    assert "No pictures yet" in text_of(opened())
    page = opened(status=str(JobStatus.CANCELLED))
    assert "Open cancelled: hold it" in [b.label.replace("\\", "") for b in page.button]


def test_many_are_picked_over_pages_and_deleted_after_asking(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrypoints.gui.views.gallery.PER_PAGE", 2)
    ids = [made(client, f"picture {number}") for number in range(4)]
    page = opened()
    page.toggle(key="gallery.picking").set_value(True)
    seen(page.run())
    assert page.get("download_button")[0].proto.disabled
    page.checkbox(key=f"pick-{ids[3]}").check()
    seen(page.run())
    seen(page.button(key="older").click().run())
    seen(button(page, "Pick page").click().run())
    assert "3 picked" in text_of(page)
    assert not page.get("download_button")[0].proto.disabled
    seen(button(page, "Delete 3 jobs for good").click().run())
    assert [client.get(f"/status/{image_id}").status_code for image_id in ids] == [410, 410, 200, 410]
    assert "Nothing picked yet" in text_of(page)
    seen(page.button(key="newest").click().run())
    assert shown(page) == ["picture 2"]


def test_the_drawer_turns_between_the_pictures_of_a_job(client: httpx.Client) -> None:
    image_id = made(client, "a red barn", count=3)
    page = opened(drawer_page, job=image_id, picture="2")
    assert shown(page) == ["Picture 2 of 3: a red barn"]
    seen(button(page, "Next").click().run())
    assert shown(page) == ["Picture 3 of 3: a red barn"]
    assert button(page, "Next").disabled
    assert page.query_params["picture"] == "3"
    prompt, link, _ = (code.value for code in page.code)
    assert prompt == "a red barn"
    assert f"?job={image_id}&picture=3" in link
    assert shown(opened(drawer_page, job=image_id, picture="99")) == ["Picture 3 of 3: a red barn"]
    assert shown(opened(drawer_page, job=image_id, picture="²")) == ["Picture 1 of 3: a red barn"]


def test_a_favourite_is_marked_in_the_drawer(client: httpx.Client) -> None:
    image_id = made(client, "a red barn")
    page = opened(drawer_page, job=image_id)
    seen(button(page, "Add to favourites").click().run())
    assert client.get(f"/status/{image_id}").json()["favourite"] is True
    seen(button(page, "Remove from favourites").click().run())
    assert client.get(f"/status/{image_id}").json()["favourite"] is False


def test_variations_say_what_they_cost_and_get_seeds_of_their_own(client: httpx.Client) -> None:
    image_id = made(client, "a red barn", seed=5, aspect_ratio="16:9", negative_prompt="fog")
    page = opened(drawer_page, job=image_id)
    page.number_input(key=f"variations-{image_id}").set_value(3)
    seen(page.run())
    assert "Costs **9 credits**." in text_of(page)
    seen(button(page, "Make 3 pictures").click().run())
    newest = client.get("/jobs").json()["jobs"][0]
    asked = newest["request"]
    assert (asked["prompt"], asked["negative_prompt"], asked["count"]) == ("a red barn", "fog", 3)
    assert asked["options"]["aspect_ratio"] == "16:9"
    assert asked["seed"] != 5
    seen(button(page, "Make 3 pictures").click().run())
    jobs = client.get("/jobs").json()["jobs"]
    assert len({job["seed"] for job in jobs}) == len(jobs) == 3
    for job in jobs:
        ended(client, job["image_id"])


def test_the_drawer_says_why_the_service_chose_the_backend(client: httpx.Client) -> None:
    chosen, named = made(client, "a red barn", backend="auto"), made(client, "a red barn", backend="stability")
    assert "Why there</dt><dd>The service chose &#x27;local&#x27;." in text_of(opened(drawer_page, job=chosen))
    assert "Why there" not in text_of(opened(drawer_page, job=named))

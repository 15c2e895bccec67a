"""The page's logic in Streamlit's own test runner, against the real API on a real port."""

import io
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from adapters.demo import DemoGenerator
from api_setting import RunningApi, ended, status_of, submit, until
from imaging_core.marking import Marks, with_marks
from key_setting import LockedApi
from page_reading import PATIENCE_S, button, seen, text_of

APP = Path(__file__).parents[2] / "src" / "entrypoints" / "gui" / "app.py"


@pytest.fixture
def api() -> Iterator[RunningApi]:
    with RunningApi().serving() as api:
        yield api
        api.release()


@pytest.fixture
def visit(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    """Opens the page in a session of its own."""
    yield from _visits(api.url, monkeypatch)


def _visits(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    monkeypatch.setenv("IMAGING_API_URL", url)

    def visit(**query: str) -> AppTest:
        page = AppTest.from_file(str(APP), default_timeout=PATIENCE_S)
        for name, value in query.items():
            page.query_params[name] = value
        return seen(page.run())

    yield visit
    st.cache_resource.clear()
    st.cache_data.clear()


def anew(page: AppTest) -> AppTest:
    """The page as it is some seconds later."""
    st.cache_data.clear()
    return seen(page.run())


def settings_page() -> None:
    """The settings alone: the test runner cannot turn to a page that is a function."""
    from entrypoints.gui.views import settings

    settings.page()


def alone(script: Callable[[], None]) -> AppTest:
    """One page without the navigation around it."""
    return seen(AppTest.from_function(script, default_timeout=PATIENCE_S).run())


def generate(page: AppTest, prompt: str) -> AppTest:
    """Type a prompt and press the one button that matters."""
    page.text_area(key="prompt").set_value(prompt)
    return seen(button(page, "Generate").click().run())


def only_job(api: RunningApi) -> str:
    """The id of the one job there is."""
    with api.client() as client:
        jobs = client.get("/jobs").json()["jobs"]
    assert len(jobs) == 1
    image_id: str = jobs[0]["image_id"]
    return image_id


def test_it_opens_on_the_default_backend_with_the_original_sections(visit: Callable[..., AppTest]) -> None:
    page = visit()
    (sections,) = (g for g in page.segmented_control if g.key == "section")
    assert sections.options[:2] == ["Stability AI", "Local SD"]
    assert sections.value == "stability"
    assert "Your pictures appear here" in text_of(page)


def test_an_example_becomes_the_prompt(visit: Callable[..., AppTest]) -> None:
    page = visit()
    example = page.button(key="example-0")
    seen(example.click().run())
    assert page.text_area(key="prompt").value == example.label


def test_a_job_is_watched_to_its_picture(visit: Callable[..., AppTest], api: RunningApi) -> None:
    api.hold()
    page = generate(visit(), "hold a lighthouse")
    image_id = only_job(api)
    with api.client() as client:
        until(lambda: status_of(client, image_id), lambda status: status["progress"] == 0.5)
        page = anew(page)
        assert "50 % · step 10 of 20 · about 4 s left" in [p.proto.text.replace("\\", "") for p in page.get("progress")]
        assert "Preview of the picture so far" in text_of(page)
        api.release()
        assert ended(client, image_id)["status"] == "finished"
    page = anew(page)
    assert not page.get("progress")
    assert page.image[0].proto.imgs[0].alt == "Picture: hold a lighthouse"
    assert "3 credits" in text_of(page)


def test_several_jobs_run_at_once(visit: Callable[..., AppTest], api: RunningApi) -> None:
    api.hold()
    page = generate(visit(), "hold one")
    page = generate(page, "hold two")
    with api.client() as client:
        until(lambda: client.get("/jobs?status=started").json()["jobs"], lambda jobs: len(jobs) == 2)
    page = anew(page)
    assert len([b for b in page.button if b.label == "Cancel"]) == 2


def test_cancelling_from_the_card(visit: Callable[..., AppTest], api: RunningApi) -> None:
    api.hold()
    page = anew(generate(visit(), "hold it"))
    seen(button(page, "Cancel").click().run())
    with api.client() as client:
        assert ended(client, only_job(api))["status"] == "cancelled"
    assert "Cancelled." in text_of(anew(page))


def test_a_wrong_field_is_told_beside_it(visit: Callable[..., AppTest]) -> None:
    page = generate(visit(), "  ")
    told = [h.value for h in page.html if 'class="problem' in h.value]
    assert told == [
        '<p class="problem" role="alert">Must not be empty.</p>',
        '<p class="problem summary">Not queued. Please look at: Prompt.</p>',
    ]
    page.text_area(key="prompt").set_value("a lighthouse")
    assert not [h for h in seen(page.run()).html if 'class="problem' in h.value]


def test_a_failure_says_what_happened_and_what_to_do_and_can_be_retried(
    visit: Callable[..., AppTest], api: RunningApi
) -> None:
    page = generate(visit(), "refuse this")
    first = only_job(api)
    with api.client() as client:
        ended(client, first)
        page = anew(page)
        assert "The provider's filter said no." in text_of(page)
        assert "Rephrase the prompt" in text_of(page)
        seen(button(page, "Retry").click().run())
        newest = client.get("/jobs").json()["jobs"][0]
    assert newest["retry_of"] == first


def test_the_price_is_shown_before_it_is_paid(visit: Callable[..., AppTest]) -> None:
    page = visit()
    assert "Costs **3 credits**." in text_of(page)
    page.number_input(key="stability.count").set_value(3)
    assert "Costs **9 credits** (3 × 3)." in text_of(seen(page.run()))


def test_each_backend_has_its_own_fields_and_keeps_the_prompt(visit: Callable[..., AppTest]) -> None:
    page = visit()
    assert page.multiselect(key="stability.mood").options == ["Calm", "Wild"]
    page.text_area(key="prompt").set_value("a lighthouse")
    page.segmented_control(key="section").set_value("local")
    page = seen(page.run())
    assert page.text_area(key="prompt").value == "a lighthouse"
    assert page.selectbox(key="local.checkpoint").options == ["tinyA", "tinyB"]
    assert page.selectbox(key="local.sampler").options == ["Euler", "Euler a"]
    assert "stability.mood" not in [w.key for w in page.multiselect]


def test_what_was_chosen_is_what_is_asked_for(visit: Callable[..., AppTest], api: RunningApi) -> None:
    page = visit(section="local")
    page.selectbox(key="local.checkpoint").set_value("tinyB")
    page.slider(key="local.steps").set_value(7)
    page.toggle(key="keep_seed").set_value(True)
    page = seen(page.run())
    page.number_input(key="seed").set_value(77)
    generate(page, "a lighthouse")
    with api.client() as client:
        asked = client.get(f"/jobs/{only_job(api)}").json()["request"]
    assert (asked["checkpoint"], asked["steps"], asked["seed"], asked["sampler"]) == ("tinyB", 7, 77, "Euler")


def test_history_comes_from_the_service_and_its_settings_can_be_used_again(
    visit: Callable[..., AppTest], api: RunningApi
) -> None:
    with api.client() as client:
        image_id = submit(client, "/local/images", prompt="a red barn", steps=9, seed=5, width=128, height=64)
        ended(client, image_id)
    page = visit()
    assert "a red barn" in text_of(page)
    seen(button(page, "Use these settings").click().run())
    assert page.segmented_control(key="section").value == "local"
    assert page.text_area(key="prompt").value == "a red barn"
    assert page.slider(key="local.steps").value == 9
    assert (page.toggle(key="keep_seed").value, page.number_input(key="seed").value) == (True, 5)
    assert (page.number_input(key="local.width").value, page.number_input(key="local.height").value) == (128, 64)


def test_an_address_leads_to_a_job_and_it_can_be_deleted_there(visit: Callable[..., AppTest], api: RunningApi) -> None:
    with api.client() as client:
        image_id = submit(client, "/images", prompt="a red barn")
        ended(client, image_id)
        page = visit(job=image_id)
        assert image_id in text_of(page)
        seen(page.button(key=f"delete-drawer-{image_id}").click().run())
        assert client.get(f"/status/{image_id}").status_code == 410
    assert "job" not in page.query_params
    assert "Your pictures appear here" in text_of(anew(page))


def test_an_address_of_a_deleted_job_says_so(visit: Callable[..., AppTest]) -> None:
    assert "There is no such job any more." in text_of(visit(job="0" * 32))


def test_a_backend_that_is_not_set_up_says_which_setting_is_missing(visit: Callable[..., AppTest]) -> None:
    page = visit(section="spare")
    assert "is not set up" in text_of(page)
    assert "IMAGING_SPARE_URL" in text_of(page)
    assert "Generate" not in [b.label for b in page.button]


def test_a_backend_that_does_not_answer_says_why_and_its_form_comes_back(
    visit: Callable[..., AppTest], api: RunningApi
) -> None:
    api.webui.there = False
    page = visit(section="local")
    assert "Local SD does not answer" in text_of(page)
    assert "http://127.0.0.1:7860" in text_of(page)
    api.webui.there = True
    assert anew(page).selectbox(key="local.sampler").value == "Euler"


def test_hostile_prompts_are_shown_and_never_run(visit: Callable[..., AppTest], api: RunningApi) -> None:
    prompt = "<script>alert(1)</script> **bold** $x^2$ [a](http://example.com) :material/home:"
    with api.client() as client:
        ended(client, submit(client, "/images", prompt=prompt))
    page = visit()
    shown = next(h.value for h in page.html if 'class="prompt"' in h.value)
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_without_a_service_it_says_calmly_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for visit in _visits("http://127.0.0.1:9", monkeypatch):
        page = visit()
        assert "The imaging service is not answering." in text_of(page)
        assert "imaging up" in text_of(page)


def test_when_the_service_goes_away_the_form_stays_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    with RunningApi().serving() as api:
        visits = _visits(api.url, monkeypatch)
        page = next(visits)()
    st.cache_data.clear()
    page = generate(page, "a lighthouse")
    assert page.text_area(key="prompt").value == "a lighthouse"
    assert "Not queued: the imaging service is not answering." in text_of(page)
    assert list(visits) == []


@pytest.mark.usefixtures("visit")
def test_the_settings_tell_what_answers(api: RunningApi) -> None:
    api.webui.there = False
    page = alone(settings_page)
    told = text_of(page)
    assert "Stability AI" in told
    assert "IMAGING_SPARE_URL" in told
    assert "does not answer" in told


def test_behind_a_lock_it_sends_its_key_and_offers_nothing_that_needs_a_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with LockedApi(config={"images_backend": "demo"}, more=(DemoGenerator(step_s=0),)).serving() as api:
        key = api.make_admin()
        monkeypatch.setenv("IMAGING_API_KEY", key)
        for visit in _visits(api.url, monkeypatch):
            page = visit()
            fields = {str(widget.key) for widget in (*page.slider, *page.number_input, *page.selectbox)}
            assert any(name.startswith("demo") for name in fields), fields
            assert not [
                name for name in fields if name.rpartition(".")[2] in ("strength", "scale", "init_image", "mask")
            ]
            generate(page, "a lake")
            with api.asked(key) as client:
                (job,) = client.get("/jobs").json()["jobs"]
                assert ended(client, job["image_id"])["status"] == "finished"
            assert "a lake" in text_of(anew(page))
            assert key not in text_of(page)


def test_a_picture_brings_its_settings_to_the_form(visit: Callable[..., AppTest], api: RunningApi) -> None:
    text = "a lighthouse by night\nNegative prompt: fog\nSteps: 31, CFG scale: 5.5, Seed: 4711, Size: 512x512, Model: unknown"
    page = visit(section="local")

    page.file_uploader(key="read_back").upload("found.png", with_marks(_png(), Marks(parameters=text)), "image/png")
    seen(page.run())

    assert page.text_area(key="prompt").value == "a lighthouse by night"
    assert page.text_area(key="negative_prompt").value == "fog"
    assert (page.session_state["seed"], page.session_state["keep_seed"]) == (4711, True)
    assert page.session_state["local.steps"] == 31
    assert "settings are on the form, but for" in text_of(page)
    page.file_uploader(key="read_back").upload("plain.png", _png(), "image/png")
    seen(page.run())
    assert "does not say how it was made" in text_of(page)
    assert page.text_area(key="prompt").value == "a lighthouse by night"
    page.file_uploader(key="read_back").upload("broken.png", b"\x89PNG\r\n\x1a\n", "image/png")
    seen(page.run())
    assert page.session_state["read_back_told"]
    assert "does not say how it was made" not in text_of(page)


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    return file.getvalue()


def test_settings_ask_for_no_key_while_the_service_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("IMAGING_API_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        page = alone(settings_page)
    told = text_of(page)
    assert "Whether one is needed is shown here once the service answers." in told
    assert "The imaging service is not answering." in told
    assert not page.text_input

"""Whose key a page asks with, in Streamlit's own test runner against a locked API: nobody sees what is another's."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from api_setting import ended
from imaging_core.keys import Scope
from key_setting import LockedApi

APP = Path(__file__).parents[2] / "src" / "entrypoints" / "gui" / "app.py"
PATIENCE_S = 60


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[LockedApi]:
    """Open until somebody makes an admin's key."""
    with LockedApi(fresh_s=0).serving() as api:
        monkeypatch.setenv("IMAGING_API_URL", api.url)
        monkeypatch.delenv("IMAGING_API_KEY", raising=False)
        yield api
        st.cache_resource.clear()
        st.cache_data.clear()


@pytest.fixture
def admin(api: LockedApi) -> str:
    """A first key, which locks the service."""
    return api.make_admin()


def seen(page: AppTest) -> AppTest:
    assert not page.exception, [e.message for e in page.exception]
    return page


def opened(**query: str) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=PATIENCE_S)
    for name, value in query.items():
        page.query_params[name] = value
    return seen(page.run())


def keyed(key: str, **query: str) -> AppTest:
    """A session whose visitor has entered that key."""
    page = enter(alone(settings_page), key)
    told = page.session_state["visitor.key"]
    page = AppTest.from_file(str(APP), default_timeout=PATIENCE_S)
    page.session_state["visitor.key"] = told
    for name, value in query.items():
        page.query_params[name] = value
    return seen(page.run())


def settings_page() -> None:
    from entrypoints.gui.views import settings

    settings.page()


def pictures_page() -> None:
    """Asks for a picture by every way that keeps one."""
    import streamlit as st

    from entrypoints.client import ApiError
    from entrypoints.gui import remote

    wanted: str = st.session_state["wanted"]
    ways: dict[str, Callable[[], object]] = {
        "picture": lambda: remote.picture(wanted, 0),
        "thumbnail": lambda: remote.thumbnail(wanted, 0),
        "job": lambda: remote.job(wanted),
    }
    for name, way in ways.items():
        try:
            way()
            st.text(f"{name} shown")
        except ApiError as error:
            st.text(f"{name} {error.status}")


def alone(script: Callable[[], None]) -> AppTest:
    return seen(AppTest.from_function(script, default_timeout=PATIENCE_S).run())


def enter(page: AppTest, key: str) -> AppTest:
    page.text_input(key="settings.key").set_value(key)
    return seen(next(b for b in page.button if b.label == "Use this key").click().run())


def text_of(page: AppTest) -> str:
    parts = [e.value for e in (*page.markdown, *page.caption, *page.error, *page.text, *page.html)]
    return "\n".join(map(str, parts)).replace("\\", "")


def made(api: LockedApi, key: str, prompt: str) -> str:
    with api.asked(key) as client:
        image_id: str = client.post("/images", json={"prompt": prompt}).json()["image_id"]
        assert ended(client, image_id)["status"] == "finished"
    return image_id


@pytest.mark.usefixtures("admin")
def test_nobody_is_shown_what_another_key_has_fetched(api: LockedApi) -> None:
    ann, bob = api.make_key("ann"), api.make_key("bob")
    hers = made(api, ann, "a secret garden")
    page = keyed(ann)
    assert "a secret garden" in text_of(page)
    assert page.image[0].proto.imgs[0].alt == "Picture: a secret garden"

    def pictures(key: str | None) -> list[str]:
        page = AppTest.from_function(pictures_page, default_timeout=PATIENCE_S)
        if key is not None:
            page.session_state["visitor.key"] = keyed(key).session_state["visitor.key"]
        page.session_state["wanted"] = hers
        return [text.value for text in seen(page.run()).text]

    assert pictures(ann) == ["picture shown", "thumbnail shown", "job shown"]
    assert pictures(bob) == ["picture 404", "thumbnail 404", "job 404"]
    assert pictures(None) == ["picture 401", "thumbnail 401", "job 401"]
    assert "a secret garden" not in text_of(keyed(bob))
    assert "a secret garden" not in text_of(keyed(bob, job=hers))


@pytest.mark.usefixtures("admin")
def test_without_a_key_every_page_asks_for_one_and_stops_asking_the_service(
    api: LockedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = api.make_key("ann")
    page = opened()
    assert "The service asks for a key." in text_of(page)
    assert "not answering" not in text_of(page)

    monkeypatch.setenv("IMAGING_API_KEY", "wrong" * 8)
    page = opened()
    assert "does not accept this page's key" in text_of(page)
    for _ in range(25):
        # A page that went on asking would use up the wrong keys that its address has, for everybody on it.
        seen(page.run())
    assert "Your pictures appear here" in text_of(keyed(key))


@pytest.mark.usefixtures("admin")
def test_a_key_that_is_revoked_meanwhile_is_told_calmly(api: LockedApi) -> None:
    key = api.make_key("ann")
    page = keyed(key)
    (record,) = [record for record in api.within(api.keyring.list) if record.name == "ann"]
    api.within(lambda: api.keyring.revoke(record.id))
    assert "Your key is no longer accepted." in text_of(seen(page.run()))


@pytest.mark.usefixtures("admin")
def test_a_wrong_key_is_told_and_not_kept_and_a_right_one_is_never_in_the_page(api: LockedApi) -> None:
    key, shut = api.make_key("ann"), api.make_key("shut", scopes=(Scope.SUBMIT,))
    page = alone(settings_page)
    for wrong, told in (
        ("", "Enter a key first."),
        ("two words", "That is no key"),
        ("schlüssel", "That is no key"),
        ("w" * 40, "does not know this key"),
        (shut, "does not let you look at jobs"),
    ):
        assert told in text_of(enter(page, wrong))
        assert "visitor.key" not in page.session_state

    page = enter(page, key)
    assert "a key of your own" in text_of(page)
    assert not page.error
    assert key not in text_of(page)
    assert key not in repr(page.session_state["visitor.key"])
    assert key not in str([element.proto for element in page.main])

    seen(next(b for b in page.button if b.label == "Forget my key").click().run())
    assert "visitor.key" not in page.session_state


def test_where_no_key_is_needed_none_is_asked_for_or_taken(api: LockedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    page = alone(settings_page)
    assert "there is no key to enter" in text_of(page)
    assert not page.text_input
    monkeypatch.setenv("IMAGING_API_KEY", "left-over-from-before" * 2)
    assert "answers everybody" in text_of(enter(alone(settings_page), "k" * 40))


def test_ones_own_key_goes_before_the_pages(api: LockedApi, admin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGING_API_KEY", admin)
    ann = api.make_key("ann")
    hers = made(api, ann, "a lake")
    assert "a lake" in text_of(opened())
    page = keyed(ann)
    seen(page.text_area(key="prompt").set_value("a hill").run())
    seen(next(b for b in page.button if b.label == "Generate").click().run())
    with api.asked(ann) as client:
        ids = {job["image_id"] for job in client.get("/jobs").json()["jobs"]}
    assert len(ids) == 2
    assert hers in ids

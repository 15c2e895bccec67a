"""The queue's page in Streamlit's own test runner, against the real API on a real port."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from api_setting import ended, status_of, submit, until
from entrypoints.client import Minute
from entrypoints.gui.components.queue_past import depth_words, wait_words
from key_setting import LockedApi

PATIENCE_S = 60


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[LockedApi]:
    """Open until somebody makes an admin's key."""
    monkeypatch.setattr("imaging_core.pulse.NOTE_S", 0.05)
    with LockedApi(fresh_s=0).serving() as api:
        monkeypatch.setenv("IMAGING_API_URL", api.url)
        monkeypatch.delenv("IMAGING_API_KEY", raising=False)
        yield api
        api.release()
        st.cache_resource.clear()
        st.cache_data.clear()


def queue_page() -> None:
    from entrypoints.gui.components import actions
    from entrypoints.gui.views import queue

    queue.page()
    actions.speak()


def feed_alone() -> None:
    from entrypoints.gui.components import feed

    feed.feed(feed.signature())


def opened() -> AppTest:
    return seen(AppTest.from_function(queue_page, default_timeout=PATIENCE_S).run())


def seen(page: AppTest) -> AppTest:
    assert not page.exception, [e.message for e in page.exception]
    return page


def anew(page: AppTest) -> AppTest:
    """The page as it is some seconds later."""
    st.cache_data.clear()
    return seen(page.run())


def text_of(page: AppTest) -> str:
    parts = [e.value for e in (*page.markdown, *page.caption, *page.toast, *page.html)]
    return "\n".join(map(str, parts)).replace("\\", "")


def labels(page: AppTest) -> list[str]:
    return [b.label for b in page.button]


def held(api: LockedApi, *prompts: str, client_key: str | None = None) -> list[str]:
    """One job that runs on the WebUI and others behind it, by these prompts."""
    api.hold()
    with api.asked(client_key) as client:
        ids = [submit(client, "/local/images", prompt=f"hold {prompt}") for prompt in prompts]
        until(lambda: status_of(client, ids[0])["status"], lambda status: status == "started")
    return ids


def test_an_empty_queue_says_what_appears_here(api: LockedApi) -> None:
    told = text_of(opened())
    assert "Nothing is waiting" in told
    assert "No busy minute yet." in told
    assert "embedded" in told
    assert "Stability AI 0/4, Local SD 0/1" in told


def test_open_jobs_are_shown_in_line_and_can_be_cancelled(api: LockedApi) -> None:
    ids = held(api, "one", "two", "<b>three</b>")
    page = opened()
    told = text_of(page)
    assert "3 open jobs" in told
    rows = [h.value for h in page.html if 'class="row"' in h.value]
    assert [row.split(">")[2].partition("<")[0] for row in rows] == ["runs", "1.", "2."]
    assert ["hold one" in rows[0], "hold two" in rows[1], "hold &lt;b&gt;three" in rows[2]] == [True] * 3
    assert " of " not in rows[0]

    seen(page.button(key=f"cancel-row-{ids[1]}").click().run())
    with api.client() as client:
        assert ended(client, ids[1])["status"] == "cancelled"
    assert "2 open jobs" in text_of(anew(page))

    seen(page.button(key="cancel-all").click().run())
    seen(page.button(key="do-cancel-all").click().run())
    with api.client() as client:
        assert {ended(client, one)["status"] for one in ids} == {"cancelled"}
    assert "1 cancelled. 1 will stop in a moment." in text_of(page)
    assert "Nothing is waiting" in text_of(anew(page))


def test_pausing_and_resuming_with_a_reason(api: LockedApi) -> None:
    page = opened()
    seen(page.button(key="pause-local").click().run())
    page.text_input(key="queue.reason").set_value("New *drivers*")
    seen(page.button(key="do-pause").click().run())
    assert "Paused by an operator, just now" in text_of(anew(page))
    assert "New *drivers*" in text_of(page)
    assert "do-pause" not in [b.key for b in page.button]
    with api.client() as client:
        waiting = submit(client, "/local/images")
        assert status_of(client, waiting)["paused"]["reason"] == "New *drivers*"
        seen(page.button(key="resume-local").click().run())
        assert ended(client, waiting)["status"] == "finished"
    assert "Paused" not in text_of(anew(page))


def test_who_does_not_run_the_service_sees_their_own_and_no_switches(
    api: LockedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, ann, bob = api.make_admin(), api.make_key("ann"), api.make_key("bob")
    held(api, "anns", client_key=ann)
    with api.asked(bob) as client:
        submit(client, "/local/images", prompt="hold bobs")
    monkeypatch.setenv("IMAGING_API_KEY", bob)
    told = text_of(page := opened())
    assert "hold bobs" in told
    assert "hold anns" not in told
    assert not [label for label in labels(page) if label.startswith(("Pause", "Resume"))]
    assert "Workers" not in told

    monkeypatch.setenv("IMAGING_API_KEY", admin)
    told = text_of(page := opened())
    assert " of ann<" in told
    assert " of bob<" in told
    assert "Pause …" in labels(page)
    seen(page.button(key="cancel-all").click().run())
    page.radio(key="queue.whose").set_value("Everybody's")
    page.selectbox(key="queue.of").set_value("local")
    seen(page.run())
    assert "cancels **every open job of Local SD**" in text_of(page)
    seen(page.button(key="do-cancel-all").click().run())
    assert "1 cancelled. 1 will stop in a moment." in text_of(page)


def test_the_last_hour_is_plotted_with_words_for_those_who_cannot_see_it(api: LockedApi) -> None:
    held(api, "one", "two", "three")
    with api.client() as client:
        until(
            lambda: client.get("/backends/local/history").json()["minutes"][-1],
            lambda minute: minute["waiting"] >= 2 and minute["started"] == 1,
        )
    page = opened()
    charts = page.get("vega_lite_chart")
    told = [str(chart.proto.alt) for chart in charts]
    assert told[0].startswith("Jobs waiting in the last hour: Local SD")
    assert told[1].startswith("Longest wait in the last hour: Local SD")
    assert "No busy minute" not in text_of(page)


def test_the_words_of_the_plots_name_the_figures() -> None:
    now = datetime.now(UTC)
    past = {
        "Local SD": [
            Minute(at=now - timedelta(minutes=12), waiting=7, started=1, longest_wait_s=95.0),
            Minute(at=now, waiting=2, started=1, longest_wait_s=8.0),
        ]
    }
    assert depth_words(past) == "Jobs waiting in the last hour: Local SD 2 now, at most 7 12 min ago."
    assert wait_words(past) == "Longest wait in the last hour: Local SD 8 s now, at most 2 min 12 min ago."


def test_a_long_line_is_cut_until_all_of_it_is_asked_for(api: LockedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrypoints.gui.components.queue_rows.MOST", 2)
    held(api, *(f"number {n}" for n in range(5)))
    page = opened()

    def rows() -> int:
        return len([h for h in page.html if 'class="row"' in h.value])

    assert rows() == 2
    button: Callable[[], AppTest] = next(b for b in page.button if b.label == "Show 3 more").click().run
    seen(button())
    assert rows() == 5


def test_of_a_line_that_is_too_long_to_show_what_runs_and_what_is_next_is_shown(
    api: LockedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrypoints.gui.remote.MOST_QUEUED", 3)
    monkeypatch.setattr("entrypoints.gui.remote._ENOUGH", 2)
    held(api, *(f"number {n}" for n in range(9)))
    page = opened()
    shown = [h.value for h in page.html if 'class="row"' in h.value]
    assert ["hold number 0" in shown[0], "hold number 1" in shown[1], "hold number 2" in shown[2]] == [True] * 3
    assert "1." in shown[1]
    told = text_of(page)
    assert "hold number 8" not in told
    assert "9 open jobs" in told
    assert "1 under way, 8 waiting" in told
    assert "only what was queued first is shown" in told


def test_of_more_jobs_than_are_read_the_cards_are_of_what_runs_and_what_was_sent_last(
    api: LockedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrypoints.gui.components.feed.MOST_LIVE", 2)
    held(api, *(f"number {n}" for n in range(5)))

    def cards() -> str:
        page = seen(AppTest.from_function(feed_alone, default_timeout=PATIENCE_S).run())
        shown = [h.value.partition(">")[2].removesuffix("</p>") for h in page.html if 'class="prompt"' in h.value]
        return " | ".join([*shown, *(c.value for c in page.caption if c.value.startswith("And"))])

    assert cards() == "hold number 0 | hold number 1 | And 3 more jobs in line. Queue has them all."
    monkeypatch.setattr("entrypoints.gui.remote._PLACED", 3)
    assert cards() == "hold number 0 | hold number 4 | And at least 2 more jobs in line. Queue has them all."

"""What the gallery decides without a page: what an address asks for, how a page is filled, what a zip holds."""

import zipfile
from datetime import UTC, date, datetime, timedelta, timezone

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.client import JobInfo, JobsPage, PictureInfo
from entrypoints.gui import bundle, paging, wanted
from entrypoints.gui.components.job_actions import link_to, link_to_form
from entrypoints.gui.wanted import Wanted
from imaging_core.images import ImageRequest, Operation
from imaging_core.jobs import JobStatus

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def job(name: str, prompt: str = "A red barn", seeds: tuple[int, ...] = (7,), media_type: str = "image/png") -> JobInfo:
    images = tuple(
        PictureInfo(index=index, media_type=media_type, size=1000, width=8, height=8, seed=seed)
        for index, seed in enumerate(seeds)
    )
    return JobInfo(
        image_id=name,
        status=JobStatus.FINISHED,
        backend="local",
        attempt=1,
        created_at=NOW,
        count=len(seeds),
        images=images,
        request=ImageRequest(prompt=prompt),
    )


# --- addresses ---------------------------------------------------------------------------------------------


def test_an_address_says_what_differs_from_the_usual_and_no_word_of_a_prompt() -> None:
    asked = Wanted(
        status=JobStatus.FAILED,
        backend="local",
        model="tinyA",
        since=date(2026, 11, 3),
        until=date(2026, 11, 9),
        favourites=True,
        words="red barn",
    )
    told = asked.address()

    assert told == {
        "status": "failed",
        "backend": "local",
        "model": "tinyA",
        "since": "2026-11-03",
        "until": "2026-11-09",
        "favourites": "1",
    }
    assert wanted.from_address(told) == attrs.evolve(asked, words="")
    assert Wanted().address() == {}
    assert (asked.behind, asked.narrowed, Wanted().behind, Wanted().narrowed) == (4, True, 0, False)


@given(st.dictionaries(st.sampled_from(wanted.NAMES), st.text(max_size=30)))
def test_nonsense_in_an_address_is_passed_over(query: dict[str, str]) -> None:
    found = wanted.from_address(query)
    assert found.status in wanted.ENDED
    assert wanted.from_address(found.address()) == found


def test_days_begin_at_the_visitors_midnight_and_the_last_one_counts() -> None:
    zone = timezone(timedelta(hours=9))
    filters = Wanted(since=date(2026, 2, 28), until=date(2026, 2, 28)).filters(zone)
    assert filters["created_from"] == datetime(2026, 2, 27, 15, tzinfo=UTC)
    assert filters["created_before"] == datetime(2026, 2, 28, 15, tzinfo=UTC)
    assert Wanted().filters(zone)["created_from"] is None


def test_a_link_leads_to_one_picture_and_tells_nothing_else() -> None:
    here = "https://studio.example.org/base/gallery?backend=local#x"
    assert link_to("abc", 0, here) == "https://studio.example.org/base/gallery?job=abc"
    assert link_to("abc", 2, here) == "https://studio.example.org/base/gallery?job=abc&picture=3"
    drawn, edited = job("abc"), job("def")
    assert edited.request is not None
    edited = attrs.evolve(edited, request=attrs.evolve(edited.request, operation=Operation.EDIT))
    assert link_to_form(drawn, here) == "https://studio.example.org/base/?like=abc"
    assert link_to_form(edited, "http://127.0.0.1:8501/") == "http://127.0.0.1:8501/edit?like=def"


# --- pages -------------------------------------------------------------------------------------------------


class Pieces:
    """A list that comes in pieces of these sizes, however many are asked for at most."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes
        self.asked: list[tuple[str | None, int]] = []

    def __call__(self, cursor: str | None, limit: int) -> JobsPage:
        self.asked.append((cursor, limit))
        at = int(cursor or 0)
        jobs = tuple(job(f"{at}-{n}") for n in range(min(self.sizes[at], limit)))
        return JobsPage(jobs=jobs, next_cursor=str(at + 1) if at + 1 < len(self.sizes) else None)


def test_a_page_goes_on_over_short_and_empty_pieces_until_it_is_full() -> None:
    pieces = Pieces(2, 0, 0, 9, 5)
    page = paging.page_of(pieces, None, 5, within_s=9)
    assert (len(page.jobs), page.next_cursor) == (5, "4")
    assert pieces.asked == [(None, 5), ("1", 3), ("2", 3), ("3", 3)]


def test_a_page_ends_with_the_list() -> None:
    page = paging.page_of(Pieces(1, 0, 1), None, 5, within_s=9)
    assert (len(page.jobs), page.next_cursor) == (2, None)


def test_a_plain_list_is_asked_once() -> None:
    pieces = Pieces(24, 24)
    paging.page_of(pieces, None, 24, within_s=0)
    assert len(pieces.asked) == 1


def test_a_search_that_takes_too_long_shows_what_it_has_and_where_to_go_on() -> None:
    clock = iter([0.0, 1.0, 2.0, 3.0])
    page = paging.page_of(Pieces(1, 0, 1, 9), None, 5, within_s=1.5, now=lambda: next(clock))
    assert (len(page.jobs), page.next_cursor) == (1, "2")


# --- zips --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "index", "extension", "name"),
    [
        (job("a"), 0, None, "a-red-barn-7.png"),
        (job("a"), 0, "webp", "a-red-barn-7.webp"),
        (job("a", seeds=(7, 8), media_type="image/jpeg"), 1, None, "a-red-barn-8-2.jpg"),
        (job("a", prompt="../../etc/passwd \x00"), 0, None, "etc-passwd-7.png"),
        (job("a", prompt="!!!"), 0, None, "picture-7.png"),
        (job("a", prompt="Überfluss 雪"), 0, None, "überfluss-雪-7.png"),
    ],
)
def test_a_file_is_named_after_its_prompt_and_seed(one: JobInfo, index: int, extension: str | None, name: str) -> None:
    assert bundle.file_name(one, index, extension) == name


def test_a_zip_holds_every_picture_as_it_is_under_a_name_of_its_own() -> None:
    jobs = [job("a"), job("b"), job("c", prompt="A RED BARN"), job("d", seeds=(1, 2)), job("gone", prompt="gone")]
    wanted_pieces = [bundle.local(piece, timezone(timedelta(hours=2))) for piece in bundle.pieces(jobs)]
    assert bundle.weight(jobs) == 6000

    def read(piece: bundle.Piece) -> bytes | None:
        return None if piece.image_id == "gone" else f"{piece.image_id}{piece.index}".encode() * 100

    with zipfile.ZipFile(bundle.zipped(wanted_pieces, read)) as archive:
        held = {info.filename: info for info in archive.infolist()}
        assert list(held) == [
            "a-red-barn-7.png",
            "a-red-barn-7-(2).png",
            "a-red-barn-7-(3).png",
            "a-red-barn-1-1.png",
            "a-red-barn-2-2.png",
            "missing.txt",
        ]
        assert archive.read("a-red-barn-7-(2).png") == b"b0" * 100
        assert {info.compress_type for info in held.values()} == {zipfile.ZIP_STORED}
        assert held["a-red-barn-7.png"].date_time == (2026, 11, 30, 14, 0, 0)
        assert "gone-7.png" in archive.read("missing.txt").decode()

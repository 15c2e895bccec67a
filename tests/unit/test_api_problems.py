"""Every error of the core has one translation, and every byte range one meaning."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from entrypoints.api.byte_ranges import Unsatisfiable, one_range, part
from entrypoints.api.encoding import encode, etag_of, matches
from entrypoints.api.lean_route import LeanRoute
from entrypoints.api.problems import TABLE, TITLES, problem_of
from imaging_core import errors
from imaging_core.errors import (
    BackendUnreachable,
    CallRejected,
    ImagingError,
    InvalidRequest,
    JobDeleted,
    JobNotFound,
    QueueFull,
    StaleJob,
    StorageFull,
    Unavailable,
    UnknownBackend,
)


def _family(cls: type[ImagingError]) -> set[type[ImagingError]]:
    return {cls}.union(*(_family(child) for child in cls.__subclasses__()))


def test_every_error_but_the_root_has_a_place_in_the_table() -> None:
    placed = {
        cls for cls in _family(ImagingError) if any(base in TABLE for base in cls.__mro__ if base is not ImagingError)
    }
    mine = {cls for cls in _family(ImagingError) if cls.__module__ == errors.__name__}
    assert mine - placed == {ImagingError}
    assert {kind for kind, _ in TABLE.values()} <= set(TITLES)


def test_every_kind_of_problem_is_written_down() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    table = page[page.index("## Errors") :]
    assert set(re.findall(r"^\| `/problems/([a-z-]+)`", table, re.MULTILINE)) == set(TITLES)


@pytest.mark.parametrize(
    ("error", "status", "kind", "retry_after"),
    [
        (
            InvalidRequest([errors.FieldProblem(field="steps", message="must be from 1 to 150.")]),
            422,
            "invalid-request",
            None,
        ),
        (UnknownBackend("x", ["a", "b"]), 422, "unknown-backend", None),
        (JobNotFound(), 404, "not-found", None),
        (JobDeleted(), 410, "deleted", None),
        (QueueFull(retry_after_s=12), 503, "queue-full", "12"),
        (QueueFull(retry_after_s=12, mine=True), 429, "queue-full", "12"),
        (Unavailable("Redis does not answer.", retry_after_s=3), 503, "unavailable", "3"),
        (StorageFull("The disk is full."), 503, "storage-full", "5"),
        (StaleJob(), 409, "conflict", None),
        (BackendUnreachable("No route.", retry_after_s=1.2), 503, "unavailable", "2"),
        (CallRejected("No."), 503, "unavailable", "5"),
        (ImagingError("What the log may say."), 500, "internal", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_error_is_told_as_its_kind(error: ImagingError, status: int, kind: str, retry_after: str | None) -> None:
    response = problem_of(error).response()
    body = json.loads(bytes(response.body))
    assert (response.status_code, body["type"], body["title"]) == (status, f"/problems/{kind}", TITLES[kind])
    assert response.headers.get("retry-after") == retry_after
    assert body["detail"]
    assert status != 500 or "log may say" not in body["detail"]


@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 100), st.integers(1, 40))
async def test_a_part_is_what_slicing_gives(first: int, last: int, size: int, piece: int) -> None:
    data = bytes(range(size))
    try:
        span = one_range(f"bytes={first}-{last}", size)
    except Unsatisfiable:
        assert first >= size
        return
    if span is None:
        assert last < first
        return

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, size, piece):
            yield data[at : at + piece]

    assert b"".join([chunk async for chunk in part(pieces(), *span)]) == data[first : last + 1]


@given(st.text(max_size=50))
def test_no_range_header_is_a_fault(header: str) -> None:
    try:
        span = one_range(header, 10)
    except Unsatisfiable:
        return
    assert span is None or 0 <= span[0] < span[1] <= 10


@pytest.mark.parametrize("value", [{"a": "\ud800"}, {"\udfff": [1.5, None]}, {"a": float("nan")}, {"a": "🌊"}])
def test_any_value_can_be_answered(value: object) -> None:
    body = encode(value)
    json.loads(body.decode("utf-8"), parse_constant=lambda _: pytest.fail("not JSON"))


def test_validators_are_compared_weakly() -> None:
    etag = etag_of(b"x")
    assert matches(f'"a", W/{etag} , "b"', etag)
    assert matches("*", etag)
    assert not matches(None, etag)
    assert not matches(etag[:-2] + '"', etag)


def test_a_lean_endpoint_that_wants_more_than_its_path_is_refused_at_the_start() -> None:
    async def endpoint(request: Request, limit: int) -> Response:
        return Response()

    with pytest.raises(TypeError, match=re.escape("/things/{thing}")):
        LeanRoute("/things/{thing}", endpoint)

"""From any WIDTHxHEIGHT to something the backend can make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_core.capabilities import Capabilities
from imaging_core.errors import InvalidRequest
from imaging_core.images import Operation
from imaging_core.parameters import Parameter, ParameterKind
from imaging_core.sizes import nearest_shape, on_grid, size_options

SHAPES = ("1:1", "21:9", "16:9", "3:2", "5:4", "4:5", "2:3", "9:16", "9:21")


def side(name: str, low: int | None = 64, high: int | None = 2048, step: int | None = 8) -> Parameter:
    return Parameter(name=name, kind=ParameterKind.INTEGER, minimum=low, maximum=high, multiple_of=step)


def able(*parameters: Parameter, max_pixels: int | None = None) -> Capabilities:
    return Capabilities(backend="some", title="Some", parameters=parameters, max_pixels=max_pixels)


GRID = (side("width"), side("height"))


@pytest.mark.parametrize(
    ("asked", "most", "found"),
    [
        ((512, 512), None, (512, 512)),
        ((1021, 515), None, (1024, 512)),
        ((4096, 2048), None, (2048, 1024)),
        ((1024, 4096), None, (512, 2048)),
        ((32, 32), None, (64, 64)),
        ((32, 64), None, (64, 128)),
        ((1, 99_999), None, (64, 2048)),
        ((1536, 1024), 1 << 20, (1248, 840)),
        ((2048, 2048), 1 << 20, (1024, 1024)),
    ],
)
def test_the_nearest_size_of_the_same_shape(asked: tuple[int, int], most: int | None, found: tuple[int, int]) -> None:
    assert on_grid(asked, GRID, most) == found


@given(
    width=st.integers(1, 99_999),
    height=st.integers(1, 99_999),
    most=st.none() | st.integers(64 * 64, 1 << 24),
    step=st.sampled_from([None, 1, 8, 16, 64]),
)
def test_whatever_is_asked_the_backend_takes_it(width: int, height: int, most: int | None, step: int | None) -> None:
    sides = (side("width", step=step), side("height", step=step))

    found = size_options(f"{width}x{height}", able(*sides, max_pixels=most), None, Operation.GENERATE)

    for parameter in sides:
        value = found[parameter.name]
        assert isinstance(value, int)
        assert parameter.fit(value) == value
    if most:
        assert int(found["width"]) * int(found["height"]) <= most


@pytest.mark.parametrize(
    ("asked", "shape"),
    [
        ((1024, 1024), "1:1"),
        ((1792, 1024), "16:9"),
        ((1024, 1792), "9:16"),
        ((1536, 1024), "3:2"),
        ((1024, 1536), "2:3"),
        ((640, 512), "5:4"),
        ((5000, 100), "21:9"),
        ((1, 3), "9:21"),
    ],
)
def test_the_nearest_shape(asked: tuple[int, int], shape: str) -> None:
    assert nearest_shape(asked, SHAPES) == shape


def test_auto_and_backends_without_a_choice_leave_it_to_them() -> None:
    assert size_options("auto", able(*GRID), None, Operation.GENERATE) == {}
    assert size_options(None, able(*GRID), None, Operation.GENERATE) == {}
    assert size_options("512x512", able(), None, Operation.GENERATE) == {}
    assert nearest_shape((1, 1), ("square", "0:0")) is None


@pytest.mark.parametrize(
    "size", ["large", "512", "512x", "x512", "0x0", "-1x5", "512x512 px", "1e3x5", "٣x٣", "100000x5"]
)
def test_what_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(InvalidRequest) as told:
        size_options(size, able(*GRID), None, Operation.GENERATE)
    assert told.value.problems[0].field == "size"

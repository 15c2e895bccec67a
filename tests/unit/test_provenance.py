"""What a picture says of its making: put in by the marker, read back with its settings, and never in the way of a picture."""

import io
import json
import struct
import zlib

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from contracts.samples import NOON, a_job, a_request, png
from imaging_core.images import Generated, GeneratedImage, ImageRequest, InputImage, Operation
from imaging_core.infotext import parse
from imaging_core.infotext_names import settings_in
from imaging_core.jobs import Job
from imaging_core.marking import Marks, read_marks, with_marks
from imaging_core.provenance import Marker, Provenance, provenance_of

MARKER = Marker(version="1.2.3")


def generated(kind: str = "PNG", count: int = 1, seed: int = 7, **changes: object) -> Generated:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (9, 8, 7)).save(out, kind)
    images = tuple(
        GeneratedImage(data=out.getvalue(), media_type=f"image/{kind.lower()}", width=64, height=48, seed=seed + k)
        for k in range(count)
    )
    return Generated(images=tuple(attrs.evolve(image, **changes) for image in images), credits=3.0)  # type: ignore[arg-type]


def job_for(request: ImageRequest) -> Job:
    return a_job(request=request, backend="local", owner="key-of-somebody")


def only(marked: Generated) -> bytes:
    (image,) = marked.images
    return image.data


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_says_how_it_was_made(kind: str) -> None:
    request = ImageRequest(
        prompt="a lighthouse,\nat dusk",
        negative_prompt="people",
        checkpoint="v1-5",
        sampler="Euler a",
        scheduler="Karras",
        steps=20,
        cfg_scale=7.0,
        width=64,
        height=48,
        seed=7,
        count=4,
        batch_size=2,
        options={"clip_skip": 2, "styles": ("one", "two"), "enable_hr": False},
    )
    job = job_for(request)

    told = provenance_of(only(MARKER(job, 3, generated(kind, seed=10))))

    assert told.parameters == (
        "a lighthouse,\nat dusk\nNegative prompt: people\nSteps: 20, Sampler: Euler a, Schedule type: Karras, CFG scale: 7.0, "
        "Seed: 10, Size: 64x48, Model: v1-5, Clip skip: 2, Version: imaging 1.2.3"
    )
    assert told.record == {
        "schema": 1,
        "service": "imaging",
        "version": "1.2.3",
        "job_id": job.id,
        "index": 3,
        "backend": "local",
        "operation": "generate",
        "asked_at": "2026-03-01T12:00:00.000000+00:00",
        "settings": {
            "prompt": "a lighthouse,\nat dusk",
            "negative_prompt": "people",
            "checkpoint": "v1-5",
            "sampler": "Euler a",
            "scheduler": "Karras",
            "steps": 20,
            "cfg_scale": 7.0,
            "width": 64,
            "height": 48,
            "seed": 10,
            "clip_skip": 2,
            "styles": ["one", "two"],
            "enable_hr": False,
        },
    }
    assert told.settings == {**told.record["settings"], "styles": ("one", "two")}


def test_who_asked_is_not_in_it() -> None:
    marked = only(MARKER(job_for(a_request()), 0, generated()))

    assert b"key-of-somebody" not in marked
    assert NOON.isoformat().encode()[:10] in marked


def test_each_picture_of_a_call_has_its_own_seed_and_place() -> None:
    marked = MARKER(job_for(a_request()), 4, generated(count=3, seed=100))

    told = [provenance_of(image.data) for image in marked.images]

    assert [p.record["index"] for p in told if p.record] == [4, 5, 6]
    assert [p.settings["seed"] for p in told if p.settings] == [100, 101, 102]
    assert marked.credits == 3.0


def test_what_the_webui_wrote_stays_and_the_record_comes_beside_it() -> None:
    theirs = "a cat\nSteps: 3, Sampler: Euler, Schedule type: Automatic, CFG scale: 7.0, Seed: 1, Size: 64x48, Version: v1.10.1"
    data = with_marks(only(generated()), Marks(parameters=theirs))

    told = provenance_of(only(MARKER(job_for(a_request()), 0, generated(data=data))))

    assert told.parameters == theirs
    assert told.record is not None


def test_a_filtered_picture_is_left_alone() -> None:
    filtered = generated(filtered=True)

    assert MARKER(job_for(a_request()), 0, filtered) == filtered


def test_a_picture_that_is_damaged_goes_on_as_it_is() -> None:
    damaged = generated(data=b"\x89PNG\r\n\x1a\nnothing more")

    assert MARKER(job_for(a_request()), 0, damaged) == damaged


def test_a_fault_of_the_marker_costs_no_picture(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> bytes:
        raise RuntimeError("the prompt was: secret words")

    monkeypatch.setattr("imaging_core.provenance.with_marks", broken)

    assert MARKER(job_for(a_request()), 0, generated()) == generated()
    assert "could not be marked" in caplog.text
    assert "secret words" not in "".join(r.getMessage() for r in caplog.records if r.levelname != "DEBUG")


def test_an_edit_tells_its_strength_but_not_its_picture() -> None:
    picture = InputImage(key="secret-key", media_type="image/png", size=1, sha256="a" * 64, width=64, height=48)
    request = ImageRequest(prompt="x", operation=Operation.EDIT, init_image=picture, strength=0.4)

    told = provenance_of(only(MARKER(job_for(request), 0, generated())))

    assert told.settings == {"prompt": "x", "seed": 7, "strength": 0.4}
    assert told.record is not None
    assert told.record["operation"] == "edit"
    assert parse(told.parameters or "").settings["Denoising strength"] == "0.4"
    assert "secret-key" not in json.dumps(told.record)


def test_hires_tells_the_size_before_it() -> None:
    options = {
        "enable_hr": True,
        "hr_scale": 1.5,
        "hr_upscaler": "Latent",
        "hr_second_pass_steps": 0,
        "denoising_strength": 0.7,
    }
    request = ImageRequest(prompt="x", steps=5, width=64, height=48, options=options)  # type: ignore[arg-type]

    told = provenance_of(only(MARKER(job_for(request), 0, generated(width=96, height=72))))

    assert told.parameters == (
        "x\nSteps: 5, Seed: 7, Size: 64x48, Denoising strength: 0.7, Hires upscale: 1.5, Hires upscaler: Latent, "
        "Version: imaging 1.2.3"
    )
    assert settings_in(parse(told.parameters)) == {
        "prompt": "x",
        "steps": 5,
        "seed": 7,
        "width": 64,
        "height": 48,
        "enable_hr": True,
        "hr_scale": 1.5,
        "hr_upscaler": "Latent",
        "denoising_strength": 0.7,
    }


def test_settings_come_from_the_text_where_there_is_no_record() -> None:
    text = (
        "a cat\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6, Seed: 1234, Size: 512x768, "
        "Model hash: 5b14b6f47c, Denoising strength: 0.75, Clip skip: 2, Style preset: anime, "
        'Lora hashes: "a: 1, b: 2", Version: f2.0.1'
    )

    told = provenance_of(with_marks(only(generated("WEBP")), Marks(parameters=text)))

    assert told == Provenance(
        parameters=text,
        record=None,
        settings={
            "prompt": "a cat",
            "steps": 20,
            "sampler": "DPM++ 2M",
            "scheduler": "Karras",
            "cfg_scale": 6.0,
            "seed": 1234,
            "width": 512,
            "height": 768,
            "checkpoint": "5b14b6f47c",
            "clip_skip": 2,
            "strength": 0.75,
            "style_preset": "anime",
        },
    )


@pytest.mark.parametrize(
    "line",
    [
        "Steps: many, Sampler: , CFG scale: nan, Seed: -1, Size: bigxhuge, Clip skip: 99999999999999",
        "Steps: ²³, Seed: 4294967295, Size: 123456x1, CFG scale: inf, Hires steps: 1.5",
    ],
)
def test_settings_that_make_no_sense_are_left_out(line: str) -> None:
    assert settings_in(parse(f"a cat\n{line}")) == {"prompt": "a cat"}


@pytest.mark.parametrize(
    "record", ["", "[1]", "nothing", "[" * 100_000, '{"settings": {"seed": NaN}}', "9" * 5000, '"text"']
)
def test_a_record_that_is_none_is_not_told(record: str) -> None:
    assert provenance_of(with_marks(png(), Marks(record=record))) == Provenance()


def test_of_a_strangers_record_only_settings_that_can_be_are_told() -> None:
    record = {
        "settings": {"seed": 5, "steps": None, "prompt": {"a": 1}, "styles": ["a", "b"], "mixed": [1, "a"], "on": True}
    }

    told = provenance_of(with_marks(png(), Marks(record=json.dumps(record))))

    assert told.settings == {"seed": 5, "styles": ("a", "b"), "on": True}


@given(st.binary(max_size=300))
def test_any_bytes_say_something_or_nothing(data: bytes) -> None:
    told = provenance_of(data)

    assert told.settings is None or isinstance(told.settings, dict)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200))
def test_any_prompt_comes_back_exactly(prompt: str) -> None:
    told = provenance_of(only(MARKER(job_for(ImageRequest(prompt=prompt or "x")), 0, generated())))

    assert told.settings is not None
    assert told.settings["prompt"] == (prompt or "x")


def test_a_picture_of_this_service_is_still_a_valid_png() -> None:
    data = only(MARKER(job_for(a_request()), 0, generated()))

    at, kinds = 8, []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        assert zlib.crc32(data[at + 4 : at + 8 + length]) == int.from_bytes(
            data[at + 8 + length : at + 12 + length], "big"
        )
        kinds.append(data[at + 4 : at + 8])
        at += 12 + length

    assert kinds == [b"IHDR", b"iTXt", b"iTXt", b"IDAT", b"IEND"]
    assert read_marks(data).record is not None

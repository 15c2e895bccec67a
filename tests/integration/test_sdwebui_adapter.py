"""What the WebUI adapter sends, what it makes of each answer, and how it stops its own tasks, on a real port."""

from collections.abc import Mapping

import attrs
import pytest

from adapters.sdwebui import SdWebuiGenerator
from fakes.sdwebui import FakeWebUI, launch
from imaging_core.errors import (
    AnswerLost,
    BadAnswer,
    CallFailed,
    CallRejected,
    Charged,
    FailureCode,
    GenerationError,
    InvalidRequest,
)
from sdwebui_setting import (
    REQUEST,
    a_call,
    generator,
    infotext,
    make,
    post,
    settings,
    shared,
    webui,
    with_options,
)

__all__ = ["generator", "shared", "webui"]


# --- what it offers --------------------------------------------------------------------------------------------------


async def test_the_lists_become_choices_with_their_other_spellings(generator: SdWebuiGenerator) -> None:
    capabilities = await generator.capabilities()

    def choices(name: str) -> tuple[str, ...]:
        parameter = capabilities.parameter(name)
        assert parameter is not None
        return parameter.choices

    assert choices("checkpoint") == ("tinyA", "tinyB")
    assert {"Euler a", "DPM++ 2M", "DDIM"} <= set(choices("sampler"))
    assert {"Automatic", "Karras"} <= set(choices("scheduler"))
    assert {"Latent", "Latent (nearest-exact)", "Lanczos"} <= set(choices("hr_upscaler"))
    assert choices("vae") == ("Automatic", "None", "tinyvae.safetensors")
    assert choices("styles") == ("mystyle",)

    other_spellings = attrs.evolve(REQUEST, checkpoint="tinyB.safetensors", sampler="k_euler_a", scheduler="karras")
    fitted = capabilities.fit(other_spellings)
    assert (fitted.checkpoint, fitted.sampler, fitted.scheduler) == ("tinyB", "Euler a", "Karras")


async def test_the_checkpoint_that_is_set_is_the_default(webui: FakeWebUI, generator: SdWebuiGenerator) -> None:
    webui.control(options={"sd_model_checkpoint": "tinyB"})

    fitted = (await generator.capabilities()).fit(REQUEST)

    assert fitted.checkpoint == "tinyB"


async def test_unknown_names_and_sizes_are_refused_before_queueing(generator: SdWebuiGenerator) -> None:
    wrong = attrs.evolve(REQUEST, checkpoint="nope", sampler="Nope", scheduler="Nope", steps=0, width=100)

    with pytest.raises(InvalidRequest) as refused:
        (await generator.capabilities()).fit(wrong)

    problems = {problem.field: problem.message for problem in refused.value.problems}
    assert set(problems) == {"checkpoint", "sampler", "scheduler", "steps", "width"}
    assert "tinyA, tinyB" in problems["checkpoint"]


async def test_a_server_before_1_9_has_no_schedulers() -> None:
    with launch("--version", "1.8.0") as old:
        async with SdWebuiGenerator(settings(old)) as generator:
            capabilities = await generator.capabilities()
            generated = await make(generator, a_call(attrs.evolve(REQUEST, sampler="DPM++ 2M Karras")))
        assert "scheduler" not in old.log()[0].body

    assert capabilities.parameter("scheduler") is None
    assert "Sampler: DPM++ 2M Karras" in infotext(generated)


# --- what it sends ---------------------------------------------------------------------------------------------------


async def test_every_setting_that_may_have_leaked_is_named_on_every_call(
    webui: FakeWebUI, generator: SdWebuiGenerator
) -> None:
    webui.control(options={"CLIP_stop_at_last_layers": 2, "sd_vae": "tinyvae.safetensors"})
    call = a_call(attrs.evolve(REQUEST, checkpoint="tinyB"))

    generated = await make(generator, call)

    sent = webui.log()[-1].body
    assert sent["override_settings"] == {
        "CLIP_stop_at_last_layers": 1,
        "sd_model_checkpoint": sent["override_settings"]["sd_model_checkpoint"],
        "sd_vae": "Automatic",
    }
    assert sent["override_settings"]["sd_model_checkpoint"].startswith("tinyB.safetensors")
    assert sent["override_settings_restore_afterwards"] is False
    assert sent["force_task_id"] == call.task_id
    assert "Clip skip" not in infotext(generated)
    assert "VAE" not in infotext(generated)


async def test_all_fields_reach_the_picture(generator: SdWebuiGenerator) -> None:
    request = attrs.evolve(
        REQUEST,
        negative_prompt="people",
        checkpoint="tinyB",
        sampler="Euler a",
        scheduler="Karras",
        steps=3,
        cfg_scale=5.5,
        width=72,
        height=128,
        options={"clip_skip": 2, "vae": "tinyvae.safetensors", "styles": ("mystyle",)},
    )

    generated = await make(generator, a_call(request, seed=99))

    text = infotext(generated)
    for part in (
        "a secretive lighthouse, oil painting\nNegative prompt: people, blurry\nSteps: 3, Sampler: Euler a, "
        "Schedule type: Karras, CFG scale: 5.5, Seed: 99, Size: 72x128",
        "Model: tinyB",
        "VAE: tinyvae.safetensors",
        "Clip skip: 2",
    ):
        assert part in text
    assert (generated.images[0].width, generated.images[0].height) == (72, 128)


async def test_hires_gives_the_larger_size(webui: FakeWebUI, generator: SdWebuiGenerator) -> None:
    request = with_options(enable_hr=True, hr_scale=1.7, hr_upscaler="Lanczos", hr_second_pass_steps=3)

    generated = await make(generator, a_call(request))

    assert (generated.images[0].width, generated.images[0].height) == (104, 104)
    assert "Denoising strength: 0.7, Hires upscale: 1.7, Hires steps: 3, Hires upscaler: Lanczos" in infotext(generated)


async def test_hires_beyond_the_limit_is_refused_before_it_is_sent(
    webui: FakeWebUI, generator: SdWebuiGenerator
) -> None:
    request = attrs.evolve(with_options(enable_hr=True, hr_scale=4.0), width=2048, height=2048)
    before = webui.control()["received"]

    with pytest.raises(CallRejected, match="8192 x 8192"):
        await make(generator, a_call(request))

    assert webui.control()["received"] == before


async def test_a_batch_comes_in_order_with_its_true_seeds(generator: SdWebuiGenerator) -> None:
    generated = await make(generator, a_call(images=3, seed=1000))

    assert [picture.seed for picture in generated.images] == [1000, 1001, 1002]
    assert ["Seed: 1001" in infotext(generated, k) for k in range(3)] == [False, True, False]


async def test_a_checkpoint_is_loaded_once_for_many_calls(webui: FakeWebUI, generator: SdWebuiGenerator) -> None:
    await make(generator, a_call(attrs.evolve(REQUEST, checkpoint="tinyA")))
    before = webui.control()["loads"]

    for _ in range(3):
        await make(generator, a_call(attrs.evolve(REQUEST, checkpoint="tinyB")))

    assert webui.control()["loads"] == before + 1
    assert webui.control()["loaded"] == "tinyB"


@pytest.mark.parametrize(("option", "media_type"), [("jpg", "image/jpeg"), ("webp", "image/webp")])
async def test_the_type_of_a_picture_is_read_off_its_bytes(
    webui: FakeWebUI, generator: SdWebuiGenerator, option: str, media_type: str
) -> None:
    webui.control(options={"samples_format": option})

    generated = await make(generator)

    assert generated.images[0].media_type == media_type


# --- what it makes of answers ----------------------------------------------------------------------------------------


async def test_pictures_that_an_extension_appends_are_no_pictures_of_the_job(
    webui: FakeWebUI, generator: SdWebuiGenerator
) -> None:
    webui.control(deliver={"how": "extra_image"})

    generated = await make(generator, a_call(images=2))

    assert len(generated.images) == 2


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("validation", (CallRejected, FailureCode.REJECTED, False, "steps (value is not a valid integer)")),
        ("refused", (CallFailed, FailureCode.BACKEND_ERROR, True, "Invalid encoded image")),
        ("exception", (CallFailed, FailureCode.BACKEND_ERROR, True, "RuntimeError")),
        ("nan", (CallFailed, FailureCode.BACKEND_ERROR, False, "--no-half-vae")),
        ("oom", (CallFailed, FailureCode.OUT_OF_MEMORY, False, "ran out of memory")),
    ],
)
async def test_each_shape_of_error_is_told_in_a_sentence(
    webui: FakeWebUI,
    generator: SdWebuiGenerator,
    shape: str,
    expected: tuple[type[GenerationError], FailureCode, bool, str],
) -> None:
    webui.control(fail={"shape": shape, "at": "middle"})

    with pytest.raises(GenerationError) as failed:
        await make(generator)

    kind, code, retryable, words = expected
    assert type(failed.value) is kind
    assert (failed.value.code, failed.value.retryable, failed.value.charged) == (code, retryable, Charged.NO)
    assert words in str(failed.value)


@pytest.mark.parametrize(
    ("how", "expected", "words"),
    [
        ("html502", AnswerLost, "status 502"),
        ("drop", AnswerLost, "broke the connection"),
        ("cut", AnswerLost, "broke the connection"),
        ("empty", BadAnswer, "no JSON object"),
        ("not_json", BadAnswer, "no JSON object"),
        ("truncated_base64", BadAnswer, "picture"),
        ("not_base64", BadAnswer, "no base64"),
        ("oversize", BadAnswer, "more than 32 MB"),
        ("gzip_bomb", BadAnswer, "encoding that was not asked for"),
        ("redirect", BadAnswer, "redirects elsewhere"),
        ("wrong_format", BadAnswer, "neither PNG, JPEG nor WebP"),
        ("wrong_size", BadAnswer, "24 x 40 px instead of 64 x 64"),
        ("huge_size", BadAnswer, "picture"),
        ("no_images", BadAnswer, "without pictures"),
        ("missing_image", CallFailed, "0 of 1 pictures"),
        ("no_info", BadAnswer, "without saying what it did"),
        ("bad_info", BadAnswer, "without saying what it did"),
    ],
)
async def test_an_answer_that_is_no_good_is_refused(
    webui: FakeWebUI, generator: SdWebuiGenerator, how: str, expected: type[GenerationError], words: str
) -> None:
    webui.control(deliver={"how": how})

    with pytest.raises(expected, match=words) as failed:
        await make(generator)

    assert type(failed.value) is expected
    assert "secretive" not in str(failed.value)


async def test_a_lost_answer_leaves_open_whether_the_job_runs(webui: FakeWebUI, generator: SdWebuiGenerator) -> None:
    webui.control(deliver={"how": "drop"})

    with pytest.raises(AnswerLost) as lost:
        await make(generator)

    assert lost.value.charged is Charged.UNKNOWN
    assert lost.value.retryable


@pytest.mark.parametrize("how", ["hang", "trickle"])
async def test_an_answer_that_never_ends_is_a_time_out(webui: FakeWebUI, how: str) -> None:
    webui.control(deliver={"how": how})

    async with SdWebuiGenerator(settings(webui, total_timeout_s=0.5)) as generator:
        with pytest.raises(AnswerLost) as late:
            await make(generator)

    assert late.value.code is FailureCode.TIMEOUT
    assert not late.value.retryable


async def test_a_job_that_takes_too_long_is_stopped(webui: FakeWebUI) -> None:
    webui.control(stall=True)

    async with SdWebuiGenerator(settings(webui, total_timeout_s=0.4)) as generator:
        call = a_call()
        with pytest.raises(AnswerLost):
            await make(generator, call)

    assert webui.control()["in_flight"] == 0
    assert webui.interrupts()[-1] == call.task_id


async def test_a_silent_fall_back_to_another_checkpoint_is_a_failure(webui: FakeWebUI) -> None:
    with launch("--checkpoints", "kept,lost") as server:
        async with SdWebuiGenerator(settings(server, lists_ttl_s=60.0)) as generator:
            await generator.capabilities()
            server.control(delete_checkpoint="lost")
            await post(server, "/sdapi/v1/refresh-checkpoints")

            with pytest.raises(BadAnswer, match="used the checkpoint 'kept' instead of 'lost'") as failed:
                await make(generator, a_call(attrs.evolve(REQUEST, checkpoint="lost")))
            with pytest.raises(CallRejected, match=r"no checkpoint named 'lost'\. It has: kept"):
                await make(generator, a_call(attrs.evolve(REQUEST, checkpoint="lost")))

    assert failed.value.code is FailureCode.NOT_AS_ASKED
    assert not failed.value.retryable


@pytest.mark.parametrize("field", [{"checkpoint": "nope"}, {"sampler": "Nope"}, {"scheduler": "Nope"}])
async def test_a_name_that_has_left_the_lists_is_refused_before_it_is_sent(
    webui: FakeWebUI, generator: SdWebuiGenerator, field: Mapping[str, str]
) -> None:
    before = webui.control()["received"]

    with pytest.raises(CallRejected, match="It has: "):
        await make(generator, a_call(attrs.evolve(REQUEST, **field)))  # type: ignore[arg-type]

    assert webui.control()["received"] == before


async def test_a_checkpoint_that_cannot_be_loaded_is_not_tried_again() -> None:
    with launch("--checkpoints", "tinyA,truncated") as server:
        async with SdWebuiGenerator(settings(server)) as generator:
            with pytest.raises(CallFailed, match="cannot load a model file") as failed:
                await make(generator, a_call(attrs.evolve(REQUEST, checkpoint="truncated")))

    assert not failed.value.retryable

"""The settings: names, aliases, and what a person reads when one is wrong."""

from pathlib import Path

import pytest

from entrypoints.container.pictures import picture_store
from entrypoints.settings import Settings, SettingsError, load_settings
from entrypoints.settings.s3 import bucket_and_prefix

SECRET = "sk-very-secret"


@pytest.fixture(autouse=True)
def nobody_elses_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in os.environ:
        if name.startswith(("IMAGING_", "STABILITY_", "REDIS_", "STABLE_", "SD_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def load(monkeypatch: pytest.MonkeyPatch, **environ: str) -> Settings:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.mark.parametrize("name", ["IMAGING_STABILITY_API_KEY", "STABILITY_KEY", "STABILITY_API_KEY"])
def test_the_stability_key_has_the_names_people_already_use(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = load(monkeypatch, **{name: SECRET}).stability_api_key

    assert key is not None
    assert key.get_secret_value() == SECRET


def test_webui_addresses_are_a_comma_list(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, STABLE_DIFFUSION_URL="http://a:7860/, http://b:7860")

    assert settings.sdwebui_urls == ("http://a:7860", "http://b:7860")
    assert settings.gate_limits["local"].slots == 2


def test_a_redis_url_is_put_together_from_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, REDIS_HOST="cache", REDIS_PORT="6380", REDIS_PASSWORD="a b@c", REDIS_DB="3")

    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://:a%20b%40c@cache:6380/3"


def test_an_empty_value_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, STABILITY_KEY="", IMAGING_SDWEBUI_URLS="", IMAGING_DEMO="")

    assert settings.stability_api_key is None
    assert settings.demo_by_default


def test_a_misspelt_name_is_refused_with_the_one_that_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"IMAGING_DATADIR.*Did you mean IMAGING_DATA_DIR"):
        load(monkeypatch, IMAGING_DATADIR="x")


def test_a_misspelt_name_in_the_env_file_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("IMAGING_DATADIR=x\nSTABILITY_KEY=sk-1\n")

    with pytest.raises(SettingsError, match="IMAGING_DATADIR"):
        load_settings()


def test_a_line_of_the_env_file_that_cannot_be_read_is_refused_by_its_place_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"something else's own line\n\nSTABILITY_KEY: {SECRET}\nIMAGING_PORT=8123\n")

    with pytest.raises(SettingsError) as refused:
        load_settings()

    assert str(refused.value) == ".env, line 3: is not NAME=VALUE."


def test_a_line_of_the_env_file_that_means_nothing_here_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("something else's own line\nIMAGING_PORT=8123\n")

    assert load_settings().port == 8123


def test_the_env_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STABILITY_KEY=sk-from-file\nIMAGING_PORT=8123\n")

    assert load_settings().port == 8123
    assert "stability" not in load_settings().unconfigured


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"IMAGING_PORT": "99999"}, "IMAGING_PORT"),
        ({"IMAGING_SDWEBUI_URLS": "localhost:7860"}, "http://host"),
        ({"IMAGING_SDWEBUI_URLS": f"http://u:{SECRET}@host"}, "IMAGING_SDWEBUI_AUTH"),
        ({"IMAGING_SDWEBUI_AUTH": SECRET}, "user:password"),
        ({"IMAGING_S3_ENDPOINT": "minio:9000"}, "http://host"),
        ({"IMAGING_LEASE_S": "0"}, "IMAGING_LEASE_S"),
        ({"IMAGING_ON_CRASH": "maybe"}, "retry"),
        ({"IMAGING_LEASE_S": "4", "IMAGING_HEARTBEAT_S": "5"}, "IMAGING_HEARTBEAT_S"),
    ],
)
def test_a_wrong_value_is_named_and_a_secret_is_not_repeated(
    environ: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError) as wrong:
        load(monkeypatch, **environ)

    assert named in str(wrong.value)
    assert SECRET not in str(wrong.value)


def test_secrets_hide_in_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch,
        STABILITY_KEY=SECRET,
        IMAGING_REDIS_URL=f"redis://:{SECRET}@h/0",
        IMAGING_SDWEBUI_AUTH=f"u:{SECRET}",
        AWS_ACCESS_KEY_ID=SECRET,
        AWS_SECRET_ACCESS_KEY=SECRET,
    )

    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("host", "opens"),
    [("127.0.0.1", False), ("::1", False), ("localhost", False), ("0.0.0.0", True), ("::", True), ("a.example", True)],
)
def test_a_door_beyond_loopback_is_known_as_open(host: str, opens: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, IMAGING_HOST=host).opens_to_network is opens


def test_auto_means_the_demo_where_nothing_else_is_set_up_and_nobody_ordered_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load(monkeypatch).auto.order == ("local", "stability")
    assert load(monkeypatch, IMAGING_DEMO="1").auto.order == ("demo",)
    assert load(monkeypatch).model_copy(update={"demo": True}).auto.order == ("demo",)
    assert load(monkeypatch, IMAGING_AUTO_ORDER="stability").auto.order == ("stability",)
    monkeypatch.delenv("IMAGING_AUTO_ORDER")
    assert load(monkeypatch, STABILITY_KEY=SECRET).auto.order == ("local", "stability")


def test_images_go_to_the_demo_only_while_it_is_on_and_no_key_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().images_backend == "stability"
    assert load_settings(demo=True).images_backend == "demo"
    assert load(monkeypatch, STABILITY_KEY=SECRET, IMAGING_DEMO="1").images_backend == "stability"


def test_every_setting_stands_in_the_readme() -> None:
    table = (Path(__file__).parents[2] / "README.md").read_text()

    assert {name for name in Settings.model_fields if f"`IMAGING_{name.upper()}`" not in table} == set()
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("s3://pictures", ("pictures", "")),
        ("s3://my.pictures-1/some/where/", ("my.pictures-1", "some/where")),
        ("/srv/s3:/x", None),
        (None, None),
    ],
)
def test_a_bucket_is_named_by_its_address(url: str | None, named: tuple[str, str] | None) -> None:
    assert bucket_and_prefix(url) == named


@pytest.mark.parametrize(
    "url", ["s3://", "s3://UPPER", "s3://k:s@bucket", "s3://b/a//b", "s3://bu/../x", "s3://bucket?x=1"]
)
def test_what_is_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must be s3://bucket"):
        bucket_and_prefix(url)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"AWS_ACCESS_KEY_ID": SECRET}, "IMAGING_S3_SECRET_ACCESS_KEY: set both"),
        ({"IMAGING_STORAGE_URL": f"s3://{SECRET}:x@bucket"}, "IMAGING_STORAGE_URL: must be s3://bucket"),
        ({"IMAGING_STORAGE_URL": "gs://bucket"}, "IMAGING_STORAGE_URL: must be a folder"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_said_when_pictures_are_to_go_there(
    environ: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(monkeypatch, **{"IMAGING_STORAGE_URL": "s3://bucket", **environ})

    with pytest.raises(SettingsError, match=named) as wrong:
        picture_store(settings)
    assert SECRET not in str(wrong.value)


def test_amazons_names_do_not_concern_who_keeps_pictures_in_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    store = picture_store(load(monkeypatch, AWS_ACCESS_KEY_ID=SECRET, IMAGING_STORAGE_URL="/srv/pictures"))

    assert store.root == "/srv/pictures"

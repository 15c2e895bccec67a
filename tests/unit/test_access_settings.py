"""Settings of who may come in: what a person reads when one is wrong, and what stays hidden."""

from pathlib import Path

import pytest

from entrypoints import gui_process
from entrypoints.settings import SettingsError, load_settings

KEY = "a-secret-of-enough-length-1"


@pytest.fixture(autouse=True)
def nobody_elses_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in os.environ:
        if name.startswith(("IMAGING_", "STABILITY_", "REDIS_", "STABLE_", "SD_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGING_API_KEYS", "too-short"),
        ("IMAGING_API_KEYS", f"{KEY},has a space in it and is long"),
        ("IMAGING_ALLOWED_HOSTS", "http://host.example/path"),
        ("IMAGING_CORS_ORIGINS", "host.example"),
        ("IMAGING_CORS_ORIGINS", "https://host.example/path"),
        ("IMAGING_TRUSTED_PROXIES", "some-proxy"),
        ("IMAGING_ROOT_PATH", "some-path"),
        ("IMAGING_ROOT_PATH", "/some path"),
        ("IMAGING_CREDITS_PER_DAY", "-17"),
    ],
)
def test_a_wrong_setting_is_named_and_not_repeated(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert str(caught.value).startswith(f"{name}: ")
    assert value not in str(caught.value)


def test_lists_are_split_and_keys_stay_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGING_API_KEYS", f" {KEY} , {KEY}2,")
    monkeypatch.setenv("IMAGING_API_KEY", KEY)
    monkeypatch.setenv("IMAGING_ALLOWED_HOSTS", "Images.example.org,*.lan")
    monkeypatch.setenv("IMAGING_CORS_ORIGINS", "https://a.example, http://localhost:3000")
    monkeypatch.setenv("IMAGING_TRUSTED_PROXIES", "10.0.0.2,172.16.0.0/12, ::1")
    monkeypatch.setenv("IMAGING_ROOT_PATH", "/imaging/")
    settings = load_settings()

    assert [key.get_secret_value() for key in settings.api_keys] == [KEY, f"{KEY}2"]
    assert settings.allowed_hosts == ("images.example.org", "*.lan")
    assert settings.cors_origins == ("https://a.example", "http://localhost:3000")
    assert settings.trusted_proxies == ("10.0.0.2", "172.16.0.0/12", "::1")
    assert settings.root_path == "/imaging"
    assert KEY not in repr(settings)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, {"localhost", "127.0.0.1", "::1"}),
        ({"IMAGING_HOST": "0.0.0.0"}, set()),
        ({"IMAGING_ALLOWED_HOSTS": "*.lan"}, {"*.lan", "localhost", "127.0.0.1", "::1"}),
        (
            {"IMAGING_HOST": "0.0.0.0", "IMAGING_ALLOWED_HOSTS": "a.example"},
            {"a.example", "localhost", "127.0.0.1", "::1", "0.0.0.0"},
        ),
    ],
)
def test_the_page_answers_to_the_same_names_as_the_api(
    settings: dict[str, str], names: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    found = load_settings()

    flags = [flag for flag in gui_process.command(found) if flag.startswith("--server.allowedHosts=")]
    assert {flag.partition("=")[2] for flag in flags} == names
    assert {name.strip("[]") for name in found.our_names} == names

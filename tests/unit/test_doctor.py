"""What `imaging doctor` says of settings that are wrong; imports pytest and the command."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from entrypoints.doctor import run_doctor
from entrypoints.settings import Settings


@pytest.mark.parametrize("url", ["http://:s3cret@host", "redis://:s3cret@host:port/0"])
async def test_a_redis_url_that_is_none_is_a_sentence_at_every_part_that_needs_it(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data_dir=tmp_path, redis_url=SecretStr(url))

    assert await run_doctor(settings) == 1

    told = capsys.readouterr().out
    for part in ("Redis (jobs)", "Workers", "Redis (doorbell)"):
        assert f"FAIL {part}: IMAGING_REDIS_URL" in told
    assert "s3cret" not in told


async def test_a_redis_url_without_a_database_next_to_it_names_its_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data_dir=tmp_path, redis_url=SecretStr("redis://:s3cret@127.0.0.1:1/x"))

    assert await run_doctor(settings) == 1

    told = capsys.readouterr().out
    assert "FAIL Redis (doorbell): IMAGING_REDIS_URL is not a URL" in told
    assert "s3cret" not in told


async def test_a_key_that_cannot_be_one_is_a_sentence_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(data_dir=tmp_path, stability_api_key=SecretStr("sk-s3 cret"))

    assert await run_doctor(settings) == 1

    told = capsys.readouterr().out
    assert "FAIL Backend stability: The Stability API key must be visible ASCII characters" in told
    assert "s3 cret" not in told

"""What the command line says of itself, and what the doctor says of the settings."""

from pathlib import Path

import pytest

from imaging_command import imaging


def test_every_command_is_told_in_a_line_that_is_not_cut_off(tmp_path: Path) -> None:
    for command in ((), ("keys",)):
        told = imaging(tmp_path, *command, "--help")
        assert told.returncode == 0
        assert "Commands:" in told.stdout
        assert "..." not in told.stdout.replace("[ARGS]...", "")


def test_every_option_says_what_it_is(tmp_path: Path) -> None:
    commands = [
        line.split()[0] for line in imaging(tmp_path, "-h").stdout.partition("Commands:")[2].splitlines() if line
    ]
    assert "generate" in commands
    for command in commands:
        lines = imaging(tmp_path, command, "--help").stdout.partition("Options:")[2].splitlines()
        for number, line in enumerate(lines):
            if line.strip().startswith("-"):
                # A long name has its words on the next line.
                words = line.strip().split("  ", 1)
                assert len(words) == 2 or lines[number + 1].startswith("     "), (command, line)


@pytest.mark.parametrize("asked", ["--version", "version"])
def test_the_version_is_told_in_both_ways_people_try(tmp_path: Path, asked: str) -> None:
    told = imaging(tmp_path, asked)
    assert (told.returncode, told.stdout.count("\n")) == (0, 1)


def test_the_doctor_says_what_is_set_and_all_only_when_asked(tmp_path: Path) -> None:
    told = imaging(tmp_path, "doctor", IMAGING_PORT="8123").stdout
    assert " * IMAGING_DATA_DIR " in told
    assert " * IMAGING_PORT                     8123\n" in told
    assert "IMAGING_LEASE_S" not in told
    assert "--all" in told
    whole = imaging(tmp_path, "doctor", "--all", IMAGING_PORT="8123").stdout
    assert "   IMAGING_LEASE_S                  15.0\n" in whole
    assert " * IMAGING_PORT                     8123\n" in whole


def test_the_doctor_says_when_the_demo_is_on_by_itself(tmp_path: Path) -> None:
    by_itself = "`imaging up` draws with"
    assert by_itself in imaging(tmp_path, "doctor").stdout
    off = imaging(tmp_path, "doctor", IMAGING_DEMO="0").stdout
    assert by_itself not in off
    assert "set IMAGING_DEMO=1" in off

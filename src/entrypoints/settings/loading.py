"""Reads the settings from the environment and .env, and says what is wrong with them; imports pydantic and dotenv."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dotenv import dotenv_values
from dotenv.parser import Original, parse_stream
from pydantic import SecretStr, ValidationError

from entrypoints.settings.settings import PREFIX, Settings


class SettingsError(Exception):
    """A setting is wrong or unknown; the text names each one and says what would be right, never a secret's value."""


def load_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """The settings as the environment and .env give them; keyword arguments (from the command line) win.

    Raises SettingsError that names every wrong or unknown setting.
    """
    environ = os.environ if environ is None else environ
    _refuse_unreadable()
    in_file = {name.upper(): value or "" for name, value in dotenv_values(".env").items()}
    environ = {**in_file, **environ}
    _refuse_unknown(environ)
    given = {name: value for name, value in overrides.items() if value is not None}
    if "redis_url" not in given and not environ.get("IMAGING_REDIS_URL"):
        given |= _redis_from_parts(environ)
    try:
        return Settings(**given)
    except ValidationError as error:
        # Only names and messages: the input of a wrong setting may be a secret.
        lines = [
            f"{_env_name(e['loc'])}{e['msg'].removeprefix('Value error, ')}" for e in error.errors(include_input=False)
        ]
        raise SettingsError("\n".join(lines)) from None


def _refuse_unreadable() -> None:
    """python-dotenv passes over such lines with a warning that nobody sees, and the setting is not in force."""
    file = Path(".env")
    if not file.is_file():
        return
    with file.open(encoding="utf-8") as text:
        unread = [each.original for each in parse_stream(text) if each.error]
    # Others' lines are theirs. Never the line itself: it may hold a secret.
    lines = [_place(each) for each in unread if any(name in each.string for name in (PREFIX, "STABILITY_", "REDIS_"))]
    if lines:
        raise SettingsError("\n".join(f".env, line {line}: is not NAME=VALUE." for line in lines))


def _place(original: Original) -> int:
    """Its line; the parser counts from the empty ones before it."""
    text = original.string
    return original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _env_name(location: tuple[int | str, ...]) -> str:
    if not location:
        return ""
    name = str(location[0])
    return f"{name if name.isupper() else PREFIX + name.upper()}: "


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    lines = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            lines.append(f"{name}: there is no such setting.{hint}")
    if lines:
        raise SettingsError("\n".join(lines))


def _redis_from_parts(environ: Mapping[str, str]) -> dict[str, SecretStr]:
    """A Redis URL from REDIS_URL, or from REDIS_HOST, REDIS_PORT, REDIS_PASSWORD and REDIS_DB."""
    if url := environ.get("REDIS_URL"):
        return {"redis_url": SecretStr(url)}
    if host := environ.get("REDIS_HOST"):
        password = environ.get("REDIS_PASSWORD", "")
        auth = f":{quote(password, safe='')}@" if password else ""
        port, database = environ.get("REDIS_PORT") or "6379", environ.get("REDIS_DB") or "0"
        return {"redis_url": SecretStr(f"redis://{auth}{host}:{port}/{database}")}
    return {}

"""The text that AUTOMATIC1111's WebUI puts into its pictures, written and read as it does; imports stdlib and attrs.

a lighthouse at dusk
Negative prompt: people
Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.0, Seed: 42, Size: 512x512, Model: v1-5, Version: v1.10.1

Its way of reading loses some things, which are therefore lost here too: every line is stripped, blank lines at the beginning go,
and a line of the prompt that begins with "Negative prompt:" ends it.
"""

import json
import re
from collections.abc import Mapping

import attrs

_NEGATIVE = "Negative prompt:"
#: A last line with fewer settings than this is taken for a line of the prompt.
_LEAST = 3
#: Longest last line that is searched for settings, in characters: real ones have some thousand, and the search holds up all
#: other threads while it goes on.
_LONGEST = 1 << 16
#: "name: value" up to a comma. Names are bounded here, as no real one is longer and the search would be quadratic.
_SETTING = re.compile(r'(\w[\w /-]{1,79}+):\s*("(?:[^"\\]|\\.)++"(?=,|$)|[^,]*)(?:,|$)')


@attrs.frozen(kw_only=True)
class Infotext:
    """What such a text says."""

    prompt: str = ""
    negative_prompt: str = ""
    #: The last line, in its order and by the WebUI's names ("CFG scale"), all text.
    settings: Mapping[str, str] = attrs.field(factory=dict)

    def text(self) -> str:
        """The text; a setting's name must be one that `parse` can read: letters first, no comma and no colon."""
        lines = [self.prompt]
        if self.negative_prompt:
            lines.append(f"{_NEGATIVE} {self.negative_prompt}")
        lines.append(", ".join(_written(name, value) for name, value in self.settings.items()))
        return "\n".join(lines).strip()


def parse(text: str) -> Infotext:
    """What a text says; any text at all says something, if need be that it is all prompt."""
    *lines, last = text.strip().split("\n")
    found = _SETTING.findall(last) if len(last) <= _LONGEST else []
    if len(found) < _LEAST:
        lines, found = [*lines, last], []
    prompt: list[str] = []
    negative: list[str] = []
    part = prompt
    for line in map(str.strip, lines):
        if line.startswith(_NEGATIVE):
            part = negative
            line = line.removeprefix(_NEGATIVE).strip()  # noqa: PLW2901  # the rest of it is the first line
        # Blank lines count from the first line that is not blank.
        if line or part:
            part.append(line)
    settings = {name: _unquoted(value) for name, value in found if value}
    return Infotext(prompt="\n".join(prompt), negative_prompt="\n".join(negative), settings=settings)


def _written(name: str, value: str) -> str:
    # The WebUI writes a setting whose value is its own name as the name alone, and reads it as nothing.
    return name if name == value else f"{name}: {_quoted(value)}"


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if any(c in value for c in ",\n:") else value


def _unquoted(value: str) -> str:
    if value[0] == value[-1] == '"' and len(value) > 1:
        try:
            inner = json.loads(value)
        except ValueError:
            return value
        return inner if isinstance(inner, str) else value
    return value

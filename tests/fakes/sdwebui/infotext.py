"""Writes the text that travels with every picture, reads it back for /png-info, and rewrites prompts before a job.

May import the standard library and this package's records.
"""

from __future__ import annotations

import json
import re
from typing import Any

from fakes.sdwebui import recorded

_PARAMETER = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_LORA = re.compile(r"<lora:([^:>]+)[^>]*>")
#: Hashes of the two extra networks of the recorded server.
_LORAS = {"tinylora": "3a631bf3d940"}
_EMBEDDINGS = {"tinyemb": "8a7869b4d72f"}


def without_comments(text: str) -> str:
    """The prompt as the built-in comments extension leaves it: `#` to the end of the line is gone."""
    text = re.sub(r"(^|\n)#[^\n]*(\n|$)", "\n", text)
    return re.sub(r"#[^\n]*(\n|$)", "\n", text)


def styled(prompt: str, negative: str, names: list[str], styles: list[dict[str, Any]]) -> tuple[str, str]:
    """Both prompts with the named styles merged in; unknown names do nothing."""
    for name in names:
        style = next((s for s in styles if s["name"] == name), None)
        if style:
            prompt = _merge(style["prompt"] or "", prompt)
            negative = _merge(style["negative_prompt"] or "", negative)
    return prompt, negative


def _merge(style: str, prompt: str) -> str:
    if "{prompt}" in style:
        return style.replace("{prompt}", prompt)
    return ", ".join(part for part in (prompt.strip(), style.strip()) if part)


def networks(prompt: str) -> dict[str, str]:
    """The hashes of the LoRAs and embeddings a prompt really used."""
    found = {}
    if loras := [f"{name}: {_LORAS[name]}" for name in _LORA.findall(prompt) if name in _LORAS]:
        found["Lora hashes"] = ", ".join(loras)
    if embeddings := [f"{name}: {digest}" for name, digest in _EMBEDDINGS.items() if name in prompt.split()]:
        found["TI hashes"] = ", ".join(embeddings)
    return found


def write(prompt: str, negative: str, parameters: dict[str, Any]) -> str:
    """The infotext; parameters that are None are left out."""
    line = ", ".join(f"{key}: {_quoted(value)}" for key, value in parameters.items() if value is not None)
    text = f"{prompt}\nNegative prompt: {negative}" if negative else prompt
    return f"{text}\n{line}".strip()


def _quoted(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(c in text for c in ",\n:") else text


def read(text: str) -> dict[str, Any]:
    """The body of `parameters` in /png-info: what the text says over the defaults of what it does not say."""
    result: dict[str, Any] = {}
    if text:
        *prompts, last = text.strip().split("\n")
        for key, value in _PARAMETER.findall(last):
            plain = json.loads(value) if value.startswith('"') else value
            if size := re.fullmatch(r"(\d+)x(\d+)", plain):
                result[f"{key}-1"], result[f"{key}-2"] = size.groups()
            else:
                result[key] = plain
        positive, _, negative = "\n".join(prompts).partition("\nNegative prompt: ")
        result |= {"Prompt": positive, "Negative prompt": negative}
    defaults: dict[str, Any] = recorded.body("png-info_no_metadata")["parameters"]
    return result | {key: value for key, value in defaults.items() if key not in result}

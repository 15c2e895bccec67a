"""The job of the straightforward design: one blocking request, then a file."""

import os
from pathlib import Path

import requests


def make_image(image_id: str, prompt: str) -> None:
    """Ask the provider and write what it gives."""
    answer = requests.post(
        os.environ["BASELINE_STABILITY"] + "/v2beta/stable-image/generate/core",
        headers={"authorization": "Bearer " + os.environ["BASELINE_KEY"], "accept": "image/*"},
        files={"none": ""},
        data={"prompt": prompt, "output_format": "png"},
        timeout=180,
    )
    answer.raise_for_status()
    (Path(os.environ["BASELINE_FOLDER"]) / f"{image_id}.png").write_bytes(answer.content)

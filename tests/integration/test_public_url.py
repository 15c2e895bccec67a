"""Links that leave the service begin with its public address, whatever address a request came to."""

import pytest
from pydantic import ValidationError

from api_setting import RunningApi
from entrypoints.settings import Settings

PUBLIC = "https://pictures.example.org/imaging"


def test_openais_url_answers_begin_with_it_and_lead_to_the_picture() -> None:
    with RunningApi(public_url=PUBLIC).serving() as api, api.client() as client:
        asked = {"prompt": "a lighthouse", "response_format": "url", "model": "stability"}
        answer = client.post("/v1/images/generations", json=asked)

        assert answer.status_code == 200, answer.text
        url = answer.json()["data"][0]["url"]
        assert url.startswith(f"{PUBLIC}/image/{answer.headers['x-job-id']}?")
        # A proxy takes the path away that it shows the service below.
        assert client.get(url.removeprefix(PUBLIC)).status_code == 200


@pytest.mark.parametrize("url", ["pictures.example.org", "ftp://pictures.example.org", "https://user:pass@example.org"])
def test_what_is_no_address_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        Settings(public_url=url)

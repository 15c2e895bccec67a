"""Files within the page itself, which no other question has to bring; imports stdlib."""

import base64


def data_url(data: bytes, media_type: str) -> str:
    """The address that is the file."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"

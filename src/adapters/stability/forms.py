"""A call's form as the API reads it; imports the standard library and this folder.

Every part has a quoted name and no type unless it is a file: a form without files is wanted like this too.
"""

import secrets
from collections.abc import Mapping

from adapters.stability.pictures import FilePart


def multipart(fields: Mapping[str, str], files: Mapping[str, FilePart]) -> tuple[str, bytes]:
    """The media type and the bytes of a form, in one piece. Names, of fields and of files, are ours and plain."""
    boundary = secrets.token_hex(16)
    parts: list[bytes] = []
    for name, text in fields.items():
        parts += [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()]
    for name, (file_name, data, media_type) in files.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        parts += [f"{head}Content-Type: {media_type}\r\n\r\n".encode(), data, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)

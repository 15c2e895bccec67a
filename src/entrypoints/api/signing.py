"""Links to pictures that need no key: signed, for one picture, and good for a while; imports stdlib.

A browser's <img> and a client of OpenAI's API fetch an address and send no header of ours. The signature covers the job, the
picture's index and the end, so that none of these can be changed. It opens that picture, whole or small and in any format, and
no other path knows links at all.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Sequence

#: Longest life of a link, in s.
MAX_TTL_S = 7 * 86_400
#: The name of the secret that signs, among the service's own.
SECRET = "picture-links"  # noqa: S105  # a name

_PATH = re.compile(r"/image/([0-9a-f]{32})(?:/thumbnail)?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNED = ("index", "expires", "signature")


class PictureSigner:
    """Makes links and knows its own."""

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        """`secret` is the same in every process of a service, so that each knows the others' links."""
        self._secret = secret
        self._clock = clock

    @classmethod
    def of_this_process(cls) -> "PictureSigner":
        """One whose links no other process knows."""
        return cls(secrets.token_bytes(32))

    def sign(self, job_id: str, index: int = 0, ttl_s: float = 3600.0, *, thumbnail: bool = False) -> str:
        """The path and query of a link to a picture, or to its thumbnail, without any root path.

        It is good for `ttl_s` s, `MAX_TTL_S` at most. One signature is good for both: they show the same picture.
        """
        expires = int(self._clock() + min(ttl_s, MAX_TTL_S))
        path = f"/image/{job_id}/thumbnail" if thumbnail else f"/image/{job_id}"
        return f"{path}?index={index}&expires={expires}&signature={self._signature(job_id, index, expires)}"

    def knows(self, path: str, query: Sequence[tuple[str, str]]) -> bool:
        """Whether that is a link of ours that is still good; whatever else the query says is not looked at."""
        match = _PATH.fullmatch(path)
        values = [[value for name, value in query if name == wanted] for wanted in _SIGNED]
        # Said twice, a value could be one thing here and another at the door.
        if match is None or any(len(told) != 1 for told in values):
            return False
        index, expires, signature = (told[0] for told in values)
        if not (_NUMBER.fullmatch(index) and _NUMBER.fullmatch(expires) and signature.isascii()):
            return False
        genuine = hmac.compare_digest(self._signature(match[1], int(index), int(expires)), signature)
        return genuine and self._clock() < int(expires) <= self._clock() + MAX_TTL_S

    def _signature(self, job_id: str, index: int, expires: int) -> str:
        message = f"image\n{job_id}\n{index}\n{expires}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()

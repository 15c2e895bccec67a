"""An S3 endpoint of the tests' own: moto's server, which keeps to If-None-Match, as a process on a free port, by default of
the loopback address.

A bucket whose name begins with a word of `REFUSALS` answers every request with that refusal, as a real one does that is full,
locked, elsewhere or overwhelmed; `careless-` overwrites in spite of If-None-Match. May import the standard library, attrs, pytest,
moto, werkzeug and the adapter under test.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import obstore
import pytest

from adapters.s3 import S3Credentials, S3Place

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#: By the word with which the bucket's name begins: what it answers, and to which methods.
REFUSALS: dict[str, tuple[str, str, frozenset[str]]] = {
    word: (status, f"<Error><Code>{code}</Code><Message>No.</Message>{more}</Error>", frozenset(methods.split()))
    for word, status, code, more, methods in (
        ("full", "507 Insufficient Storage", "XMinioStorageFull", "", "PUT POST"),
        ("locked", "403 Forbidden", "AccessDenied", "", "GET HEAD PUT POST DELETE"),
        ("stranger", "403 Forbidden", "InvalidAccessKeyId", f"<AWSAccessKeyId>{KEY}</AWSAccessKeyId>", "GET PUT POST"),
        ("expired", "400 Bad Request", "ExpiredToken", f"<Token-0>{SECRET}</Token-0>", "GET PUT POST"),
        ("skewed", "403 Forbidden", "RequestTimeTooSkewed", "", "GET PUT POST"),
        ("slow", "503 Slow Down", "SlowDown", "", "GET PUT POST"),
        ("moved", "301 Moved Permanently", "PermanentRedirect", "<Endpoint>elsewhere</Endpoint>", "GET PUT POST"),
        (
            "foreign",
            "400 Bad Request",
            "AuthorizationHeaderMalformed",
            "<Region>eu-central-1</Region>",
            "GET HEAD PUT POST DELETE",
        ),
        ("broken", "500 Internal Server Error", "InternalError", "", "GET PUT POST"),
        ("simple", "501 Not Implemented", "NotImplemented", "", "PUT"),
    )
}


class S3Endpoint:
    """The endpoint while in the block; everything is gone with it."""

    def __init__(self, address: str = "127.0.0.1", *, within: Sequence[str] = ()) -> None:
        """`within` is what the command line begins with, to run it in another place; `address` is its own there."""
        self._address = address
        self._within = within
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        """Start it on a free port; returns when it answers."""
        tests = Path(__file__).parent
        self._process = subprocess.Popen(
            [*self._within, sys.executable, str(Path(__file__).resolve()), self._address],
            env={**os.environ, "PYTHONPATH": f"{tests.parent / 'src'}{os.pathsep}{tests}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("the S3 endpoint did not start")

    def freeze(self) -> None:
        """Stop its clock (SIGSTOP): connections are still accepted by the kernel, nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def bucket(self, name: str) -> str:
        """A new bucket whose name begins with that word."""
        bucket = f"{name}-{secrets.token_hex(4)}"
        request = urllib.request.Request(f"{self.url}/{bucket}", method="PUT", headers={"X-Make": "1"})  # noqa: S310
        with urllib.request.urlopen(request) as answer:  # noqa: S310  # loopback
            assert answer.status == 200
        return bucket

    def place(self, name: str = "pictures", prefix: str = "some/where") -> S3Place:
        """A place in a new bucket, with credentials for it."""
        return S3Place(
            bucket=self.bucket(name),
            prefix=prefix,
            endpoint=self.url,
            region="us-east-1",
            credentials=S3Credentials(access_key_id=KEY, secret_access_key=SECRET),
        )


def keys(place: S3Place) -> list[str]:
    """Every key of the bucket, the prefix included."""
    whole_bucket = attrs.evolve(place, prefix="").client()
    return sorted(meta["path"] for page in obstore.list(whole_bucket) for meta in page)


_SHARED = pytest.StashKey[S3Endpoint]()


def shared_endpoint(config: pytest.Config) -> S3Endpoint:
    """The endpoint that all tests of a session share, each with a bucket of its own; started by the first."""
    if _SHARED not in config.stash:
        endpoint = S3Endpoint()
        endpoint.start()
        config.stash[_SHARED] = endpoint
        config.add_cleanup(endpoint.close)
    return config.stash[_SHARED]


# --- the process -------------------------------------------------------------------------------------------


def _with_refusals(app: Any) -> Any:
    def refusing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        bucket = environ["PATH_INFO"].split("/")[1]
        word = bucket.partition("-")[0]
        if word == "careless":
            environ.pop("HTTP_IF_NONE_MATCH", None)
        if word in REFUSALS and not environ.get("HTTP_X_MAKE"):
            status, body, methods = REFUSALS[word]
            if environ["REQUEST_METHOD"] in methods:
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
                return [body.encode()]
        answer: Iterable[bytes] = app(environ, start_response)
        return answer

    return refusing


def _serve(address: str) -> None:
    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = _with_refusals(DomainDispatcherApplication(create_backend_app))
    server = make_server(address, 0, app, threaded=True)
    sys.stdout.write(f"http://{address}:{server.port}\n")
    sys.stdout.flush()
    parent = os.getppid()
    server.timeout = 1
    # A test run that is killed leaves no server behind.
    while os.getppid() == parent:
        server.handle_request()


if __name__ == "__main__":
    _serve(sys.argv[1])

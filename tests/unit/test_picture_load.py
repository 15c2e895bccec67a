"""The benchmark's downloads: each must be whole and the same as the first."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from benchmarks.picture_load import download

PICTURE = bytes(range(256)) * 4096


@contextmanager
def server(head: bytes, body: bytes) -> Iterator[str]:
    """Gives that answer to each request of each connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        # Whoever gets what he does not want hangs up.
        with connection, suppress(ConnectionError):
            while connection.recv(65536):
                connection.sendall(head + b"\r\n\r\n" + body)

    def accept() -> None:
        # Ends when the listener is shut down.
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_a_picture_is_downloaded_as_often_as_asked() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d" % len(PICTURE)
    with server(head, PICTURE) as url:
        assert download(url, "/image", PICTURE, times=20, connections=3) > 0


@pytest.mark.parametrize(
    ("head", "body", "complaint"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: %d" % len(PICTURE), PICTURE, "404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9", PICTURE[:9], "content-length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d" % len(PICTURE), PICTURE[:-1] + b"x", "other bytes"),
    ],
    ids=["another status", "another length", "another byte at the end"],
)
def test_an_answer_that_is_not_the_picture_ends_it(head: bytes, body: bytes, complaint: str) -> None:
    with server(head, body) as url, pytest.raises(AssertionError, match=complaint):
        download(url, "/image", PICTURE, times=3, connections=2)

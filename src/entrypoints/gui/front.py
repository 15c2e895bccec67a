"""The studio's web server, run by Streamlit: `streamlit run front.py`; imports Streamlit, Starlette and the rule for names.

Streamlit serves everything; this stands before it and mends two things about its first page.
"""

from functools import cache
from pathlib import Path

import streamlit as st
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.file_util import get_static_dir

from entrypoints.host_names import bare, host_name, is_ours

#: A prober knows an address and no name.
_HEALTH = "/_stcore/health"

#: Where the page's own server is: beside the page. Without being told, Streamlit's script tries the page's address as a
#: folder first, and /gallery would begin with two answers of 404 in the browser's console.
_HERE = '<script>window.__streamlit = { BACKEND_BASE_URL: new URL("./", window.location.href).href };</script>'

_REFUSED = (
    "This page is not known under that name. If it is right, add it to IMAGING_ALLOWED_HOSTS, for instance "
    "IMAGING_ALLOWED_HOSTS=images.example.org."
)

_HEADERS = {
    "cache-control": "no-cache",
    # A page of somebody else's must not show this one, and have its visitors click on it unawares.
    "content-security-policy": "frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    # The address may name a job.
    "referrer-policy": "same-origin",
}


class Front:
    """Answers to our own names only, and with a first page that knows where it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through what is Streamlit's."""
        if scope["type"] != "http":
            # WebSockets are looked at by Streamlit, by the same names.
            await self._app(scope, receive, send)
        elif scope["path"] != _HEALTH and not _is_known(Headers(scope=scope).get("host", "")):
            await PlainTextResponse(_REFUSED, 421)(scope, receive, send)
        elif scope["method"] in ("GET", "HEAD") and _is_page(scope["path"]):
            await HTMLResponse(_first_page(), headers=_HEADERS)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_known(host: str) -> bool:
    names: list[str] = st.get_option("server.allowedHosts")
    return not names or is_ours(host_name(host).strip("[]"), bare(names))


def _is_page(path: str) -> bool:
    """Whether that is the studio's address or one of its pages: all of them lie side by side."""
    return path.count("/") == 1 and "." not in path


@cache
def _first_page() -> str:
    page = Path(get_static_dir(), "index.html").read_text(encoding="utf-8")
    head, mark, rest = page.partition("<head>")
    if not mark:
        raise RuntimeError("Streamlit's first page has no <head> to put the address of its server into.")
    return head + mark + _HERE + rest


app = st.App(Path(__file__).with_name("app.py"), middleware=[Middleware(Front)])

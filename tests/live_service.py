"""The whole service as people run it, `imaging up` and `imaging gui` on free ports, and a browser that notes what goes wrong.

May import the standard library, Playwright, httpx and the neighbouring module that starts the command.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import httpx
from playwright.sync_api import Locator, Page, expect, sync_playwright

from imaging_process import Imaging, free_port, until

#: Longest wait for anything on a page, in ms: these machines are shared.
PATIENCE_MS = 60_000

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class LiveService:
    """API and worker in one process, the page in another, so that either may be away for a while."""

    def __init__(self, folder: Path, **settings: str) -> None:
        ports = {"IMAGING_PORT": str(free_port()), "IMAGING_GUI_PORT": str(free_port())}
        self.service = Imaging("up", "--no-gui", folder=folder, **ports, **settings)
        self.page = Imaging("gui", folder=folder, **ports)
        self.gui_url = f"http://127.0.0.1:{ports['IMAGING_GUI_PORT']}"

    @property
    def api_url(self) -> str:
        """Where the API is."""
        return self.service.url

    def start_service(self) -> None:
        """Start API and worker, and wait until they answer."""
        self.service.start()
        until(lambda: self._answers(self.api_url + "/livez"), "the API")

    def __enter__(self) -> Self:
        try:
            self.page.start()
            self.start_service()
            until(lambda: self._answers(self.gui_url + "/_stcore/health"), "the page")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.page.__exit__()
        self.service.__exit__()

    @staticmethod
    def _answers(url: str) -> bool:
        try:
            return httpx.get(url, timeout=2).status_code == 200
        except httpx.TransportError:
            return False


class Visit:
    """One browser window, and everything in it that should not have been."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        #: Console errors, failed requests and requests to strangers, in order.
        self.faults: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda m: self.faults.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("response", lambda r: self.faults.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        own = (url, url.replace("http://", "ws://"), "data:", "blob:")
        page.on("request", lambda r: self.faults.append(f"foreign: {r.url}") if not r.url.startswith(own) else None)

    def open(self, path: str = "/") -> Self:
        """Go to that address and wait until the page has drawn itself."""
        self.page.goto(self.url + path)
        self.settle()
        return self

    def settle(self) -> None:
        """Wait until nothing runs on the page's server for this window."""
        self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()

    @property
    def prompt(self) -> Locator:
        """Where the prompt is typed."""
        return self.page.get_by_label("Prompt", exact=True)

    def generate(self, prompt: str) -> None:
        """Type it and send it off, as somebody does who never leaves the keyboard."""
        # The page arrives from top to bottom: before the button is there, nothing listens to its keys.
        self.page.get_by_role("button", name="Generate").wait_for()
        self.prompt.fill(prompt)
        self.prompt.press("Control+Enter")

    def picture(self, prompt: str) -> Locator:
        """The picture of that prompt, once it has really been loaded."""
        found = self.page.get_by_role("img", name=f"Picture: {prompt}").first
        # Looked for anew each time: the page may put another element in its place meanwhile.
        expect(found).to_have_js_property("complete", True, timeout=PATIENCE_MS)
        expect(found).not_to_have_js_property("naturalWidth", 0, timeout=PATIENCE_MS)
        return found


def chromium() -> str:
    """Path of a Chromium; AssertionError that says how to name one."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    assert path, "No Chromium found: install it, or set CHROMIUM to its path."
    return path


@contextmanager
def visiting(url: str, *, width: int = 1360, height: int = 900, dark: bool = False) -> Iterator[Visit]:
    """A headless browser on that page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(_ARGUMENTS))
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        try:
            yield Visit(context.new_page(), url)
        finally:
            context.close()
            browser.close()

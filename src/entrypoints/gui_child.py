"""The page's own process: `python -m entrypoints.gui_child front.py [flags]`; imports Streamlit.

Ends when standard input closes, which the kernel does for a parent that was killed.
"""

import importlib
import os
import sys
import threading


def _end_with_parent() -> None:
    # os.read on the descriptor: a buffered read would hold a lock that the interpreter's own exit waits for.
    while os.read(0, 64):
        pass
    os._exit(0)


def _warm_up() -> None:
    # The first visitor would otherwise wait for these imports.
    for name in (
        "numpy",
        "entrypoints.gui.views.create",
        "entrypoints.gui.views.edit",
        "entrypoints.gui.views.gallery",
        "entrypoints.gui.views.queue",
        "entrypoints.gui.views.settings",
    ):
        importlib.import_module(name)


def main() -> None:
    """Watch the parent, then be `streamlit run`."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from streamlit.web import cli  # noqa: PLC0415  # a second of imports, after the watch has begun

    threading.Thread(target=_warm_up, daemon=True).start()
    sys.argv = ["streamlit", "run", *sys.argv[1:]]
    cli.main()


if __name__ == "__main__":
    main()

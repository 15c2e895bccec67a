"""Importing any module of the service does nothing: no socket, no thread, no process, no look at the environment."""

import json
import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parents[2] / "src"

#: Run by Streamlit as scripts: importing one is drawing it.
SCRIPTS = ("entrypoints.gui.app", "entrypoints.gui.pages.")

MODULES = sorted(
    name
    for path in SRC.rglob("*.py")
    if not (name := ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")).startswith(SCRIPTS)
)

WATCH = """
import importlib, json, os, sys, threading
src, names = sys.argv[1], sys.argv[2:]
ours = ('imaging_core', 'adapters', 'entrypoints')
# What third parties do at their own import is theirs: load them first, then ours anew under watch.
for name in names:
    importlib.import_module(name)
for name in [n for n in sys.modules if n.partition('.')[0] in ours]:
    del sys.modules[name]
seen, current = [], ''
def audit(event, args):
    if event.startswith(('socket.', 'subprocess.', 'os.fork', 'os.mkdir', 'sqlite3.connect')):
        seen.append(f'{current}: {event}')
    if event == 'open' and isinstance(args[1], str) and set(args[1]) & set('wax+'):
        seen.append(f'{current}: open {args[0]}')
class Watched(type(os.environ)):
    def __getitem__(self, key):
        if sys._getframe(1).f_code.co_filename.startswith(src) or sys._getframe(2).f_code.co_filename.startswith(src):
            seen.append(f'{current}: environ {key}')
        return super().__getitem__(key)
os.environ.__class__ = Watched
sys.dont_write_bytecode = True
sys.addaudithook(audit)
for current in names:
    threads = threading.active_count()
    importlib.import_module(current)
    if threading.active_count() != threads:
        seen.append(f'{current}: a thread')
print(json.dumps(seen))
"""


def test_importing_the_modules_has_no_side_effect() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCH, str(SRC), *MODULES], capture_output=True, text=True, check=False, timeout=100
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_the_watch_sees_what_it_should(tmp_path: Path) -> None:
    guilty = tmp_path / "guilty.py"
    guilty.write_text("import os, socket\nos.environ['HOME']\nsocket.socket()\nopen(__file__ + '.x', 'w').close()\n")

    done = subprocess.run(
        [sys.executable, "-c", WATCH.replace("'imaging_core'", "'guilty', 'imaging_core'"), str(tmp_path), "guilty"],
        capture_output=True, text=True, check=True, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "HOME": "/"},
    )  # fmt: skip

    seen = json.loads(done.stdout.splitlines()[-1])
    assert "guilty: environ HOME" in seen
    assert "guilty: socket.__new__" in seen
    assert any("guilty.py.x" in entry for entry in seen)

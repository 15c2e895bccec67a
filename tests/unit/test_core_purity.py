"""The core imports the standard library and attrs, and importing it does nothing else."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import imaging_core

ROOT = Path(imaging_core.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

#: What the core may use besides the standard library.
ALLOWED = {"attrs", "imaging_core"}
#: Parts of the standard library that reach outside the process, or bring threads into it.
FORBIDDEN = {"socket", "threading", "subprocess", "sqlite3", "ssl", "http", "urllib", "multiprocessing", "concurrent"}


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names of all modules that a source file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_imports_the_standard_library_and_attrs_only(path: Path) -> None:
    tops = {name.partition(".")[0] for name in imported(ast.parse(path.read_text("utf-8")))}

    assert tops <= ALLOWED | sys.stdlib_module_names
    assert not tops & FORBIDDEN


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_of_the_core_says_why_it_exists(path: Path) -> None:
    doc = ast.get_docstring(ast.parse(path.read_text("utf-8")))

    assert doc, "a module begins with a sentence on why it exists"


#: Imports every module of the core under an audit hook, and prints what went beyond reading its own code.
_WATCH = """
import asyncio, importlib, logging, pathlib, pkgutil, sys, threading
import attrs

seen = []
environment = []

class Watched(dict):
    pass

def hook(event, args):
    if event in ("socket.__new__", "socket.connect", "subprocess.Popen", "os.system", "os.fork", "os.mkdir",
                 "os.remove", "os.rename", "os.putenv", "sqlite3.connect", "_thread.start_new_thread", "tempfile.mkstemp"):
        seen.append(event)
    elif event == "open":
        path, mode = str(args[0]), args[1] or "r"
        if any(letter in mode for letter in "wax+") and not path.split(".")[-1].startswith("pyc"):
            seen.append("open " + path)

import os
real = os.environ.__class__.__getitem__
def spy(self, key):
    environment.append(key)
    return real(self, key)
before = set(sys.modules)
sys.addaudithook(hook)
os.environ.__class__.__getitem__ = spy
import imaging_core
for module in pkgutil.walk_packages(imaging_core.__path__, "imaging_core."):
    importlib.import_module(module.name)
os.environ.__class__.__getitem__ = real
foreign = sorted({name.partition(".")[0] for name in set(sys.modules) - before}
                 - {"imaging_core"} - set(sys.stdlib_module_names))
print(repr((seen, environment, foreign, threading.active_count(), logging.getLogger().handlers)))
"""


def test_importing_the_core_has_no_side_effect() -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT.parent)!r})\n{_WATCH}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.stderr == ""
    seen, environment, foreign, threads, handlers = ast.literal_eval(done.stdout)
    assert seen == []
    assert environment == []
    assert foreign == []
    assert threads == 1
    assert handlers == []

"""Bytecode for the bundle: a function's directory is read-only, so without it every cold start compiles every module.

Only the bundle's version of Python can make it: the running one, or one in the PATH; else the bundle has none, and a
cold start takes some 80 ms longer. It is made in a process of its own: the output of `marshal` depends on the strings
in the process before it. The files are of the unchecked kind, since the dates in a bundle are meaningless.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from sldb.aws.errors import OperationFailed
from sldb.deploy.bundle.platform import Platform

_TASK_ROOT = "/var/task"  # where Lambda unpacks a bundle: in the paths of tracebacks


_SAY_VERSION = "import sys; print(sys.implementation.name, *sys.version_info[:2])"


def interpreter_of(platform: Platform) -> str | None:
    """Return the path of a Python for bytecode of the platform, or None if there is none here."""
    if platform.runs_this_python:
        return sys.executable
    found = shutil.which(f"python{platform.python}")
    return found if found and _version_of(found) == f"cpython {platform.python.replace('.', ' ')}" else None


def _version_of(interpreter: str) -> str:
    """Return its own name and version; nothing for the name of a version without an installation."""
    try:
        done = subprocess.run(
            [interpreter, "-I", "-S", "-c", _SAY_VERSION], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()


def compiled(sources: Iterable[tuple[str, bytes]], interpreter: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of the bytecode of every Python source among pairs of name and bytes; names as in a zip."""
    with tempfile.TemporaryDirectory(prefix="sldb-") as temp:
        root = Path(temp)
        for name, data in sources:
            if name.endswith(".py"):
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        _compile_all(root, interpreter)
        for path in root.rglob("*.pyc"):
            yield path.relative_to(root).as_posix(), path.read_bytes()


def _compile_all(root: Path, interpreter: str) -> None:
    command = [interpreter, "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(root), "-p", _TASK_ROOT, str(root)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, env={**kept, "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OperationFailed(f"cannot compile the modules of the functions: {done.stdout}{done.stderr}")

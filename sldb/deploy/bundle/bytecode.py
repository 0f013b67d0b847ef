"""Bytecode for the bundle: a function's directory is read-only, so without it every cold start compiles every module.

Only the bundle's interpreter can make it; a bundle for another Python version has none. It is made in a process of its
own: the output of `marshal` depends on the strings in the process before it. The files are of the unchecked kind, since
the dates in a bundle are meaningless.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from sldb.aws.errors import OperationFailed

_TASK_ROOT = "/var/task"  # where Lambda unpacks a bundle: in the paths of tracebacks


def compiled(sources: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of the bytecode of every Python source among pairs of name and bytes; names as in a zip."""
    with tempfile.TemporaryDirectory(prefix="sldb-") as temp:
        root = Path(temp)
        for name, data in sources:
            if name.endswith(".py"):
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        _compile_all(root)
        for path in root.rglob("*.pyc"):
            yield path.relative_to(root).as_posix(), path.read_bytes()


def _compile_all(root: Path) -> None:
    command = [sys.executable, "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(root), "-p", _TASK_ROOT, str(root)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, env={**kept, "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OperationFailed(f"cannot compile the modules of the functions: {done.stdout}{done.stderr}")

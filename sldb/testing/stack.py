"""A stack for tests: sldb deployed to an AWS on this machine, which is a process of its own (`sldb emulator`).

Nothing of the user's AWS is read or reached.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

_SLDB = (sys.executable, "-m", "sldb")
# Run by the emulator: it says what its environment is, and ends with this process, which holds the other end.
_REPORT = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"


@dataclass(frozen=True)
class Stack:
    environment: Mapping[str, str | None]
    """What leads there: variables of the environment; None: not set."""


class StackError(Exception):
    """The emulated AWS, or the stack, did not come up."""


@contextmanager
def deployed(*options: str) -> Iterator[Stack]:
    """`options`: of `sldb deploy`. Raises StackError."""
    with _emulator() as environment:
        variables = {name: value for name, value in environment.items() if value is not None}
        done = subprocess.run(
            [*_SLDB, "deploy", "--yes", *options], env=variables, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StackError(f"sldb deploy: {done.stderr.strip()}")
        yield Stack({name: value for name, value in environment.items() if os.environ.get(name) != value})


@contextmanager
def _emulator() -> Iterator[dict[str, str | None]]:
    """Yield the environment of programs that use one; None: a variable that this process has, and they do not."""
    command = [*_SLDB, "emulator", "--", sys.executable, "-c", _REPORT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise StackError("sldb emulator did not begin: its messages are above; pip install 'sldb[emulator]'")
        environment: dict[str, str | None] = {**dict.fromkeys(os.environ), **json.loads(line)}
        try:
            yield environment
        finally:
            process.stdin.close()
            process.wait()

"""Start-up times: the handler's import (cold start), and the command line.

    python -m benchmarks.startup

Each figure is the fastest of several fresh processes, with compiled bytecode.
"""

from __future__ import annotations

import compileall
import fcntl
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from benchmarks.workload import best_ms, show
from lambda_handlers.aws import trust

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    for package in ("sldb", "lambda_handlers"):
        compileall.compile_dir(ROOT / package, quiet=1)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def process(*arguments: str) -> float:
        def start() -> None:
            subprocess.run(
                [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment, cwd=ROOT
            )

        return best_ms(start, runs=10)

    python = process("-c", "pass")
    with tempfile.TemporaryDirectory() as directory:
        local = process("-m", "sldb", "--local", directory, "query", "select 1")
        prompt = best_ms(lambda: _to_the_prompt(directory, environment), runs=10)
    rows = [
        ("python -c pass", python),
        (
            "import lambda_handlers.db_function, above that",
            process("-c", "import lambda_handlers.db_function") - python,
        ),
        ("… with the S3 store", process("-c", "import lambda_handlers.db_function, lambda_handlers.store.s3") - python),
        ("the system's certificates, all of them", best_ms(lambda: trust.trusting(None), runs=10)),
        ("… the roots of AWS among them", best_ms(trust.trusting_aws, runs=10)),
        ("sldb --version", process("-m", "sldb", "--version")),
        ('sldb --local DIR query "select 1"', local),
        ("sldb --local DIR shell, to its prompt", prompt),
    ]
    show("Start", ("", "ms"), rows)


def _to_the_prompt(directory: str, environment: dict[str, str]) -> None:
    """Run the shell until it has drawn its prompt on a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**environment, "TERM": "xterm-256color", "HOME": directory, "PROMPT_TOOLKIT_NO_CPR": "1"}
    command = [sys.executable, "-m", "sldb", "--local", directory, "shell"]
    shell = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=ROOT)
    shown = b""
    while b"main>" not in shown:
        shown += os.read(ours, 65536)
    shell.kill()
    shell.wait()
    os.close(ours)
    os.close(theirs)


if __name__ == "__main__":
    main()

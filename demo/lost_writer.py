"""The lost writer: the processes of client and function are killed (kill -9) during a lock, for real.

The function runs in a container of the emulator, a child of this process's parent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from demo.stage import Derailed, Stage
from sldb.aws.options import AwsOptions
from sldb.ops.locks import StackLocks, stack_locks

HANDLER = "lambda_handlers.db_function.handler"
PATIENCE_SECONDS = 20.0
LOOK_SECONDS = 0.1


def kill_writer(stage: Stage, sql: str, stack: str = "test-db", database: str = "main") -> None:
    """Start a writer, wait until it has the lock, and kill it. Raises Derailed if it takes no lock."""
    locks = stack_locks(AwsOptions(), stack)
    client = stage.start(f'sldb query "{sql}"')
    try:
        _wait_until_locked(locks, database, client)
        containers = _containers(os.getppid())
    finally:
        client.kill()  # first: it would ask again, as it should when a function crashes
        client.wait()
    pids = " ".join(map(str, [client.pid, *containers]))
    stage.show(f"kill -9 {pids}  # the client, and the function's container")
    for pid in containers:
        os.kill(pid, signal.SIGKILL)
    stage.rest()


def _wait_until_locked(locks: StackLocks, database: str, client: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while locks.held(database) is None:
        if client.poll() is not None or time.monotonic() > until:
            raise Derailed("the writer that was to be killed did not take the lock")
        time.sleep(LOOK_SECONDS)


def _containers(emulator: int) -> list[int]:
    """Return the processes of the query function for this emulator. Raises Derailed if there are none."""
    found = [pid for pid, parent, words in _processes() if parent == emulator and HANDLER in words]
    if not found:
        raise Derailed("no container of the emulator runs the query function; was this started by `sldb emulator --`?")
    return found


def _processes() -> Iterator[tuple[int, int, list[str]]]:
    """Yield (process id, parent's process id, command) of all processes."""
    # Linux needs no ps, and small images lack it.
    return _from_proc() if Path("/proc/self").exists() else _from_ps()


def _from_proc() -> Iterator[tuple[int, int, list[str]]]:
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            parent = (directory / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1]
            words = (directory / "cmdline").read_text("utf-8", "replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        yield int(directory.name), int(parent), words


def _from_ps() -> Iterator[tuple[int, int, list[str]]]:
    listed = subprocess.run(["ps", "-axo", "pid=,ppid=,command="], check=True, stdout=subprocess.PIPE, text=True)
    for line in listed.stdout.splitlines():
        pid, parent, *words = line.split()
        yield int(pid), int(parent), words

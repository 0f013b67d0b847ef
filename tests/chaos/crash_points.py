"""A write to a local database that dies at each point in turn: python -m tests.chaos.crash_points DIRECTORY

A point is a moment before Python opens, makes, links, locks or removes a file (its audit events). For each,
a process of its own writes an entry and is killed there; another one then reads, sends the request again, and reads
again. One line each: the event and its path, the number of entries then, and the number in the end.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from lambda_handlers.locks import file as file_lock
from lambda_handlers.store import directory as directory_store
from sldb.targets.local import LocalTarget
from tests.chaos.bookkeeping import COUNTS, CREATE, entry

IMPORTED_WHEN_NEEDED = (directory_store, file_lock)  # reading them is no step of a write
EVENTS = ("open", "os.mkdir", "os.link", "os.remove", "os.rename", "os.truncate", "os.scandir", "fcntl.flock")


def main(directory: Path) -> None:
    number, survived = 0, False
    while not survived:
        number += 1
        databases, report = directory / str(number), directory / f"{number}.txt"
        _in_a_child(_send, databases, CREATE)
        survived = _in_a_child(_write_until, number, databases, report) == 0
        _in_a_child(_look, databases, report)
        sys.stdout.write(report.read_text())


def _in_a_child(act: Callable[..., object], *arguments: object) -> int:
    """Run it in a child process; return its exit status. This process has no threads."""
    pid = os.fork()
    if pid == 0:
        act(*arguments)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def _send(databases: Path, request: object) -> object:
    with closing(LocalTarget(databases)) as target:
        return target.send(request)


def _write_until(number: int, databases: Path, report: Path) -> None:
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event not in EVENTS:
            return
        seen += 1
        if seen == number:
            report.write_text(f"{event} {Path(str(arguments[0])).name}")
            os.kill(os.getpid(), signal.SIGKILL)

    report.write_text("nothing killed it")
    sys.addaudithook(hook)
    _send(databases, entry("w", 10_000))


def _look(databases: Path, report: Path) -> None:
    found = _send(databases, COUNTS).rows[0]
    assert found[0] == found[1], found
    _send(databases, entry("w", 10_000))
    after = _send(databases, COUNTS).rows[0]
    with report.open("a") as file:
        file.write(f"\t{found[0]}\t{after[0]}\t{after[1]}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

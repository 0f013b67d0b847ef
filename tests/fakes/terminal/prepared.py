"""A process that has imported sldb, and forks itself for each command.

Python's start and the imports, 0.3 s, are so paid once and not for each of hundreds of commands. The copy is a process
with the streams, the directory and the environment that are given for it. It leaves out what an interpreter takes down
at its end, which is as slow as the start. Tests of the start and the end themselves run a new interpreter:
`tests/sldb/cli/test_startup.py`, `tests/sldb/cli/test_closed_streams.py`.

The process has one thread, as a fork requires. It ends with the process that asks.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).parents[3]
PROGRAM = "import sys; from tests.fakes.terminal.prepared import serve; serve(int(sys.argv[1]))"
_LENGTH_BYTES = 8
_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
# Those read the environment when they are imported, or start threads.
_LEFT_OUT = (
    *("sldb.emulator", "sldb.__main__", "lambda_handlers.db_function", "lambda_handlers.deadlock_fix"),
    "sldb.harlequin",  # no command takes it, and its extra need not be installed
)
_LIBRARIES = ("apsw", "boto3", "obstore", "rich.progress", "rich.table", "prompt_toolkit", "pygments.lexers.sql")


def runs_commands(extra: Mapping[str, str]) -> bool:
    """Return False if these variables act on the start of an interpreter, or copies of a process are not to be had."""
    return sys.platform == "linux" and not any(name.startswith(("PYTHON", "LANG", "LC_")) for name in extra)


class Copy:
    """A running command, with the methods of Popen that its users have."""

    def __init__(self, pid: int, report: socket.socket) -> None:
        self.pid = pid
        self._report = report
        self._status: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, negative for a signal. Raises TimeoutError."""
        if self._status is None:
            self._report.settimeout(timeout)
            self._status = int(_receive(self._report))
            self._report.close()
        return self._status

    def kill(self) -> None:
        """End it, if it has not ended. Unlike Popen's, it waits for that: then no connection is left open."""
        if self._status is None:
            with suppress(ProcessLookupError):  # it has ended just now
                os.kill(self.pid, signal.SIGKILL)
            self.wait()


def start(arguments: Sequence[str], environment: Mapping[str, str], directory: Path, streams: Sequence[int]) -> Copy:
    """Start `sldb ARGUMENTS`. `streams`: the descriptors for its standard streams."""
    report, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)  # a quick command's pid and status stay two messages
    request = json.dumps([list(arguments), dict(environment), str(directory)]).encode()
    with theirs, _turn:
        asked = _prepared()
        socket.send_fds(asked, [len(request).to_bytes(_LENGTH_BYTES, "big")], [*streams, theirs.fileno()])
        asked.sendall(request)
    return Copy(int(_receive(report)), report)


_turn = threading.Lock()


@functools.cache
def _prepared() -> socket.socket:
    """Start the process; return the connection to it."""
    ours, theirs = socket.socketpair()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env={**kept, "PYTHONPATH": str(ROOT)},
        )
    atexit.register(lambda: (ours.close(), process.wait()))
    return ours


def _receive(connection: socket.socket) -> bytes:
    received = connection.recv(64)
    assert received, "the process that forks has died"
    return received


# The process that forks, and its copies.


def serve(descriptor: int) -> None:
    """Fork for each request, until nobody asks any more."""
    _import_all()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal of the tests: the copies get it
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    wakes, woken = socket.socketpair()
    woken.setblocking(False)
    wakes.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    requests = socket.socket(fileno=descriptor)
    reports: dict[int, socket.socket] = {}  # by process id
    while True:
        ready, _, _ = select.select([requests, wakes], [], [])
        if wakes in ready:
            wakes.recv(4096)
            _reap(reports)
        if requests in ready:
            request, descriptors = _read(requests)
            report = socket.socket(fileno=descriptors.pop())
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                for each in (requests, wakes, woken, report, *reports.values()):
                    each.close()
                _become(request, descriptors)
                os._exit(_run())
            for each in descriptors:
                os.close(each)
            reports[pid] = report
            report.sendall(str(pid).encode())


def _import_all() -> None:
    for root in ("sldb", "lambda_handlers"):
        package = importlib.import_module(root)
        for found in pkgutil.walk_packages(package.__path__, f"{root}."):
            if not found.name.startswith(_LEFT_OUT):
                importlib.import_module(found.name)
    for name in _LIBRARIES:
        importlib.import_module(name)
    assert threading.active_count() == 1
    gc.freeze()  # a collection would copy every page


def _reap(reports: dict[int, socket.socket]) -> None:
    while reports:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with reports.pop(pid) as report:
            report.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _read(requests: socket.socket) -> tuple[Any, list[int]]:
    length, descriptors, _, _ = socket.recv_fds(requests, _LENGTH_BYTES, 4)
    if not length:
        os._exit(0)  # nobody will ask any more
    left = int.from_bytes(length, "big")
    pieces = []
    while left:
        pieces.append(requests.recv(left))
        left -= len(pieces[-1])
    return json.loads(b"".join(pieces)), descriptors


def _become(request: Any, descriptors: Sequence[int]) -> None:
    """Take the arguments, environment, directory and streams of a request."""
    arguments, environment, directory = request
    sys.argv[1:] = arguments
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    time.tzset()
    tempfile.tempdir = None
    for number, ((name, mode), given) in enumerate(zip(_STREAMS, descriptors, strict=True)):
        os.dup2(given, number)
        os.close(given)
        setattr(sys, name, _stream(number, mode, getattr(sys, name)))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _run() -> int:
    """Run the command, and what is to be run at the end of an interpreter. Return the exit status."""
    from sldb.cli.main import main

    status: object = 0
    try:
        main()
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001  # as an interpreter does
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]  # there is one
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for the threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return status if isinstance(status, int) else int(status is not None)


def _stream(number: int, mode: str, like: TextIO) -> TextIO:
    """Return a standard stream as the interpreter opens it at its start."""
    stream = open(number, mode, encoding=like.encoding, errors=like.errors, newline="\n", closefd=False)  # noqa: SIM115
    assert isinstance(stream, io.TextIOWrapper)
    stream.reconfigure(line_buffering=mode == "w" and (number == 2 or stream.isatty()))
    return stream

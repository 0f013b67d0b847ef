"""An emulator from the command line: for one command, or until a signal.

Ctrl-C reaches the whole foreground of a terminal, hence the command by itself; SIGTERM reaches this process only and
is passed on. Either way this process outlives the command, so that no container is left behind.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING

from lambda_handlers.wire import SldbError

if TYPE_CHECKING:
    from sldb.emulator.front.server import Emulator

INTERRUPTED, TERMINATED = 130, 143
CHECK_SECONDS = 1.0

# What a shell that reads the exports may have although this process has not, and what contradicts them.
_CONTRADICTING = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE")


@contextmanager
def without_users_aws() -> Iterator[None]:
    """Hide the user's profiles, files and other settings of AWS from this process.

    moto begins sessions of boto3 by itself, and these fail if a profile is missing or a file is damaged.
    """
    hidden = {name: os.environ.pop(name) for name in _aws_names(os.environ)}
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    try:
        yield
    finally:
        for name in _aws_names(os.environ):
            del os.environ[name]
        os.environ.update(hidden)


def export_lines(environment: Mapping[str, str], users: Mapping[str, str]) -> list[str]:
    """Return the lines for a shell of this system. `users`: its environment, as far as it is known."""
    removed = sorted({*_CONTRADICTING, *_aws_names(users)} - set(environment))
    if os.name == "nt":
        return [
            *(f"$env:{name} = $null" for name in removed),
            *(f"$env:{name} = '{value}'" for name, value in environment.items()),
        ]
    return [
        f"unset {' '.join(removed)}",
        *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
    ]


def run(command_line: list[str], aws: Emulator) -> int:
    """Run a command against the emulator and return its exit status; 128 and the signal's number if one ended it."""
    with _signals() as received:
        try:
            process = subprocess.Popen(command_line, env=aws.command_environment(os.environ))
        except OSError as error:
            raise SldbError("bad_request", f"cannot run {command_line[0]}: {error.strerror}") from error
        received.pass_terminate_to(process)
        status = process.wait()
    return 128 - status if status < 0 else status


def wait_for_signal() -> int:
    """Sleep until Ctrl-C or SIGTERM; return its exit status."""
    with _signals() as received:
        received.wait()
    return TERMINATED if received.terminated else INTERRUPTED


def _aws_names(environment: Mapping[str, str]) -> list[str]:
    return [name for name in environment if name.startswith("AWS_")]


class _Received:
    """The signals received during a command, or instead of one."""

    def __init__(self) -> None:
        self.terminated = False
        self._numbers: SimpleQueue[int] = SimpleQueue()  # an Event's lock may be held where a handler runs
        self._process: subprocess.Popen[bytes] | None = None

    def handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            self.terminated = True
            if self._process is not None:
                self._process.terminate()
        self._numbers.put(number)

    def pass_terminate_to(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        if self.terminated:  # the signal came before the process existed
            process.terminate()

    def wait(self) -> None:
        # A wait without a limit cannot be interrupted on Windows.
        while True:
            with suppress(Empty):
                self._numbers.get(timeout=CHECK_SECONDS)
                return


@contextmanager
def _signals() -> Iterator[_Received]:
    received = _Received()
    # Handlers, not SIG_IGN: an ignored signal would stay ignored in the command.
    before = {number: signal.signal(number, received.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

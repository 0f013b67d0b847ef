"""One stack under a random name: sldb's commands in this process, requests to its function, and AWS itself."""

from __future__ import annotations

import contextlib
import io
import json
import re
import secrets
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from lambda_handlers.wire import Reply, Request, SldbError, Statement
from live.plan import Failed
from sldb.aws.options import AwsOptions
from sldb.client import Client, open_target
from sldb.stack.account import Account, connect

NAME = re.compile(r"sldb-live-[0-9a-f]{6}")
_INTERRUPTED = 130


def new_name() -> str:
    return f"sldb-live-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    out: str
    err: str


@dataclass(slots=True)
class _Streams:
    """Standard output and error as files, as a command finds them without a terminal."""

    out: io.TextIOWrapper = field(default_factory=lambda: io.TextIOWrapper(io.BytesIO(), "utf-8"))
    err: io.TextIOWrapper = field(default_factory=lambda: io.TextIOWrapper(io.BytesIO(), "utf-8"))

    def texts(self) -> tuple[str, str]:
        return _text(self.out), _text(self.err)


class Stage:
    """The stack `name`. Close it at the end."""

    def __init__(self, name: str, aws: AwsOptions, *, is_emulated: bool) -> None:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name} is no name of a live check")
        self.name = name
        self.is_emulated = is_emulated
        self._aws = aws
        self._clients: dict[str, Client] = {}

    @cached_property
    def account(self) -> Account:
        return connect(self._aws)

    def sldb(self, *words: str, status: int | None = 0) -> Ran:
        """Run a command on the stack. Raises Failed for another exit status (None: any is expected), and
        KeyboardInterrupt if it was interrupted."""
        return self.on("--stack", self.name, *words, status=status)

    def on(self, *words: str, status: int | None = 0) -> Ran:
        """Run a command with a target of its own. Raises as `sldb` does."""
        from sldb.cli.main import run

        streams = _Streams()
        with contextlib.redirect_stdout(streams.out), contextlib.redirect_stderr(streams.err):
            got = run(words)
        ran = Ran(got, *streams.texts())
        if got == _INTERRUPTED:
            raise KeyboardInterrupt
        if status is not None and got != status:
            last = ran.err.strip().splitlines()[-3:]
            raise Failed(f"`sldb {' '.join(words)}` ended with {got} instead of {status}: {' / '.join(last)}")
        return ran

    def json(self, *words: str) -> Any:
        return json.loads(self.sldb(*words, "--format", "json").out)

    def client(self, database: str = "main") -> Client:
        if database not in self._clients:
            self._clients[database] = Client(open_target("lambda", self._aws, self.name), database)
        return self._clients[database]

    def query(self, sql: str, database: str = "main", **fields: Any) -> Reply:
        """Return the reply to SQL. Raises SldbError."""
        return self.client(database).execute(Request((Statement(sql),), **fields))

    def timed(self, sql: str, **fields: Any) -> tuple[float, Reply]:
        """Return the milliseconds that the client waited, and the reply."""
        started = time.perf_counter()
        reply = self.query(sql, **fields)
        return (time.perf_counter() - started) * 1000, reply

    def restart(self) -> None:
        """Forget clients: the next request looks the function up again."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def api_address(self, kind: str) -> str:
        """Return the address of an API of the stack. Raises Failed if there is none."""
        apis = {api["kind"]: api["address"] for api in self.json("status")["apis"]}
        if kind not in apis:
            raise Failed(f"the stack has no API of kind {kind}")
        return str(apis[kind])

    def close(self) -> None:
        self.restart()


def expect(holds: bool, what: str) -> None:
    """Raise Failed unless it holds."""
    if not holds:
        raise Failed(what)


def is_emulated(endpoint: str) -> bool:
    """Return True for an endpoint on this machine: nothing there costs anything."""
    return urlsplit(endpoint).hostname in ("127.0.0.1", "localhost", "::1")


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def reason(error: BaseException) -> str:
    """Return an error in one line."""
    text = error.message if isinstance(error, SldbError) else str(error)
    return " ".join(f"{type(error).__name__}: {text}".split()) if not isinstance(error, Failed) else text


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()

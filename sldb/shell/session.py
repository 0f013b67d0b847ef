"""One conversation with a database, without a terminal: run statements, obey dot commands, print what comes.

A submission is one transaction, however many statements it has; BEGIN, COMMIT and ROLLBACK are refused before
anything is sent. Data goes to `out`, everything else to `err`. Errors leave as SldbError: the loop around decides
whether they end the run.

The names for completion (see `sldb.shell.names`) are looked up again after a statement that may have changed the
schema, or has met a table that is not there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from lambda_handlers.wire import Reply, Request, Result, SldbError, Statement
from sldb import render
from sldb.client import Client
from sldb.render import Screen, text
from sldb.report import summary
from sldb.shell.names import LiveNames
from sldb.shell.reader import changes_schema, transaction_control


@dataclass(slots=True)
class Session:
    client: Client
    out: TextIO
    err: TextIO
    format: str = "table"
    screen: Screen | None = None  # None: out is no terminal
    timing: bool = True
    turned_from: str = "table"  # the format that \\x goes back to
    names: LiveNames | None = None  # None: nobody completes anything
    last: Reply | None = None
    last_ms: float = 0.0
    _origin: tuple[TextIO, Screen | None] | None = None  # out and screen while results go to a file
    _turn: threading.Lock = field(default_factory=threading.Lock)  # one request at a time

    def run(self, sql: str) -> None:
        """Run one submission and print what it gives."""
        refuse_transaction_control(sql)
        try:
            reply = self.ask(Request((Statement(sql),)))
        except SldbError as error:
            if error.message.startswith("no such"):
                self._look_again()
            raise
        if changes_schema(sql):
            self._look_again()
        self.show(reply)

    def ask(self, request: Request) -> Reply:
        started = time.monotonic()
        reply = self.send(request)
        self.last, self.last_ms = reply, (time.monotonic() - started) * 1000
        return reply

    def send(self, request: Request) -> Reply:
        """As `ask`, and leaves no trace: for the names' thread."""
        with self._turn:
            return self.client.execute(request)

    def show(self, reply: Reply) -> None:
        """The data of a reply, and below it what is said about it."""
        self.show_data(reply.results)
        if self.timing:
            self.say(summary(reply, self.last_ms), softly=True)

    def show_data(self, results: Sequence[Result]) -> None:
        render.write(results, self.format, self.out, self.screen)
        self.out.flush()
        if note := render.unseen(results, self.format, self.screen):
            self.say(note, softly=True)

    def write_lines(self, lines: Iterable[str]) -> None:
        """Text as it is to a file, and harmless to a terminal."""
        for line in lines:
            self.out.write((text.escape_lines(line) if self.screen else line) + "\n")
        self.out.flush()

    def say(self, message: str, *, softly: bool = False) -> None:
        """Something about the data; `softly` is dim on a terminal in colour."""
        message = text.escape_lines(message)
        if softly and self.screen is not None and self.screen.color and self.err.isatty():
            message = f"\x1b[2m{message}\x1b[0m"
        print(message, file=self.err, flush=True)

    def limit_rows(self, rows: int) -> None:
        if self.screen is not None:
            self.screen = replace(self.screen, max_rows=rows)

    def redirect(self, path: str | None) -> None:
        """Send results to the file from now on; without a path, back to where they went at first."""
        if self._origin is not None:
            self.out.close()
            (self.out, self.screen), self._origin = self._origin, None
        if path is not None:
            try:
                out = Path(path).open("w", encoding="utf-8", newline="")  # noqa: SIM115  # stays open until the next .output or the end
            except OSError as error:
                raise SldbError("bad_request", f"{path} cannot be written: {error.strerror or error}") from None
            self._origin = (self.out, self.screen)
            self.out, self.screen = out, None

    def close(self) -> None:
        self.redirect(None)
        self.client.close()

    def switch(self, database: str) -> None:
        self.client = replace(self.client, database=database)
        self.last = None
        self._look_again()

    def _look_again(self) -> None:
        if self.names is not None:
            self.names.refresh()


def refuse_transaction_control(sql: str) -> None:
    """Raises `bad_request` if `sql` has BEGIN, COMMIT, END or ROLLBACK as a statement."""
    word = transaction_control(sql)
    if word is not None:
        raise SldbError(
            "bad_request",
            f"{word} was not sent: what is submitted at once is one transaction, all or nothing",
            "put the statements that belong together on one line, or in a file: sldb query -f FILE",
        )

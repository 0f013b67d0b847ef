"""A conversation with a database, without a terminal: its state, and the requests sent from it.

A session sees the newest state of the database; or a moment of the past, to which nothing can be written; or an open
transaction (see `sldb.shell.transaction`). SQL is run by `sldb.shell.submission`. Errors are raised as SldbError: the
loop around the session decides if they end the run.

The names for completion (see `sldb.shell.schema_names`) are fetched again after a possible change of the schema,
and after an error about a missing table.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from lambda_handlers.wire import Params, Reply, Request, SldbError, Statement
from sldb.cancelling import TooLate
from sldb.client import Client
from sldb.database_creation import suggest_names
from sldb.progress.protocol import SILENT, Progress
from sldb.report import count, summary
from sldb.shell.output import Output
from sldb.shell.parameters import Ask, Parameters
from sldb.shell.saved_queries import SavedQueries
from sldb.shell.schema_names import LiveNames
from sldb.shell.transaction import Kept, Transaction, blame
from sldb.write_outcome import UNKNOWN

# Writes the database of a client to a file, as of a moment; True: it may replace one. Returns a sentence about it.
Pull: TypeAlias = "Callable[[Client, Path, int | None, bool], str]"


@dataclass(slots=True)
class Session:
    client: Client
    output: Output
    names: LiveNames | None = None  # None: nothing is completed
    at: int | None = None  # the transaction of the past that statements see; None: the newest
    transaction: Transaction | None = None  # the open one
    txid: int | None = None  # the newest known transaction of the database
    last: Reply | None = None
    last_ms: float = 0.0
    last_sql: str = ""  # the submission that ran last
    last_params: Params = None  # the values for it
    params: Parameters = field(default_factory=Parameters)
    ask: Ask | None = None  # asks for the value of a parameter; None: there is no user to ask
    is_interactive: bool = False  # a user watches, and can stop a command
    confirm: Callable[[str], bool] | None = None  # confirms destructive statements; None: there is no user to ask
    queries: SavedQueries | None = None  # None: there is no place to keep them
    edit: Callable[[str], str] | None = None  # None: there is no editor
    working: Callable[[], AbstractContextManager[Progress]] = lambda: nullcontext(SILENT)  # shows long work
    pull: Pull | None = None  # writes a database to a SQLite file; None: only the shell can
    open: Callable[[str], Client] | None = None  # opens a target; None: only the shell can
    echoes: bool = False  # a script prints its statements
    draft: str = ""  # the text that the next prompt begins with
    exit_status: int | None = None  # the user leaves with it
    reading: tuple[Path, ...] = ()  # the files that are being read, the outermost first
    _sending: threading.Lock = field(default_factory=threading.Lock)  # one request at a time

    def __post_init__(self) -> None:
        self.client = replace(self.client, on_txid=self._note_txid)

    def use(self, client: Client) -> None:
        """Send requests by this client from now on."""
        self.client = replace(client, on_txid=self._note_txid)
        self.at = self.last = self.txid = None

    def _note_txid(self, database: str, txid: int) -> None:
        if database == self.client.database:
            self.txid = max(txid, self.txid or 0)

    # Requests

    def execute(self, request: Request) -> Reply:
        """Return the reply, as of the session's moment, or as the open transaction sees it. It reads only, then, and
        does not become a part of the transaction."""
        self.require_known_outcome()
        self.run_waiting()
        started = time.monotonic()
        reply = self.peek(request)
        self.record(reply, (time.monotonic() - started) * 1000)
        return reply

    def peek(self, request: Request) -> Reply:
        """Return the reply like `execute`, and change nothing of the session: for the thread of the names."""
        transaction, at = self.transaction, self.at
        try:
            return self.send(replace(request, at=at) if transaction is None else transaction.look(request))
        except SldbError as error:
            if error.code == "read_only" and at is not None:
                error.hint = ".at now goes back to the newest state"
            raise

    def run_inside(self, transaction: Transaction, own: Sequence[Kept]) -> Reply:
        """Run statements in the open transaction, after those that wait. Raises the SldbError of one that fails; the
        transaction goes on after it, as in SQLite."""
        self.require_known_outcome()
        ran = (*transaction.waiting, *own)
        started = time.monotonic()
        try:
            reply = self.send(transaction.request(kept.statement for kept in own))
        except SldbError as error:
            self.go_on(transaction.stopped(ran, error))
            blame(ran, len(own), error)  # it then counts differently
            if error.code == "read_only" and transaction.is_read_only:
                error.hint = "BEGIN without READONLY opens a transaction that may write"
            raise
        except TooLate as late:
            self.go_on(transaction.after(ran, late.reply))
            raise
        self.go_on(transaction.after(ran, reply))
        self.record(reply, (time.monotonic() - started) * 1000)
        return replace(reply, results=reply.results[len(transaction.waiting) :])

    def run_waiting(self) -> None:
        """Run the waiting statements of the open transaction."""
        if self.transaction is not None and self.transaction.waiting:
            self.run_inside(self.transaction, ())

    def go_on(self, transaction: Transaction | None) -> None:
        """Continue with the open transaction after a statement, which may have ended it."""
        self.transaction = transaction
        if transaction is None:
            self.output.say("the statement has ended the transaction: rolled back")

    def send(self, request: Request) -> Reply:
        """Send the request unchanged, after those of other threads."""
        with self._sending:
            return self.client.execute(request)

    @contextmanager
    def exclusive_client(self) -> Iterator[Client]:
        """Yield the client, and keep other threads (the one of the names) from using it meanwhile."""
        with self._sending:
            yield self.client

    def record(self, reply: Reply, elapsed_ms: float) -> None:
        """Keep the reply as the last one. If another client has written since the one before, check the schema."""
        self.last_ms = elapsed_ms
        before, self.last = self.last, reply
        if self.names is None or before is None or reply.txid == before.txid:
            return
        is_own = reply.txid == before.txid + 1 and reply.stats.get("commit_ms")
        if not is_own:
            self.names.check()

    def show(self, reply: Reply) -> None:
        """Print the data of a reply, and below it the time and transaction."""
        self.output.show_data(reply.results)
        for warning in reply.warnings:
            self.output.say(f"note: {warning.message}")
        if self.output.timing:
            self.output.say(summary(reply, self.last_ms), softly=True)

    # The moment and the database

    def require_no_transaction(self, doing: str) -> None:
        """Raise `bad_request` while a transaction is open."""
        if self.transaction is not None:
            raise SldbError("bad_request", f"{doing}: a transaction is open", "COMMIT or ROLLBACK it first")

    def require_known_outcome(self) -> None:
        """Raise `conflict` while a commit may or may not have been applied: what comes after it depends on that."""
        if self.transaction is not None and self.transaction.sent is not None:
            raise SldbError(
                "conflict",
                "the outcome of the last COMMIT is unknown",
                "COMMIT sends it again, and applies nothing twice; ROLLBACK leaves the outcome unknown",
                applied="unknown",
                request_id=self.transaction.sent.request_id,
            )

    def require_present(self, doing: str) -> None:
        """Raise `read_only` while statements see the past."""
        if self.at is not None:
            raise SldbError("read_only", f"{doing}: this is a view of the past ({self.at})", ".at now leaves it")

    def go_to(self, at: int | str | None) -> None:
        """Have statements see a moment of the past, or (None) the newest state. Raises `not_found` for no moment."""
        self.require_no_transaction(".at")
        self.last = None
        if at is not None:
            self.last = self.send(Request((Statement("SELECT 1"),), at=at, read_only=True))
        # A relative time keeps the meaning that it had when it was given.
        self.at = None if self.last is None else self.last.txid
        self.refresh_names()

    def switch_database(self, database: str) -> None:
        """Use another database from now on, and print a note if it does not exist."""
        self.require_no_transaction(".database")
        self.use(replace(self.client, database=database))
        self.refresh_names()
        try:
            self.send(Request((Statement("SELECT 1"),), read_only=True))
        except SldbError as error:
            if error.code != "not_found":
                raise
            self.output.say(self.about_missing_database(error))

    def about_missing_database(self, error: SldbError) -> str:
        """Return the message of a `not_found` with the names of the databases. Raises SldbError."""
        return f"{error.message} ({suggest_names(self.client.database, self.database_names())})"

    def close(self) -> None:
        """Drop the open transaction and close the client."""
        transaction, self.transaction = self.transaction, None
        if transaction is not None and transaction.succeeded:
            self.output.say(rollback_message(transaction))
        self.output.redirect(None)
        self.client.close()

    # Names for completion

    def database_names(self) -> list[str]:
        """Return the names of the databases."""
        with self._sending:
            return self.client.database_names()

    def query_names(self) -> list[str]:
        """Return the names of the saved queries; none if they cannot be read: using one reports the error."""
        try:
            return list(self.queries.all()) if self.queries is not None else []
        except SldbError:
            return []

    def refresh_names(self) -> None:
        """Have the names for completion fetched again."""
        if self.names is not None:
            self.names.refresh()


def rollback_message(transaction: Transaction) -> str:
    """Return the sentence about a dropped transaction."""
    if transaction.sent is not None:
        return f"{UNKNOWN} (request {transaction.sent.request_id})"
    dropped = len(transaction.succeeded)
    return f"rolled back: {count(dropped, 'statement')} not applied" if dropped else "rolled back"

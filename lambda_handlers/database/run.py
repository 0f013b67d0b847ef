"""A run: one request under way, its limits, and its statistics so far."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lambda_handlers.caller import OPERATOR, Caller
from lambda_handlers.database.delivery import DIRECT, Delivery
from lambda_handlers.database.errors import only_reads, read_only
from lambda_handlers.deadline import Deadline
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.sql.script import first_word
from lambda_handlers.storage.vfs import DraftVFS
from lambda_handlers.wire import Request

if TYPE_CHECKING:
    from lambda_handlers.database.lock_taking import LockTaking

_WRITES = frozenset(("ALTER", "BEGIN", "CREATE", "DELETE", "DROP", "INSERT", "REPLACE", "UPDATE"))


@dataclass(slots=True)
class Run:
    request: Request
    deadline: Deadline
    stats: dict[str, Any]
    reply_limit_bytes: int | None
    invocation_id: str | None
    caller: Caller = OPERATOR
    is_reader: bool = False  # the function only reads
    moving_to: str = ""  # as in Settings
    delivery: Delivery = DIRECT
    lock_id: str | None = None  # of the lock that it has taken
    lock: LockTaking | None = None  # that it takes while it runs
    executing: DraftVFS | None = None  # while its statements run, and nothing has been committed

    @property
    def may_write(self) -> bool:
        """True if nothing forbids the request to write to its database."""
        return not self.is_reader and not self.request.read_only and self.caller.may_write

    @property
    def begins_with_write(self) -> bool:
        """True if the request begins with a write, as far as its text shows, and what it finds matters only together
        with its commit. Attached databases have no commit of their own."""
        request = self.request
        is_conditional = request.if_txid is not None or request.expect is not None
        if not self.may_write or is_conditional or request.dry_run or request.careful:
            return False
        return self.first_word in _WRITES and not any("attach" in each.query.lower() for each in request.statements)

    @property
    def first_word(self) -> str:
        """The first word of the request, in upper case; empty if there is none."""
        statements = self.request.statements
        return first_word(statements[0].query) if statements else ""

    def check_may_write(self, doing: object) -> None:
        """Raise `read_only` if the function only reads, or the request may not write."""
        if self.is_reader:
            raise only_reads(doing, self.moving_to)
        if self.request.read_only:
            raise read_only(doing, "a read-only request")

    def request_id(self, may_write: bool) -> str | None:
        """Return the id for the log of requests. A read without an id of its own is not looked up: that would take a
        page."""
        request_id = self.request.request_id or (self.invocation_id if may_write else None)
        return None if request_id is None else self.caller.own_id(request_id)

    def hold_lock(self) -> None:
        """Return once the request has its lock, if it takes one. Raises Waited or SldbError."""
        if self.lock is not None:
            started = self.deadline.now()
            try:
                self.lock.hold()
            finally:
                self.stats["lock_wait_ms"] += self.ms_since(started)

    def ms_since(self, started: float) -> float:
        return round((self.deadline.now() - started) * 1000, 3)

    @contextmanager
    def executing_on(self, vfs: DraftVFS) -> Iterator[None]:
        """Let another thread give up the run, while SQLite executes its statements."""
        started, self.executing = self.deadline.now(), vfs
        try:
            yield
        finally:
            self.executing = None
        self.stats["execute_ms"] += self.ms_since(started)

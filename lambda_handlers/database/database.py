"""The database: one database of a container, its copies, and the requests and actions on them.

Requests on the newest state are in `newest_requests`, those on a past one in `past_reader`, and those of transactions
over several requests in `transaction`. The order of writers is in `write_access`, and the record of applied requests in
`applied_requests`.

A request may read other databases beside its own (ATTACH); each of its runs attaches them afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from lambda_handlers.caller import OPERATOR, Caller
from lambda_handlers.database.applied_requests import AppliedRequests
from lambda_handlers.database.attached_databases import Readable
from lambda_handlers.database.delivery import DIRECT, Delivery
from lambda_handlers.database.local_copy import Copy
from lambda_handlers.database.moments import Moments
from lambda_handlers.database.newest_requests import NewestRequests
from lambda_handlers.database.newest_state import NewestState
from lambda_handlers.database.parts import Parts, Transactions
from lambda_handlers.database.replies import Replies
from lambda_handlers.database.request_runner import RequestRunner
from lambda_handlers.database.run import Run
from lambda_handlers.database.vanished_files import repeat_while_vanishing
from lambda_handlers.database.write_access import WriteAccess
from lambda_handlers.database.writer_turns import OF_ACTION
from lambda_handlers.deadline import Deadline
from lambda_handlers.log import trace
from lambda_handlers.resources import Resources
from lambda_handlers.sql.execution import Described
from lambda_handlers.sql.own.request_log import Applied
from lambda_handlers.sql.session import READ, WRITE, Mode, Session
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.replica import Gone, Replica
from lambda_handlers.store.protocol import StoreError, detail_of
from lambda_handlers.wire import Reply, Request, SldbError

T = TypeVar("T")

KEPT_MOMENTS = 2  # moments of which a database keeps a copy between requests


class Database:
    """A database of a container; not for two threads at a time."""

    def __init__(
        self,
        name: str,
        resources: Resources,
        make_room: Callable[[int], None],  # called with the bytes that a copy is about to take
        find: Callable[[str], Readable],  # a database of the stack, which stays open until the request is over
        new_transactions: Callable[[Parts], Transactions],
    ) -> None:
        self.name = name
        self._resources = resources
        self._is_reader, self._moving = resources.settings.read_only, resources.settings.moving_to
        self._make_room = make_room
        self._newest = NewestState(name, self._new_copy(), resources.settings.retention_days)
        self._moments = Moments(name, resources, self._new_copy)
        self.writes = WriteAccess(name, resources, self._newest.replica)  # for actions, too
        replies = Replies(resources.store, resources.host)
        self._applied = AppliedRequests(resources, self._newest, replies)
        self._runner = RequestRunner(self._newest, replies, self._applied, find, resources.watch)
        self.parts = Parts(resources, self._newest, self._moments, self.writes, self._applied, replies, find)
        self._requests = NewestRequests(self.parts, self._runner)
        self._new_transactions = partial(new_transactions, self.parts)
        self._transactions: Transactions | None = None
        self.in_flight: Run | None = None

    @property
    def size_bytes(self) -> int:
        """The size of the local copies."""
        transactions = self._transactions.size_bytes if self._transactions else 0
        return self._newest.replica.cached_bytes + self._moments.size_bytes + transactions

    def close(self) -> None:
        if self._transactions is not None:
            self._transactions.close()
        self._newest.copy.close()
        self._moments.drop()

    def execute(
        self,
        request: Request,
        deadline: Deadline,
        reply_limit_bytes: int | None = None,
        invocation_id: str | None = None,
        caller: Caller = OPERATOR,
        delivery: Delivery = DIRECT,
    ) -> Reply:
        """Return the reply to a request. `invocation_id`: identifies a write without an id of its own. Raises
        SldbError; unless its details state otherwise, nothing was applied."""
        stats = {"cold": self._newest.is_cold, "lock_wait_ms": 0.0, "execute_ms": 0.0, "commit_ms": 0.0}
        run = self.in_flight = Run(
            request, deadline, stats, reply_limit_bytes, invocation_id, caller, self._is_reader, self._moving, delivery
        )

        def answer() -> Reply:
            try:
                return self._answer(run)
            except Gone as gone:  # nothing was applied: a commit never raises it
                self._resources.log.info("opened_again", database=self.name, reason=str(gone))
                raise
            finally:
                self._moments.drop(keep=KEPT_MOMENTS)

        return repeat_while_vanishing(answer, self.name)

    def give_up(self) -> SldbError | None:
        """Free the lock of a request that SQLite does not end in time; called by another thread. Return the error for
        it, or None, without any effect, if there is none or something may have been committed."""
        run = self.in_flight
        vfs = run.executing if run is not None else None
        if run is None or vfs is None or vfs.permit.was_granted or not run.deadline.is_over():
            return None
        if (lock := run.lock) is not None:
            lock.give_up()
        if run.lock_id is not None:
            self.writes.release(run.lock_id)
        return run.deadline.error()

    # Requests

    def _answer(self, run: Run) -> Reply:
        request = run.request
        if request.transaction is not None:
            self._newest.is_cold = False
            self._transactions = self._transactions or self._new_transactions()
            return self._transactions.answer(run, request.transaction)
        if request.at is not None:
            if request.min_txid:
                self._newest.refresh(run.deadline, request.max_staleness, request.min_txid)
            self._newest.is_cold = False
            from lambda_handlers.database.past_reader import PastReader  # imports slow down cold starts

            return PastReader(self.parts, self._runner).answer(run, request.at)
        try:
            return self._requests.answer(run, request.max_staleness)
        except SldbError as error:
            if not request.max_staleness or error.code not in ("sql_error", "constraint", "not_found"):
                raise
        # An old state may lack the data of the request and, if the request is sent again, its record.
        return self._requests.answer(run, 0.0)

    def refresh(self, deadline: Deadline, max_staleness: float, min_txid: Txid = 0) -> None:
        self._newest.refresh(deadline, max_staleness, min_txid)

    # For requests that attach it

    def view(
        self, at: int | str | None, max_staleness: float, deadline: Deadline, *, may_be_empty: bool = False
    ) -> Replica:
        """Return the database now or at a moment in the past, to be read until `end_view`. `may_be_empty`: 0 is the
        moment before its first transaction. Raises SldbError."""
        if at is not None:
            return self._moments.copy_at(self.txid_at(at), deadline, may_be_empty).replica
        self.refresh(deadline, max_staleness)
        self._newest.check_exists()
        return self._newest.replica

    def end_view(self, has_lost_files: bool) -> None:
        """End all views. `has_lost_files`: one of them may have lost files; the next refresh of the newest copy finds
        their replacements."""
        self._newest.replica.cancel_prefetch()
        self._moments.drop(keep=0 if has_lost_files else KEPT_MOMENTS)

    # For actions

    def change(self, doing: str, deadline: Deadline, attempt: Callable[[Replica], T], *, may_create: bool = True) -> T:
        """Return the result of `attempt`, called with the newest replica under the lock to commit a transaction; it is
        repeated after a Conflict, or if retention removed its files. If it must not create the database, this is
        checked before the lock is taken, too. Raises SldbError."""
        if not may_create:
            self._newest.refresh(deadline)
            self._newest.check_may_create(may_create)

        def change_newest() -> T:
            self._newest.refresh(deadline)
            return self.writes.commit(lambda: attempt(self._newest.replica), deadline, OF_ACTION)

        with self.writes.locked(doing, deadline):
            return repeat_while_vanishing(change_newest, self.name)

    def check_may_create(self, may_create: bool) -> None:
        """Raise `not_found`, with `creatable`, if an attempt of `change` would create the database and must not."""
        self._newest.check_may_create(may_create)

    def look_up(self, deadline: Deadline, query: Callable[[Session], T]) -> T:
        """Return the result of `query` on the newest state, in a session without the right to write; it is repeated if
        retention removed its files. A database without transactions is empty. Raises SldbError for a dropped one."""

        def find() -> T:
            self._newest.refresh(deadline)
            self._newest.check_not_dropped()
            with self._own_session(deadline, READ) as session:
                return query(session)

        return repeat_while_vanishing(find, self.name)

    def describe(self, sql: str, token: str | None, deadline: Deadline, caller: Caller = OPERATOR) -> Described:
        """Return what SQLite knows of a statement, on the newest state or a token's. Raises SldbError."""
        if token is None:
            return self.look_up(deadline, lambda session: session.describe(sql))
        self._transactions = transactions = self._transactions or self._new_transactions()
        return repeat_while_vanishing(lambda: transactions.describe(sql, token, deadline, caller), self.name)

    def applied(self, request_id: str, deadline: Deadline) -> tuple[Applied | None, float]:
        """Return the request as the newest state remembers it, and the time since when it remembers requests (unix
        seconds). Raises SldbError."""
        copy = self._newest.copy
        return self.look_up(
            deadline,
            lambda session: (self._applied.search(session, copy, request_id), self._applied.times(copy).since),
        )

    def note_rename(self, target: str, deadline: Deadline) -> None:
        """Commit a note in the log of requests that the database is about to be named `target`, if there is anything to
        remember. To be called by an attempt of `change`. Raises Conflict, Gone or SldbError."""
        with self._own_session(deadline, WRITE) as session:
            self._applied.note_rename(session, target)

    def txid_at(self, at: int | str) -> Txid:
        """Return the transaction at a txid or an RFC 3339 time. Raises `bad_request` or `not_found`."""
        return self._moments.txid_at(at)

    def new_replica(self, max_cache_bytes: int | None = None) -> Replica:
        """Return an unopened copy; the caller closes it. `max_cache_bytes`: besides the usual limit of its cache."""
        resources = self._resources
        cache_bytes = resources.settings.cache_bytes
        return Replica(
            resources.store,
            self.name,
            resources.directory,
            resources.host,
            min(cache_bytes, max_cache_bytes or cache_bytes),
            self._make_room,
            warn=self._warn,
            puts_maps=not self._is_reader,
            clock=resources.store.clock,
            later=resources.after_reply.later,
        )

    def _new_copy(self) -> Copy:
        return Copy(self.new_replica(), self._resources.directory)

    @contextmanager
    def _own_session(self, deadline: Deadline, mode: Mode) -> Iterator[Session]:
        """Open a session for statements of sldb's own."""
        copy = self._newest.copy
        copy.draft.clear()
        session = Session(copy.vfs, mode, deadline)
        try:
            yield session
        finally:
            session.close()
            copy.draft.clear()

    def _warn(self, what: str, error: Exception) -> None:
        """Log the failure of a write after a commit that only serves speed; of a bug its traceback, without values."""
        log, about = self._resources.log, {"database": self.name, "what": what}
        if isinstance(error, (StoreError, SldbError, Gone)):
            log.warning("not_published", **about, error=str(error), aws_said=detail_of(error) or None)
        else:
            log.error("not_published", **about, traceback=trace(error))

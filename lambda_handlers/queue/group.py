"""Group commit: messages for one database under one lock, in one transaction of the log, with one commit.

Each message runs on a connection of its own over the same draft (`storage.draft`), in a transaction of SQLite inside
the draft: a savepoint, and more. Nothing of a connection reaches the next message: settings, temporary tables, rowids,
deferred foreign keys. `RAISE(ROLLBACK)` undoes its own message alone. The id and the reply of a message are recorded in
its transaction (`database.applied_requests`): each is applied once, independent of the others. A message with a
recorded id, be it of an earlier one of the group, is done.

The error of a statement undoes its message, and the others go on. After any other error (time, memory, room, the store)
and after commits of a failed message inside the draft, the draft is not trusted. Then the messages before it run again,
and are committed; it runs alone. So no message runs more than twice, lost races apart.

While others wait behind a message, it has half of the group's time. One that needs more is slow: it runs alone, later.

A group takes no further message once it could not run again in half of the time left, or once the transaction is large.
The rest is another group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import apsw

from lambda_handlers.database.database import Database
from lambda_handlers.database.delivery import Delivery
from lambda_handlers.database.request_runner import check_expected
from lambda_handlers.database.run import Run
from lambda_handlers.database.vanished_files import repeat_while_vanishing
from lambda_handlers.database.writer_turns import OF_REQUEST
from lambda_handlers.deadline import Deadline
from lambda_handlers.queue.message import Message
from lambda_handlers.queue.order import Stopped
from lambda_handlers.shared.dataclasses import dataclass, replace
from lambda_handlers.sql.session import WRITE, Session
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.replica import Conflict, Gone
from lambda_handlers.wire import Reply, Request, Result, SldbError
from lambda_handlers.wire.checks import MAX_COMMAND_CHARACTERS, MAX_MESSAGE_CHARACTERS

MAX_BYTES = 64 << 20  # of the changed pages of a group
COMMIT_SECONDS = 2.0  # kept free for the commit, or a tenth of the time if that is less
_CONTAINED = frozenset(
    ("sql_error", "constraint", "bad_request", "forbidden", "read_only", "not_found", "conflict")
)  # errors after which SQLite has undone the message
_UNSAFE = ("SQLITE_IOERR", "SQLITE_INTERRUPT", "SQLITE_FULL", "SQLITE_NOMEM", "SQLITE_CORRUPT")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a message. Without an error and a txid it was not tried."""

    message: Message
    txid: Txid | None = None  # of the transaction that it is part of, or was before
    error: SldbError | None = None
    stats: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """The outcomes of the first messages of a segment. `alone`: the next one is to run alone. `slow`: its share of the
    time was too short."""

    outcomes: list[Outcome]
    txid: Txid | None  # of the commit; None: nothing was committed
    alone: bool = False
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a group in the time of its batch."""

    deadline: Deadline  # of the batch
    lock_deadline: Deadline  # of the wait for the lock
    is_last: bool  # nothing waits behind the group


class _Progress:
    """The messages of one attempt so far."""

    def __init__(self, stopped: Stopped) -> None:
        self.stopped = stopped.copy()
        self.outcomes: list[Outcome] = []
        self.recorded: list[Request] = []
        self.kinds: set[Kind] = set()


class _Distrusted(Exception):
    """The draft may hold a part of a message. `position`: of that message."""

    def __init__(self, position: int, *, slow: bool = False) -> None:
        super().__init__(position)
        self.position = position
        self.slow = slow


class Group:
    """To be used for one segment of a batch."""

    def __init__(self, database: Database, share: Share, stopped: Stopped, stats: dict[str, Any]) -> None:
        """`stats`: those of the batch: the wait for locks, and lost races."""
        self._database = database
        self._parts = database.parts
        self._copy = database.parts.newest.copy
        self._share = share
        self._deadline = share.deadline
        self._stopped = stopped
        self._stats = stats
        self._lock_id: str | None = None

    def commit(self, messages: Sequence[Message]) -> Taken:
        """Run and commit the first messages, as many as there is time and room for. Raises SldbError if none was
        applied, or if it is not known."""
        return repeat_while_vanishing(lambda: self._commit(messages), self._database.name)

    def _commit(self, messages: Sequence[Message]) -> Taken:
        parts, deadline = self._parts, self._deadline
        self._database.refresh(deadline, 0.0)
        if not self._exists:  # its first write decides how it begins
            return Taken([], None, alone=True)
        started = deadline.now()
        with parts.writes.locked(f"queue ({len(messages)})", self._share.lock_deadline) as holder:
            self._lock_id = holder.lock_id
            self._stats["lock_wait_ms"] += round((deadline.now() - started) * 1000, 3)
            if parts.resources.has_lock:
                parts.newest.refresh(deadline)
            return parts.writes.commit(lambda: self._attempt(messages), deadline, OF_REQUEST, self._stats)

    @property
    def _exists(self) -> bool:
        return self._parts.newest.replica.page_count > 0

    def _attempt(self, messages: Sequence[Message]) -> Taken:
        """Run the messages on the newest state, and commit them. Raises Conflict, Gone or SldbError."""
        if not self._exists:  # it was dropped meanwhile
            return Taken([], None, alone=True)
        until, alone, slow = len(messages), False, False
        try:
            while True:
                try:
                    return replace(self._run_and_commit(messages[:until]), alone=alone, slow=slow)
                except _Distrusted as distrusted:
                    until, alone, slow = distrusted.position, True, distrusted.slow
        finally:
            self._copy.draft.clear()

    def _run_and_commit(self, messages: Sequence[Message]) -> Taken:
        draft, began, progress = self._copy.draft, self._deadline.now(), _Progress(self._stopped)
        draft.clear()
        for message in messages:
            late_at = self._late_at(began)
            if progress.outcomes and (self._deadline.now() >= late_at or draft.size_bytes > MAX_BYTES):
                break
            is_last = self._share.is_last and message is messages[-1]
            end = late_at if is_last else min(late_at, self._deadline.now() + (self._deadline.at - began) / 2)
            progress.outcomes.append(self._outcome(message, end, progress))
        txid = self._finish(progress) if progress.recorded else None
        return Taken(progress.outcomes, txid)

    def _late_at(self, began: float) -> float:
        """Return the end of the next message's time: later, those before it could not run again."""
        now = self._deadline.now()
        spare = min(COMMIT_SECONDS, (self._deadline.at - now) / 10)
        return self._deadline.at - spare - 2 * (now - began)

    @property
    def _next_txid(self) -> Txid:
        return self._parts.newest.replica.txid + 1

    # One message

    def _outcome(self, message: Message, end: float, progress: _Progress) -> Outcome:
        if progress.stopped.holds(message):
            return Outcome(message)
        if message.request is None:
            progress.stopped.note_failure(message)
            return Outcome(message, error=message.error)
        run = self._run_of(message, message.request, end)
        try:
            txid = self._run(run, progress)
        except (Conflict, Gone):
            raise
        except SldbError as error:
            if self._is_distrusted(error):
                raise _Distrusted(len(progress.outcomes), slow=error.code == "query_timeout") from error
            progress.stopped.note_failure(message)
            return Outcome(message, error=error, stats=run.stats)
        except Exception as bug:  # alone, it is an `internal` of its own
            raise _Distrusted(len(progress.outcomes)) from bug
        return Outcome(message, txid, stats=run.stats)

    def _is_distrusted(self, error: SldbError) -> bool:
        is_contained = error.code in _CONTAINED and not str(error.details.get("sqlite_code")).startswith(_UNSAFE)
        return not is_contained or self._copy.draft.has_inner_commits

    def _run_of(self, message: Message, request: Request, end: float) -> Run:
        resources, now = self._parts.resources, self._deadline.now()
        seconds = end - now if request.timeout is None else min(end - now, request.timeout)
        deadline = resources.deadline(max(0.0, seconds), request)
        stats = {"execute_ms": 0.0}
        limit = resources.settings.reply_limit_bytes
        return Run(request, deadline, stats, limit, None, delivery=Delivery(queued=message.queued))

    def _run(self, run: Run, progress: _Progress) -> Txid:
        """Run one message in a transaction of SQLite's inside the draft. Return the number of the group's. Raises Gone
        or SldbError."""
        copy, request = self._copy, run.request
        run.lock_id, self._database.in_flight = self._lock_id, run
        copy.draft.mark()
        compares = request.pin is not None or request.expect is not None
        room = self._parts.replies.room(run)
        session = Session(
            copy.vfs,
            WRITE,
            run.deadline,
            room,
            pin=request.pin,
            makes_digests=compares,
            watch=self._parts.resources.watch,
        )
        try:
            return self._run_in(session, run, progress)
        finally:
            session.close()

    def _run_in(self, session: Session, run: Run, progress: _Progress) -> Txid:
        applied, request, copy = self._parts.applied, run.request, self._copy
        request_id = run.request_id(may_write=True)
        if request_id is not None and (before := applied.find(session, copy, request_id, run.delivery.queued)):
            return before.reply.txid
        with run.executing_on(copy.vfs):
            results = session.run(request.statements, request.on_error)
        if request.expect is not None:
            check_expected(results, request.expect)
        run.deadline.check()
        self._record(session, run, results)
        progress.kinds.add(session.kind)
        progress.recorded.append(request)
        return self._next_txid

    def _record(self, session: Session, run: Run, results: tuple[Result, ...]) -> None:
        """Record the request in its transaction, and commit it into the draft."""
        reply = Reply(results, self._next_txid, self._database.name, warnings=session.warnings)
        if not session.connection.in_transaction:
            session.trusted(_statement("BEGIN IMMEDIATE"))
        self._parts.applied.record(session, self._copy, run.request_id(may_write=True), reply, run.delivery.queued)
        session.trusted(_statement("COMMIT"))

    # All of them

    def _finish(self, progress: _Progress) -> Txid:
        """Commit the draft. Raises Conflict or SldbError."""
        copy, kinds = self._copy, progress.kinds - {Kind.UNKNOWN}
        self._record_note(progress.recorded)
        copy.draft.remove_mark()
        self._deadline.check()
        with copy.vfs.permit.granted(Kind.SEVERAL if len(kinds) > 1 else next(iter(kinds), Kind.UNKNOWN)):
            copy.vfs.commit_rest()
        assert copy.vfs.permit.txid is not None
        return copy.vfs.permit.txid

    def _record_note(self, requests: Sequence[Request]) -> None:
        """Record the note of the transaction: the different notes of its messages."""
        message = _joined([request.message for request in requests], MAX_MESSAGE_CHARACTERS)
        command = _joined([request.command for request in requests], MAX_COMMAND_CHARACTERS)
        if not (message or command):
            return
        run = Run(replace(requests[0], message=message, command=command), self._deadline, {}, None, None)
        session = Session(self._copy.vfs, WRITE, self._deadline)
        try:
            session.trusted(_statement("BEGIN IMMEDIATE"))
            self._parts.applied.record_note(session, self._copy, run)
            session.trusted(_statement("COMMIT"))
        finally:
            session.close()


def _statement(sql: str) -> Callable[[apsw.Connection], object]:
    return lambda connection: connection.execute(sql)


def _joined(texts: Sequence[str | None], most: int) -> str | None:
    """Return the different texts together, up to so many characters; None if there are none."""
    return "; ".join(dict.fromkeys(text for text in texts if text))[:most] or None

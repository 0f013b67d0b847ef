"""One request against one database: refresh, run, and where it writes: lock, run again, commit.

A request first runs without the lock and without the right to write. If SQLite says that a statement writes, all is
run again from the start: under the lock, on the newest transaction, inside one SQLite transaction. The conditional
create of that transaction's object is the commit and the only thing that safety rests on; who loses that race runs
again, within a bound. A lock that cannot be released does not make a committed write fail.

A request may read other databases beside its own (ATTACH); each of its runs attaches them afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import apsw

from lambda_handlers.attached_databases import Attached, Readable
from lambda_handlers.host import Host
from lambda_handlers.local_copies import Copy, PastCopies
from lambda_handlers.locks.protocol import WriteLock
from lambda_handlers.log import Log, trace
from lambda_handlers.replies import Replies
from lambda_handlers.settings import Settings
from lambda_handlers.shared.times import utc
from lambda_handlers.sql import request_log
from lambda_handlers.sql.reply_limit import ReplyRoom
from lambda_handlers.sql.request_log import Applied, Recorded, Times
from lambda_handlers.sql.session import Session, WriteNeeded, timed_out
from lambda_handlers.storage.announcements import MAX_SECONDS
from lambda_handlers.storage.log import history
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.replica import Conflict, Gone, Replica, store_error
from lambda_handlers.storage.vfs import DraftVFS
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.protocol import StoreError, detail_of
from lambda_handlers.turns import OF_ACTION, OF_REQUEST, Patience, Turns
from lambda_handlers.wire import DEFAULT_DATABASE, Reply, Request, Result, SldbError, bad_request, moment_ms

T = TypeVar("T")

GONE_ATTEMPTS = 3  # a request begins again when retention has removed what it reads from
KEPT_PAST = 2  # moments that a database keeps a copy of between requests
COMMIT_ATTEMPTS = 20  # lost races after which a request gives up
MOMENT_SECONDS, LOOK_AGAIN_SECONDS = 1.0, 0.2  # who writes steadily writes again within the second
AHEAD_SECONDS = 60.0  # two clocks may be apart without one of them being called wrong
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.01, 1.0


class Database:
    """One database of one container; not for two threads at a time."""

    def __init__(
        self,
        name: str,
        store: MeteredStore,
        lock: WriteLock,
        settings: Settings,
        host: Host,
        directory: Path,
        log: Log,
        make_room: Callable[[int], None],  # called before a copy takes so many bytes
        find: Callable[[str], Readable],  # a database of the stack, which stays open until the request is over
    ) -> None:
        self.name = name
        self._store = store
        self._lock = lock
        self._settings = settings
        self._host = host
        self._directory = directory
        self._log = log
        self._make_room = make_room
        self._find = find
        self._replies = Replies(store, host)
        self._turns = Turns(store, host, log, is_on=settings.lock == "none")
        self._newest = self._new_copy()
        self._in_flight: _Run | None = None
        self._past = PastCopies(name, self._new_copy)
        self._is_cold = True
        self._has_told_descent = False  # that a clock stepped: once for a container

    @property
    def size_bytes(self) -> int:
        """Of the local copies."""
        return self._newest.replica.cached_bytes + self._past.size_bytes

    def close(self) -> None:
        self._newest.close()
        self._past.drop()

    def execute(
        self,
        request: Request,
        deadline: float,
        reply_limit_bytes: int | None = None,
        invocation_id: str | None = None,
    ) -> Reply:
        """`deadline`: unix seconds. `invocation_id`: what a write is known by that has no id of its own. Raises
        SldbError; unless it says otherwise, nothing was applied."""
        stats = {"cold": self._is_cold, "lock_wait_ms": 0.0, "execute_ms": 0.0, "commit_ms": 0.0}
        run = self._in_flight = _Run(request, deadline, stats, reply_limit_bytes, invocation_id)
        for _ in range(GONE_ATTEMPTS):
            try:
                return self._execute(run)
            except Gone as gone:  # nothing was applied: a commit does not end like this
                self._log.info("opened_again", database=self.name, reason=str(gone))
                reason = gone
            finally:
                self._past.drop(but=KEPT_PAST)
        raise _vanishing(self.name, reason)

    def give_up(self) -> bool:
        """Free the lock of a request whose time is over and which SQLite does not let go of; called by another thread.
        False, and nothing is done, where there is none, or something may have been committed."""
        run = self._in_flight
        vfs = run.runs if run is not None else None
        if run is None or vfs is None or vfs.permit.is_granted or not self._is_over(run):
            return False
        if run.lock_id is not None:
            self._release(run.lock_id)
        return True

    def _execute(self, run: _Run) -> Reply:
        request = run.request
        if request.at is not None:
            return self._read_past(run, request.at)
        try:
            return self._execute_on(run, request.max_staleness)
        except SldbError as error:
            if not request.max_staleness or error.code not in ("sql_error", "constraint", "not_found"):
                raise
        # An old state may lack what the request is about, and the request itself, where it is sent again.
        return self._execute_on(run, 0.0)

    def _execute_on(self, run: _Run, max_staleness: float) -> Reply:
        """Run on the newest state, or on one that was checked no longer ago."""
        self._newest.replica.refresh(max_staleness, run.deadline)
        self._is_cold = False
        try:
            reply = self._attempt(run, self._newest, may_write=False)
        except WriteNeeded as need:
            return self._write(run, need.doing)
        except SldbError:
            self._check_exists()
            raise
        self._check_exists()
        return reply

    def _check_exists(self) -> None:
        """A database comes to be with its first write; only the default one may be read before."""
        self._check_not_dropped()
        if self._newest.replica.txid == 0 and self.name != DEFAULT_DATABASE:
            raise no_database(self.name)

    def check_may_create(self, may_create: bool) -> None:
        """Raise `not_found`, with `creatable`, where a write would create the database and must not: where the state
        that it builds on has no pages. To be called with each state that a write is tried on."""
        if may_create or self._newest.replica.page_count:
            return
        try:
            self._check_not_dropped()
        except SldbError as error:
            error.details.update(creatable=True, applied="no")
            raise
        raise no_database(self.name, creatable=True, applied="no")

    def _check_not_dropped(self) -> None:
        replica = self._newest.replica
        if replica.txid and not replica.page_count:
            raise dropped(self.name, replica.txid, replica.timestamp_ms, self._settings.retention_days)

    # For requests that attach it

    def view(self, at: int | str | None, max_staleness: float, deadline: float) -> Replica:
        """The database now or then, to be read until `leave`. Raises SldbError."""
        if at is not None:
            return self._past.at(self.txid_at(at), deadline).replica
        self._newest.replica.refresh(max_staleness, deadline)
        self._is_cold = False
        self._check_exists()
        return self._newest.replica

    def leave(self, doubted: bool) -> None:
        """`doubted`: perhaps what was read has lost its files. The newest copy sees to that when it is refreshed."""
        self._newest.replica.cancel_prefetch()
        self._past.drop(but=0 if doubted else KEPT_PAST)

    # For actions

    def change(self, doing: str, deadline: float, attempt: Callable[[Replica], T], *, may_create: bool = True) -> T:
        """What `attempt` returns, which gets the replica at the newest transaction, under the lock, and may commit one;
        it is called again when that meets a Conflict, or when retention removed what it reads. Where it must not
        create the database, that is looked at before the lock is taken too. Raises SldbError."""
        if not may_create:
            self._newest.replica.refresh(deadline=deadline)
            self.check_may_create(may_create)
        holder = self._lock.acquire(self.name, deadline, doing)
        replica = self._newest.replica
        try:
            for _ in range(GONE_ATTEMPTS):
                try:
                    replica.refresh(deadline=deadline)
                    self._turns.give_way(replica, deadline)
                    return self._until_committed(lambda: attempt(replica), deadline, OF_ACTION)
                except Gone as gone:
                    reason = gone
            raise _vanishing(self.name, reason)
        finally:
            self._release(holder.lock_id)

    def has_other_writers(self, stood_at: Txid | None) -> bool:
        """Whether others write, without a lock, to the database whose newest transaction was `stood_at` a while ago.
        Of one that was written to a moment ago it takes another moment to tell. Raises SldbError."""
        replica = self._newest.replica
        if self._settings.lock != "none" or replica.txid != stood_at:
            return self._settings.lock == "none"
        if 0 <= self._host.now() - replica.timestamp_ms / 1000 < MOMENT_SECONDS:
            self._host.sleep(LOOK_AGAIN_SECONDS)
            replica.refresh()
        return replica.txid != stood_at

    def announce(self, deadline: float) -> None:
        """Have other writers give way to what an attempt of `change` is about to do, where there is no lock to do so.
        The replica stands at the announcement then. Raises SldbError."""
        self._turns.announce(self._newest.replica, deadline, MAX_SECONDS)

    def look(self, deadline: float, ask: Callable[[Session], T]) -> T:
        """What `ask` finds in the newest state, by a session that may not write; asked again when retention removed
        what it reads. One that was never written to is empty; raises SldbError for one that was dropped."""
        for _ in range(GONE_ATTEMPTS):
            try:
                self._newest.replica.refresh(deadline=deadline)
                self._check_not_dropped()
                return self._look(deadline, ask)
            except Gone as gone:
                reason = gone
        raise _vanishing(self.name, reason)

    def applied(self, request_id: str, deadline: float) -> tuple[Applied | None, float]:
        """Return what the newest state remembers of a request, and since when it remembers requests (unix seconds).
        Raises SldbError."""
        return self.look(
            deadline,
            lambda session: (self._applied(session, self._newest, request_id), self._times(self._newest).since),
        )

    def note_rename(self, target: str, deadline: float) -> None:
        """Note in the log of requests that the database is about to be `target`: one transaction, if there is anything
        to remember. To be called by an attempt of `change`. Raises Conflict, Gone or SldbError."""
        times = self._times(self._newest)

        def note(connection: apsw.Connection) -> None:
            request_log.note_rename(connection, self.name, target, times)

        with self._session(deadline, may_write=True) as session:
            session.write_own(Kind.RENAME_DATABASE, note)

    def _look(self, deadline: float, ask: Callable[[Session], T]) -> T:
        with self._session(deadline, may_write=False) as session:
            return ask(session)

    @contextmanager
    def _session(self, deadline: float, may_write: bool) -> Iterator[Session]:
        """For what is not SQL of a request."""
        copy = self._newest
        copy.draft.clear()
        session = Session(copy.vfs, may_write, may_write, lambda: self._host.now() >= deadline, ReplyRoom())
        try:
            yield session
        finally:
            session.close()
            copy.draft.clear()

    def new_replica(self, most_bytes: int | None = None) -> Replica:
        """One that stands nowhere yet; the caller closes it. `most_bytes`: of its cache, besides the usual limit."""
        limit_bytes = min(self._settings.cache_bytes, most_bytes or self._settings.cache_bytes)
        return Replica(
            *(self._store, self.name, self._directory, self._host, limit_bytes, self._make_room),
            warn=self._warn,
            clock=self._store.clock,
        )

    def txid_at(self, at: int | str) -> Txid:
        """The transaction that `at` means, a txid or an RFC 3339 time. Raises `bad_request` or `not_found`."""
        if isinstance(at, str):
            return self._txid_at(at)
        if at >= 1 << 64:
            bad_request("at", at, "a txid")
        return at

    # Reading the past

    def _read_past(self, run: _Run, at: int | str) -> Reply:
        txid = self.txid_at(at)
        # The shell's open transactions mostly stand on what is still the newest: that copy is warm.
        is_newest = txid > 0 and txid == self._newest.replica.txid
        copy = self._newest if is_newest else self._past.at(txid, run.deadline, run.request.dry_run)
        self._is_cold = False
        try:
            reply = self._run_past(run, copy, txid)
        except Gone:
            self._past.drop()
            if is_newest:
                self._newest.replica.refresh(deadline=run.deadline)
            raise
        return replace(reply, time=utc(copy.replica.timestamp_ms)) if txid else reply

    def _run_past(self, run: _Run, copy: Copy, txid: Txid) -> Reply:
        """Only a dry run may write there: what it writes is dropped with it."""
        try:
            return self._attempt(run, copy, may_write=False)
        except WriteNeeded as need:
            if run.request.read_only or not run.request.dry_run:
                what = "a read-only request" if run.request.read_only else f"a view of transaction {txid}"
                raise _read_only(need, what) from None
        return self._attempt(run, copy, may_write=True)

    def _txid_at(self, text: str) -> Txid:
        moment = moment_ms("at", text)
        try:
            found = history.find(self._store, self._host, self.name, moment)
        except StoreError as error:
            raise store_error(error) from error
        if found.descends_at and not self._has_told_descent:
            self._has_told_descent = True
            self._log.warning("times_descend", database=self.name, txid=found.descends_at)
        self._check_not_ahead(text, moment, found.time_ms)
        if found.txid == 0:
            raise SldbError("not_found", f"database {self.name} has no transaction at or before {text}")
        return found.txid

    def _check_not_ahead(self, text: str, moment: int, found_ms: int) -> None:
        """Raise `bad_request` for a moment in the future, unless the log itself ends there: then a clock was ahead.
        `found_ms`: the time of what it has found."""
        now = self._host.now()
        if moment > (now + AHEAD_SECONDS) * 1000 and found_ms <= now * 1000:
            bad_request("at", text, f"a moment that has come: it is {utc(int(now * 1000))}")

    # Writing

    def _write(self, run: _Run, doing: str) -> Reply:
        request = run.request
        if request.read_only:
            raise _read_only(doing, "a read-only request")
        self.check_may_create(request.create)  # before the lock is taken, which leaves its traces
        if request.dry_run:
            return self._attempt(run, self._newest, may_write=True)
        started = self._host.now()
        holder = self._lock.acquire(self.name, run.deadline, doing)
        run.lock_id = holder.lock_id
        run.stats["lock_wait_ms"] = self._ms_since(started)
        try:
            return self._write_locked(run)
        finally:
            self._release(holder.lock_id)

    def _write_locked(self, run: _Run) -> Reply:
        # Without a lock nothing has passed since the refresh that this request began with, unless it asked for a
        # stale one. With a lock, another writer may have come and gone while this one waited.
        if self._settings.lock != "none" or run.request.max_staleness:
            self._newest.replica.refresh(deadline=run.deadline)
        self._turns.give_way(self._newest.replica, run.deadline)

        return self._until_committed(lambda: self._attempt(run, self._newest, may_write=True), run.deadline, OF_REQUEST)

    def _until_committed(self, attempt: Callable[[], T], deadline: float, patience: Patience) -> T:
        try:
            return self._try_to_commit(attempt, deadline, patience)
        except Gone:  # it begins again at once
            raise
        except Exception:
            self._turns.withdraw(self._newest.replica)
            raise

    def _try_to_commit(self, attempt: Callable[[], T], deadline: float, patience: Patience) -> T:
        replica, lost_races = self._newest.replica, 0
        for number in range(COMMIT_ATTEMPTS):
            before, started = replica.txid, self._host.now()
            try:
                return attempt()
            except Conflict as conflict:
                lost = conflict
            took = self._host.now() - started
            self._back_off(number, deadline)
            replica.refresh(deadline=deadline)
            self._turns.give_way(replica, deadline)
            lost_races += replica.txid > before
            if patience.is_over(lost_races, took):
                self._turns.announce(replica, deadline, took)
        raise SldbError(
            "conflict",
            f"other writers of {self.name} came first, {COMMIT_ATTEMPTS} times ({lost})",
            "try again; with SLDB_LOCK=none many writers at once get in each other's way",
            applied="no",
        )

    def _check_txid(self, if_txid: Txid | None) -> None:
        txid = self._newest.replica.txid
        if if_txid is not None and not self._newest.replica.unchanged_since <= if_txid <= txid:
            raise SldbError(
                "conflict",
                f"the newest transaction of {self.name} is {txid}, not {if_txid}",
                "read again, and decide again",
                txid=txid,
                applied="no",
            )

    def _back_off(self, attempt: int, deadline: float) -> None:
        longest = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**attempt)
        pause = longest * self._host.jitter()
        if self._host.now() + pause >= deadline:
            raise SldbError(
                "conflict",
                f"other writers of {self.name} came first until the time was up",
                "try again, or give the request more time (timeout)",
                applied="no",
            )
        self._host.sleep(pause)

    def _release(self, lock_id: str) -> None:
        try:
            released = self._lock.release(lock_id, self.name)
        except SldbError as error:
            # The transaction's outcome stands either way, and the lock's age frees it.
            self._log.warning("lock_not_released", database=self.name, lock_id=lock_id, error=error.message)
            return
        except Exception as error:  # noqa: BLE001 - a bug, which must not deny a transaction that was committed
            self._log.error("lock_not_released", database=self.name, lock_id=lock_id, traceback=trace(error))
            return
        if not released:
            self._log.warning("lock_was_broken", database=self.name, lock_id=lock_id)

    # Running

    def _attempt(self, run: _Run, copy: Copy, may_write: bool) -> Reply:
        copy.draft.clear()
        own = {self.name: copy.replica} if copy is self._newest else {}
        attached = Attached(self._find, run.request.max_staleness, own, run.deadline)
        session = Session(
            copy.vfs,
            may_write,
            may_commit=not run.request.dry_run,
            is_over=lambda: self._is_over(run),
            room=self._room(run),
            attach=attached.open,
            watches=run.request.dry_run or run.request.careful,
        )
        doubted = False
        try:
            return self._run(run, session, copy)
        except Gone:
            doubted = True
            raise
        finally:
            session.close()
            attached.close(doubted)
            copy.draft.clear()

    def _is_over(self, run: _Run) -> bool:
        return self._host.now() >= run.deadline

    def _room(self, run: _Run) -> ReplyRoom:
        def check_time() -> None:
            if self._is_over(run):
                raise timed_out()

        if run.reply_limit_bytes is None:
            return ReplyRoom()
        return ReplyRoom(run.reply_limit_bytes, lambda rows: self._replies.send_rows(rows, check_time))

    def _run(self, run: _Run, session: Session, copy: Copy) -> Reply:
        request, request_id = run.request, run.request_id(session.may_write)
        if request_id is not None and (before := self._applied(session, copy, request_id)):
            return self._with_stats(before.reply, run)
        if session.may_write and not request.dry_run:  # of a request that was applied, the newest is no more if_txid
            self._check_txid(request.if_txid)
            self.check_may_create(request.create)
        started = self._host.now()
        run.runs = copy.vfs
        try:
            results = session.run(request.statements)
        finally:
            run.runs = None
        run.stats["execute_ms"] += self._ms_since(started)
        changes = session.changes
        if request.dry_run and changes:
            reply = self._reply(results, copy.replica.txid)
            return self._with_stats(replace(reply, changes=changes.by_table, destroys=changes.destroys), run)
        if not session.has_written:
            return self._with_stats(self._reply(results, copy.replica.txid), run)
        if request.careful and changes and changes.destroys:
            raise _unconfirmed(changes.destroys, copy.replica.txid)
        # Whoever has given the request up, because its time was long over, relies on this.
        if copy.vfs.permit.txid is None and self._is_over(run):
            raise timed_out()
        started = self._host.now()
        if (
            copy.vfs.permit.txid is None
        ):  # only VACUUM has committed by itself; twice does no harm, so it is not recorded
            self._record(session, copy, request_id, self._reply(results, copy.replica.txid + 1))
            session.commit()
        run.stats["commit_ms"] += max(self._ms_since(started), 0.001)  # 0: nothing was committed
        txid = copy.replica.txid if copy.vfs.permit.txid is None else copy.vfs.permit.txid
        return self._with_stats(self._reply(results, txid), run)

    def _applied(self, session: Session, copy: Copy, request_id: str) -> Applied | None:
        times = self._times(copy)
        found: Recorded | None = session.trusted(lambda connection: request_log.find(connection, request_id, times))
        reply = request_log.decode(found.entry, self._replies.kept) if found else None
        if found is None or reply is None:
            return None
        if reply.database != self.name and not session.trusted(
            lambda connection: request_log.was_renamed(connection, reply.database, found.at, self.name, times)
        ):
            return None  # of the database that this one is a branch of
        return Applied(found.at, reply)

    def _record(self, session: Session, copy: Copy, request_id: str | None, reply: Reply) -> None:
        entry = request_log.encode(reply, self._replies.keep) if request_id is not None else b""
        times = self._times_of_next(copy)
        if request_id is not None:
            session.trusted(lambda connection: request_log.record(connection, request_id, times, entry))
        elif times.now < times.log:
            session.trusted(lambda connection: request_log.take_back(connection, times))

    def _times_of_next(self, copy: Copy) -> Times:
        """Those of the transaction that is about to be made, with its own."""
        now = self._host.now()
        copy.draft.time_ms = copy.replica.next_time_ms(now)
        return replace(self._times(copy, now), made=copy.draft.time_ms / 1000)

    def _times(self, copy: Copy, now: float | None = None) -> Times:
        clock, replica = self._store.clock.corrected(self._host.now() if now is None else now), copy.replica
        is_told = copy is self._newest and replica.txid > 0
        return Times(clock, replica.timestamp_ms / 1000 if is_told else clock)

    def _reply(self, results: tuple[Result, ...], txid: Txid) -> Reply:
        return Reply(results, txid, self.name)

    def _with_stats(self, reply: Reply, run: _Run) -> Reply:
        """The reply as it goes out."""
        return self._replies.outgoing(replace(reply, stats=run.stats))

    def _new_copy(self) -> Copy:
        return Copy(self.new_replica(), self._directory)

    def _warn(self, what: str, error: Exception) -> None:
        """Something that only serves speed could not be written after a commit."""
        said = detail_of(error)
        self._log.warning("not_published", database=self.name, what=what, error=str(error), aws_said=said or None)

    def _ms_since(self, started: float) -> float:
        return round((self._host.now() - started) * 1000, 3)


def no_database(name: str, **details: Any) -> SldbError:
    """Return the error for a database that has never been written to."""
    hint = f"`sldb databases` lists those there are, `sldb databases create {name}` makes it"
    return SldbError("not_found", f"there is no database {name}", hint, **details)


def dropped(name: str, txid: Txid, timestamp_ms: int, retention_days: float) -> SldbError:
    """The error for a database that transaction `txid` dropped."""
    until_ms = timestamp_ms + round(retention_days * 86_400_000)
    return SldbError(
        "not_found",
        f"database {name} was dropped by transaction {txid}, at {utc(timestamp_ms)}",
        f"until {utc(until_ms)}, sldb restore --database {name} --at {txid - 1} brings it back; a write begins it anew",
        txid=txid,
    )


class _Run:
    """One request on its way: what was asked, until when, in how many bytes, and what it took so far."""

    def __init__(
        self,
        request: Request,
        deadline: float,
        stats: dict[str, Any],
        reply_limit_bytes: int | None,
        invocation_id: str | None,
    ) -> None:
        self.request = request
        self.deadline = deadline
        self.stats = stats
        self.reply_limit_bytes = reply_limit_bytes
        self._invocation_id = invocation_id
        self.lock_id: str | None = None  # of the lock that it has taken
        self.runs: DraftVFS | None = None  # while its statements run, and nothing has been committed

    def request_id(self, may_write: bool) -> str | None:
        """What it is recorded under. A read that nobody gave an id does not look for it: that takes a page."""
        return self.request.request_id or (self._invocation_id if may_write else None)


def _vanishing(database: str, reason: Gone) -> SldbError:
    return SldbError(
        "store_error", f"files of {database} vanish while they are read: {reason}", "try again", applied="no"
    )


def _unconfirmed(destroys: list[dict[str, Any]], txid: Txid) -> SldbError:
    return SldbError(
        "unconfirmed",
        f"this {', '.join(destroyed['message'] for destroyed in destroys)}",
        f"if that is meant, send it again without careful, with if_txid {txid} so that it is just that",
        destroys=destroys,
        txid=txid,
        applied="no",
    )


def _read_only(doing: object, what: str) -> SldbError:
    return SldbError("read_only", f"{what} may not write, and this would: {doing}", "send it without read_only and at")

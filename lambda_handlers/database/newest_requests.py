"""Requests on the newest state: read without the lock; if one writes, it runs again under the lock, and is committed.

A request first runs without the lock and without the right to write. If SQLite reports that a statement writes, all is
run again from the start, inside one SQLite transaction (`request_runner`). The lock is taken meanwhile (`lock_taking`);
only the commit waits for it. A cold copy is opened meanwhile, too, if the request begins with a write. Without a lock,
a request that begins with INSERT, UPDATE, DELETE or REPLACE has the right to write at once, on a warm copy.

A request begins by asking for newer transactions. One that begins with a write does not: the create of its transaction
shows whether there were any (invariant 5 of docs/storage.md). If it makes none (it met an error, only read, or changed
nothing), it asks then, and runs again if there was something new. So does a writer that had to wait for the lock: there
was another one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from lambda_handlers.database.parts import Parts
from lambda_handlers.database.request_runner import RequestRunner
from lambda_handlers.database.run import Run
from lambda_handlers.database.writer_turns import OF_REQUEST
from lambda_handlers.sql.session import WriteNeeded
from lambda_handlers.wire import Reply, SldbError

T = TypeVar("T")

_WRITES_ALWAYS = frozenset(("DELETE", "INSERT", "REPLACE", "UPDATE"))
_OF_EVERY_STATE = ("cancelled", "lock_timeout", "query_timeout", "store_error")  # a newer one would not undo them


class NewestRequests:
    def __init__(self, parts: Parts, runner: RequestRunner) -> None:
        self._newest = parts.newest
        self._writes = parts.writes
        self._runner = runner

    def answer(self, run: Run, max_staleness: float) -> Reply:
        """Return the reply to a request on the newest state, or on one checked within `max_staleness` seconds. Raises
        Gone or SldbError."""
        try:
            self._open(run, max_staleness)
            if self._writes_at_once(run):
                return self._write(run, run.first_word)
            return self._on_newest(run, partial(self._read, run), max_staleness)
        except WriteNeeded as need:
            return self._write(run, need.doing)
        finally:
            if run.lock is not None:
                if holder := run.lock.end():
                    self._writes.release_later(holder.lock_id)
                run.lock = None

    def _open(self, run: Run, max_staleness: float) -> None:
        """Bring the copy to the newest state, unless the request may use it as it is."""
        min_txid, begins_with_write = run.request.min_txid, run.begins_with_write
        if begins_with_write and self._newest.trust(run.deadline, min_txid):
            return
        if begins_with_write and run.request.create and run.first_word != "BEGIN":
            run.lock = self._writes.take(run.first_word, run.deadline)
        self._newest.refresh(run.deadline, max_staleness, min_txid)

    def _writes_at_once(self, run: Run) -> bool:
        """Return True if a run without the right to write would only show that the request writes. With a lock it
        shows the lock's purpose as well, and takes none for a statement with an error."""
        is_sure = run.first_word in _WRITES_ALWAYS and self._newest.replica.is_trusted
        return is_sure and not self._writes.has_lock

    def _on_newest(self, run: Run, attempt: Callable[[], T], max_staleness: float = 0.0) -> T:
        """Return the result of `attempt`. If it trusted the copy, made no commit on it, and there was something new, it
        is repeated. Raises what it raises."""
        try:
            result = attempt()
        except SldbError as error:
            if error.code in _OF_EVERY_STATE or not self._newest.has_news(run.deadline, max_staleness):
                raise
        else:
            if not self._newest.has_news(run.deadline, max_staleness):
                return result
        return attempt()

    def _read(self, run: Run) -> Reply:
        try:
            reply = self._runner.run(run, self._newest.copy, may_write=False)
        except SldbError:
            self._newest.check_exists()
            raise
        self._newest.check_exists()
        return reply

    def _write(self, run: Run, doing: str) -> Reply:
        run.check_may_write(doing)
        run.caller.require(self._newest.database, writes=True)
        # Before the lock is taken, which may leave an object or a file.
        self._newest.check_may_create(run.request.create)
        if run.request.dry_run:
            return self._run_writing(run)
        run.lock = run.lock or self._writes.take(doing, run.deadline)
        if run.request.max_staleness and not self._newest.replica.is_trusted:
            self._newest.refresh(run.deadline)
        run_writing = self._run_on_existing if self._newest.replica.page_count else self._run_writing
        attempt = partial(self._on_newest, run, partial(run_writing, run))
        return self._writes.commit(attempt, run.deadline, OF_REQUEST, run.stats)

    def _run_writing(self, run: Run) -> Reply:
        if run.first_word == "VACUUM" and not run.request.dry_run:
            run.hold_lock()  # it commits by itself
        return self._runner.run(run, self._newest.copy, may_write=True)

    def _run_on_existing(self, run: Run) -> Reply:
        """Run on a database that had pages when the request began, and may have been dropped meanwhile."""
        try:
            return self._run_writing(run)
        except SldbError as error:
            if "creatable" not in error.details:  # otherwise it says so itself
                self._newest.check_not_dropped()
            raise

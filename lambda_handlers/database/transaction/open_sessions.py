"""The session of a transaction's state: an open one from an earlier request, or a new one in which the statements of
the transaction run again.

It stands on the base of the transaction: on the newest copy while that is there, else on a copy of that moment.
Attached databases stay at the transactions at which they were first read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lambda_handlers.database.attached_databases import AttachedDatabases
from lambda_handlers.database.local_copy import Copy, Workspace
from lambda_handlers.database.parts import Parts
from lambda_handlers.database.run import Run
from lambda_handlers.database.transaction.shown_results import check_shown
from lambda_handlers.database.transaction.token import Transaction
from lambda_handlers.database.transaction.warm_sessions import WarmSession, WarmSessions
from lambda_handlers.sql.reply_limit import DISCARDED
from lambda_handlers.sql.session import Mode, Session

_OPEN = Mode(may_write=True, may_commit=False)


class OpenSessions:
    def __init__(self, parts: Parts, warm: WarmSessions) -> None:
        """`warm`: those of the container."""
        self._parts = parts
        self._warm = warm

    @property
    def size_bytes(self) -> int:
        """The size of the local files of open sessions."""
        return self._warm.size_bytes(self._parts.name)

    def open(self, run: Run, transaction: Transaction) -> WarmSession:
        """Return a session of the state of a transaction; the caller resumes it, and keeps or closes it. Raises
        `conflict` if its statements show something else than they did, Gone, or SldbError."""
        warm = self._warm.take(transaction.key)
        run.stats["sessions"] = "replayed" if warm is None and transaction.statements else "warm"
        if warm is None:
            return self._replayed(run, transaction)
        warm.attached = self._attached(run, transaction, warm.workspace)
        return warm

    def keep(self, warm: WarmSession, transaction: Transaction) -> None:
        """Keep a session, now of this state, for the next request. One that has attached databases is closed: their
        copies move on with their own requests."""
        if warm.attached.has_opened:
            warm.close()
        else:
            self._warm.keep(transaction.key, warm)
            self._warm.drop_holders(self._parts.name, self._has_room)

    def drop(self) -> None:
        """Close all open sessions."""
        self._warm.drop(self._parts.name)

    def drop_one(self, transaction: Transaction) -> None:
        """Close the session of the state of a transaction that is over, if it is open."""
        if warm := self._warm.take(transaction.key):
            warm.close()

    def _has_room(self) -> bool:
        """Return True if the held copies and the newest one fit into the cache's budget."""
        parts = self._parts
        return parts.newest.replica.cached_bytes + parts.moments.held_bytes <= parts.resources.settings.cache_bytes

    def _replayed(self, run: Run, transaction: Transaction) -> WarmSession:
        warm = self._fresh(run, transaction)
        try:
            with run.executing_on(warm.workspace.vfs):
                check_shown(warm.session, transaction.statements, " when it runs again on the same state")
        except BaseException:
            warm.close(has_lost_files=True)
            raise
        return warm

    def _fresh(self, run: Run, transaction: Transaction) -> WarmSession:
        base, release = self._base(run, transaction)
        workspace = Workspace(base.replica, self._parts.resources.directory)
        attached = self._attached(run, transaction, workspace)
        rest = workspace.vfs, _OPEN, run.deadline, DISCARDED, attached.open, transaction.pin
        try:
            session = Session(*rest, in_transaction=True, watch=self._parts.resources.watch)
        except BaseException:
            workspace.close()
            release()
            raise
        holds = release is not _nothing_to_release
        return WarmSession(self._parts.name, session, workspace, attached, transaction.base, release, holds)

    def _base(self, run: Run, transaction: Transaction) -> tuple[Copy, Callable[[], None]]:
        """Return the copy that a session stands on, and the function to be called when it is closed."""
        newest, moments, txid = self._parts.newest, self._parts.moments, transaction.base
        if newest.replica.txid < txid:  # the base is perhaps the newest state, which this container has not seen yet
            newest.refresh(run.deadline)
        if newest.replica.txid == txid:
            return newest.copy, _nothing_to_release
        return moments.hold(txid, run.deadline), partial(moments.release, txid)

    def _attached(self, run: Run, transaction: Transaction, workspace: Workspace) -> AttachedDatabases:
        own = {self._parts.name: workspace.replica}
        return AttachedDatabases(self._parts.find, run.caller, 0.0, own, run.deadline, transaction.attached)


def _nothing_to_release() -> None:
    """Leave the newest copy as it is: it is open anyway."""

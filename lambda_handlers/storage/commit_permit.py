"""The permission of one SQLite connection to commit, and the transaction that it led to.

SQLite syncs a rollback as it syncs a commit, so that the sync itself does not distinguish them. Code that runs SQL
grants the permission around COMMIT (or around VACUUM, which commits by itself and without a commit hook), and the first
sync with a counted change uses it up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lambda_handlers.storage.draft import Draft
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Txid


class CommitPermit:
    """The permission of one connection. `txid`: the transaction, once the store has it. `was_granted`: there may be one
    in the store, whatever became of the permission."""

    def __init__(self) -> None:
        self.txid: Txid | None = None
        self.is_granted = self.was_granted = False
        self._kind = Kind.UNKNOWN

    @contextmanager
    def granted(self, kind: Kind) -> Iterator[None]:
        """Permit a commit of this kind within the context."""
        self.is_granted, self.was_granted, self._kind = True, True, kind
        try:
            yield
        finally:
            self.is_granted = False

    def withdraw(self) -> None:
        """Forbid the commit: after an error SQLite rolls back, and syncs the rollback too."""
        self.is_granted = False

    def use(self, draft: Draft) -> None:
        """Commit the draft on a sync, if there is the permission and SQLite has counted a change. Raises as
        `Draft.commit` does; then SQLite rolls back and syncs again, without a commit. Without the permission it is a
        commit inside the draft, or a rollback."""
        if self.is_granted and draft.has_counted_change:
            self._commit(draft)
        elif not self.is_granted:
            draft.note_sync()

    def use_for_rest(self, draft: Draft) -> None:
        """Commit what SQLite has committed inside the draft, if its last transaction had nothing to sync."""
        if self.is_granted and draft.has_inner_commits:
            self._commit(draft)

    def _commit(self, draft: Draft) -> None:
        self.is_granted = False
        self.txid = draft.commit(self._kind)

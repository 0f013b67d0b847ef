"""Local copies of one database: of the newest state one, and of past moments those that were asked for last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lambda_handlers.storage.draft import Draft
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.replica import Replica
from lambda_handlers.storage.vfs import DraftVFS
from lambda_handlers.wire import SldbError


class Copy:
    """A replica with the draft and the VFS over it: what a connection needs."""

    def __init__(self, replica: Replica, directory: Path) -> None:
        self.replica = replica
        self.draft = Draft(replica, directory)
        self.vfs = DraftVFS(self.draft)

    def close(self) -> None:
        self.vfs.unregister()
        self.draft.close()
        self.replica.close()


class PastCopies:
    """By txid; `make` gives a copy that stands nowhere yet."""

    def __init__(self, database: str, make: Callable[[], Copy]) -> None:
        self._database = database
        self._make = make
        self._copies: dict[Txid, Copy] = {}  # the one asked for last is the last

    @property
    def size_bytes(self) -> int:
        return sum(copy.replica.cached_bytes for copy in self._copies.values())

    def at(self, txid: Txid, deadline: float, may_be_empty: bool = False) -> Copy:
        """`deadline`: unix seconds, until which it must be open. `may_be_empty`: 0 is the empty database, before its
        first transaction. Raises `not_found`, or what reading the log raises."""
        if txid == 0 and not may_be_empty:
            raise SldbError("not_found", f"database {self._database} has no transaction 0", "the first one is 1")
        copy = self._copies.pop(txid) if txid in self._copies else self._open(txid, deadline)
        self._copies[txid] = copy
        return copy

    def drop(self, but: int = 0) -> None:
        """All but so many that were asked for last."""
        for txid in list(self._copies)[: max(0, len(self._copies) - but)]:
            self._copies.pop(txid).close()

    def _open(self, txid: Txid, deadline: float) -> Copy:
        copy = self._make()
        try:
            if txid:
                copy.replica.open_at(txid, deadline)
            copy.draft.clear()
        except BaseException:
            copy.close()
            raise
        return copy

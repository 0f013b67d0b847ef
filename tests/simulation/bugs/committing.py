"""Planted bugs of commits, and of what is read back after a commit without an answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

from lambda_handlers.storage import commit, replica
from lambda_handlers.storage.commit import Ours, PageChanges
from lambda_handlers.storage.draft import Draft
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.replica import Conflict, Replica
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.protocol import AlreadyExists, StoreError, Unavailable
from lambda_handlers.wire import SldbError
from tests.simulation.bugs.planting import Bug, Patch, add_to
from tests.simulation.histories import steps

BUGS: list[Bug] = []
bug = partial(add_to, BUGS)


# Committing


@bug("a transaction is put, not created", 100)
def _() -> list[Patch]:
    def create(self: MeteredStore, key: str, body: bytes) -> str:
        return self._store.put(key, body)

    return [patch.object(MeteredStore, "create", create)]


@bug("what is at the key counts as one's own", 100)
def _() -> list[Patch]:
    return [patch.object(commit, "_is_mine", lambda store, key, node_id, doubt: isinstance(doubt, AlreadyExists))]


@bug("what is at the key counts as another's", 1000, looks_from=280)
def _() -> list[Patch]:
    def is_mine(store: Any, key: str, node_id: int, doubt: StoreError) -> bool:
        if isinstance(doubt, AlreadyExists):
            raise Conflict(key)
        return bool(real(store, key, node_id, doubt))

    real = commit._is_mine
    return [patch.object(commit, "_is_mine", is_mine)]


def _when_unanswered(instead: Callable[[Unavailable], None]) -> list[Patch]:
    def create_transaction(store: Any, key: str, node_id: int, send: Callable[[], object]) -> None:
        def send_once() -> None:
            try:
                send()
            except Unavailable as error:
                instead(error)

        real(store, key, node_id, send_once)

    real = commit.create_transaction
    return [patch.object(replica, "create_transaction", create_transaction)]


@bug("no answer to the create counts as failure", 100, looks_from=20)
def _() -> list[Patch]:
    def fail(error: Unavailable) -> None:
        raise store_error(error, applied="no")

    return _when_unanswered(fail)


@bug("no answer to the create counts as success", 100)
def _() -> list[Patch]:
    return _when_unanswered(lambda error: None)


@bug("the loser of a race commits its pages above the winner's", 100)
def _() -> list[Patch]:
    def create(self: Replica, ours: Ours, send: Callable[[], object], now: float) -> None:
        try:
            real_create(self, ours, send, now)
        except Conflict:
            self._pages.txid += 1
            raise _Rebase from None

    def commit_again(self: Replica, *given: Any, **named: Any) -> int:
        while True:
            try:
                return real_commit(self, *given, **named)
            except _Rebase:
                self._freshness.checked_at = self._host.now()

    real_create, real_commit = Replica._create, Replica.commit
    return [patch.object(Replica, "_create", create), patch.object(Replica, "commit", commit_again)]


class _Rebase(Exception):
    pass


@bug("the pages of a lost race stay in the cache", 100, looks_from=10)
def _() -> list[Patch]:
    def commit_eagerly(self: Replica, changes: PageChanges, *more: Any, **named: Any) -> int:
        for pgno, page in changes.pages():
            self._pages.put(pgno, page)
        return real(self, changes, *more, **named)

    real = Replica.commit
    return [patch.object(Replica, "commit", commit_eagerly)]


@bug("the draft of a lost race is not cleared", 100)
def _() -> list[Patch]:
    real_clear = Draft.clear

    def replica_commit(self: Replica, *given: Any, **named: Any) -> int:
        txid = real_replica_commit(self, *given, **named)
        _committed.add(id(self))
        return txid

    _committed: set[int] = set()
    real_replica_commit = Replica.commit

    def clear_after_commit(self: Draft) -> None:
        if not hasattr(self, "page_count") or not len(self._dirty) or id(self.replica) in _committed:
            _committed.discard(id(self.replica))
            real_clear(self)

    return [patch.object(Draft, "clear", clear_after_commit), patch.object(Replica, "commit", replica_commit)]


# What is read back


@bug("a read-back that shows nothing counts as another's", 200, looks_from=68)
def _() -> list[Patch]:
    def whose(body: bytes, key: str, ours: Header) -> Any:
        found = real(body, key, ours)
        return commit._Whose.ANOTHERS if found is commit._Whose.UNCLEAR else found

    real = commit._whose_whole
    return [patch.object(commit, "_whose_whole", whose)]


@bug("a read-back that is damaged is an error, and nothing was applied", 200, looks_from=68)
def _() -> list[Patch]:
    def unclear(key: str, is_damaged: bool) -> SldbError:
        return SldbError("corrupt", f"{key}: it is damaged", key=key, applied="no")

    return [patch.object(commit, "READINGS", 1), patch.object(commit, "_unclear", unclear)]


@bug("a create that is refused was not applied", 100, prefix=steps.SEEDS)
def _() -> list[Patch]:
    return [patch.object(commit, "_is_mine_although_refused", lambda store, key, ours, refusal: False)]

"""The questions before a commit: whether a copy's transaction is still the newest, and the date of its file.

No commit needs one for its safety: the create of n + 1 succeeds only if there is none, as long as the copy is young
enough (rule 5 of `replica`). A LIST confirms what the head said, once for each copy; a request for n + 1 keeps a large
transaction from being sent in vain.
"""

from __future__ import annotations

from lambda_handlers.host import Host
from lambda_handlers.storage.commit import Conflict
from lambda_handlers.storage.local_pages import LocalPages
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log_follower import LogFollower
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import NotFound, ObjectStore, StoreError


class CommitChecks:
    """The questions of one copy."""

    def __init__(self, store: ObjectStore, host: Host, pages: LocalPages, follower: LogFollower) -> None:
        self._store = store
        self._host = host
        self._pages = pages
        self._follower = follower
        self._freshness = pages.freshness

    def time_to_commit(self) -> float:
        """Return now, in unix seconds. Raises Conflict if the copy is too old: since its last check a frozen container
        may have missed transactions, compacted by now."""
        now = self._check_age()
        if self._freshness.is_listed:
            return now
        self.check_listed()
        return self._check_age()

    def _check_age(self) -> float:
        now = self._host.now()
        if not self._freshness.may_commit(now):
            self._freshness.distrust()
            raise Conflict("the state that the transaction began from is too old to commit on")
        return now

    def check_listed(self) -> None:
        """List to confirm the head: nothing came after the copy's transaction. Raises Conflict or SldbError
        `store_error`."""
        now, txid = self._host.now(), self._pages.txid
        try:
            newest = max((name.max_txid for name in self._follower.list_from(txid)), default=0)
        except StoreError as error:
            raise store_error(error) from error
        if newest < txid:  # the head has copies of files that are gone
            self._pages.forget()
            raise Conflict(f"the newest transaction is {newest}, and the head says {txid}")
        if newest > txid:
            self._freshness.checked_at = self._freshness.known_at = float("-inf")
            raise Conflict(f"there is a transaction {newest}, unknown to the head")
        self._freshness.known_at, self._freshness.is_listed = now, True

    def check_next(self) -> None:
        """Request the transaction after the copy's. Raises Conflict if there is one, or it is not known whether;
        SldbError `store_error`."""
        now, txid = self._host.now(), self._pages.txid
        try:
            self._store.size(transaction(txid + 1).key(self._pages.database))
        except NotFound:
            is_there = False
        except StoreError as error:
            raise store_error(error, applied="no") from error
        else:
            is_there = True
        if is_there or not self._freshness.is_known(self._host.now()):
            self._freshness.distrust()
            raise Conflict(f"there may be a transaction after {txid}")
        self._freshness.note_check(now)

    def date_of_newest(self) -> float | None:
        """Return the date of the newest transaction's file in the store (unix seconds); None if no LIST shows it.
        Raises SldbError `store_error`."""
        txid = self._pages.txid
        if self._freshness.listed[0] != txid:
            try:
                self._follower.list_files(after=max(0, txid - 1))
            except StoreError as error:
                raise store_error(error, applied="no") from error
        return self._freshness.listed[1] if self._freshness.listed[0] == txid else None

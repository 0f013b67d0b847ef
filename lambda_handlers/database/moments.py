"""Moments in the past of one database: transactions found by txid or time, and the local copies opened last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from lambda_handlers.database.local_copy import Copy
from lambda_handlers.deadline import Deadline
from lambda_handlers.resources import Resources
from lambda_handlers.shared.times import utc
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import StoreError
from lambda_handlers.store_clock import SKEW_SECONDS
from lambda_handlers.wire import SldbError, bad_request, moment_ms


class Moments:
    def __init__(self, database: str, resources: Resources, make_copy: Callable[[], Copy]) -> None:
        """`make_copy` returns an unopened copy."""
        self._database = database
        self._resources = resources
        self._make_copy = make_copy
        self._copies: dict[Txid, Copy] = {}  # the one requested last comes last
        self._holds: Counter[Txid] = Counter()  # of copies that stay open between requests
        self._has_reported_descent = False  # a step of a clock is logged once for a container

    @property
    def size_bytes(self) -> int:
        """The size of the local copies."""
        return sum(copy.replica.cached_bytes for copy in self._copies.values())

    @property
    def held_bytes(self) -> int:
        """The size of the copies that are held."""
        return sum(copy.replica.cached_bytes for txid, copy in self._copies.items() if self._holds[txid] > 0)

    def txid_at(self, at: int | str) -> Txid:
        """Return the transaction at a txid or an RFC 3339 time. Raises `bad_request` or `not_found`."""
        if isinstance(at, str):
            return self._txid_at_time(at)
        if at >= 1 << 64:
            bad_request("at", at, "a txid")
        return at

    def copy_at(self, txid: Txid, deadline: Deadline, may_be_empty: bool = False) -> Copy:
        """Return an open copy of the state at a transaction. `may_be_empty`: 0 is the empty database, before its first
        transaction. Raises `not_found`, or an error of reading the log."""
        if txid == 0 and not may_be_empty:
            raise SldbError("not_found", f"database {self._database} has no transaction 0", "the first one is 1")
        copy = self._copies.pop(txid) if txid in self._copies else self._open(txid, deadline)
        self._copies[txid] = copy
        return copy

    def hold(self, txid: Txid, deadline: Deadline) -> Copy:
        """Return the copy at a transaction (0: the empty database), which `drop` leaves open until its `release`.
        Raises as `copy_at` does."""
        copy = self.copy_at(txid, deadline, may_be_empty=True)
        self._holds[txid] += 1
        return copy

    def release(self, txid: Txid) -> None:
        """End one hold of a copy."""
        self._holds[txid] -= 1

    def drop(self, keep: int = 0) -> None:
        """Close the copies, except for held ones and the `keep` copies requested last."""
        for txid in list(self._copies)[: max(0, len(self._copies) - keep)]:
            if self._holds[txid] <= 0:
                self._copies.pop(txid).close()

    def _open(self, txid: Txid, deadline: Deadline) -> Copy:
        copy = self._make_copy()
        try:
            if txid:
                copy.replica.open_at(txid, deadline.at)
            copy.draft.clear()
        except BaseException:
            copy.close()
            raise
        return copy

    def _txid_at_time(self, text: str) -> Txid:
        from lambda_handlers.storage.log import timeline  # imports slow down cold starts

        moment, resources = moment_ms("at", text), self._resources
        try:
            found = timeline.find(resources.store, resources.host, self._database, moment)
        except StoreError as error:
            raise store_error(error) from error
        if found.descends_at and not self._has_reported_descent:
            self._has_reported_descent = True
            resources.log.warning("times_descend", database=self._database, txid=found.descends_at)
        self._check_not_ahead(text, moment, found.time_ms)
        if found.txid == 0:
            raise SldbError("not_found", f"database {self._database} has no transaction at or before {text}")
        return found.txid

    def _check_not_ahead(self, text: str, moment: int, found_ms: int) -> None:
        """Raise `bad_request` for a moment in the future, unless the log itself ends there: then a clock was ahead.
        `found_ms`: the time of the found transaction."""
        now = self._resources.host.now()
        if moment > (now + SKEW_SECONDS) * 1000 and found_ms <= now * 1000:
            bad_request("at", text, f"a moment that is not in the future: it is now {utc(int(now * 1000))}")

"""The replica: a local copy of one database at one txid, and the commit of the next transaction.

Rules (storage invariants; each has a test that fails without it):

1. Only a conditional create writes an LTX key; nothing is overwritten (commit).
2. Transaction n + 1 is created only from a state that was read at n, and every page of it is known to be there.
3. An ambiguous answer to the create is resolved by reading the key back (commit).
5. A copy at n is current if there is no transaction n + 1 *and*, less than half the retention floor ago, nothing was
   known to come after n, or after an older transaction. An opening copy trusts the head for that, a copy that was
   paused only a LIST: n + 1 may have been compacted away. No commit relies on the head: the first commit lists. Age is
   wall-clock age, and is compared again when the responses are there: if the process was paused between request and
   response, the response proves nothing. Within that age a request may run on the copy without a check (`trust`): the
   answer to its create decides, and without a create it checks before it replies.
7. The local pages are disposable: after an error in the middle of applying a file they are forgotten.

The pages of the copy are `local_pages`, the way to the newest transaction is `log_follower`. The pages that a
transaction has written before it commits are in `draft`; SQLite's view of both is in `vfs`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lambda_handlers.host import Host
from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.storage.commit import (
    Committed,
    Conflict,
    Encoding,
    Ours,
    PageChanges,
    create_transaction,
    sender,
)
from lambda_handlers.storage.commit_checks import CommitChecks
from lambda_handlers.storage.commit_times import CommitTimes
from lambda_handlers.storage.freshness import RETENTION_FLOOR_SECONDS
from lambda_handlers.storage.local_pages import Gone, LocalPages
from lambda_handlers.storage.log import kinds
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Marks, Pgno, Txid
from lambda_handlers.storage.log_follower import LogFollower
from lambda_handlers.storage.pages.layers import Layer
from lambda_handlers.storage.pages.opening import Opener, Warn
from lambda_handlers.storage.pages.page_cache import PageCache
from lambda_handlers.storage.publishing import Later, Publisher, at_once
from lambda_handlers.storage.time_limit import NO_LIMIT, TimeLimit
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import ObjectStore, StoreError, Unavailable
from lambda_handlers.store_clock import SKEW_SECONDS, StoreClock
from lambda_handlers.wire import SldbError

if TYPE_CHECKING:
    from lambda_handlers.storage.prepared_file import Prepared

__all__ = ["Conflict", "Gone", "Replica", "store_error"]

ASKED_BYTES = 1 << 20  # of pages: a larger transaction is not sent for an answer that a GET gives
_NO_MARKS = Marks()


class Replica:
    """A copy of one database. `txid` 0 is the empty database, before its first transaction."""

    def __init__(
        self,
        store: ObjectStore,
        database: str,
        directory: str,
        host: Host,
        limit_bytes: int | None = None,  # of the local cache
        make_room: Callable[[int], None] = lambda _: None,
        warn: Warn = lambda _what, _error: None,
        clock: StoreClock | None = None,  # the store's
        puts_maps: bool = True,  # that it had to make, for other readers
        later: Later = at_once,
    ) -> None:
        """`later` is given the work that no reply waits for."""
        self.database = database
        self._store = store
        self._host = host
        self._clock = clock or StoreClock()
        opener = Opener(store, database, host, limit_bytes, warn, puts_maps)
        self._pages = LocalPages(opener, PageCache(directory, limit_bytes, make_room))
        self._freshness = self._pages.freshness
        self._publisher = Publisher(store, host, warn, self._pages, later)
        self._follower = LogFollower(store, host, self._clock, self._pages, self._publisher)
        self._checks = CommitChecks(store, host, self._pages, self._follower)
        self._times = CommitTimes(self._clock, self._pages, self._checks)
        self._warn = warn
        self.committed: Committed | None = None  # by this copy, most recently

    @property
    def txid(self) -> Txid:
        """The transaction of the copy."""
        return self._pages.txid

    @property
    def page_size(self) -> int:
        """The size of a page in bytes; 0 while there is no page."""
        return self._pages.page_size

    @property
    def page_count(self) -> int:
        """The number of pages of the database."""
        return self._pages.page_count

    @property
    def timestamp_ms(self) -> int:
        """The time of transaction `txid`, in unix milliseconds."""
        return self._pages.timestamp_ms

    @property
    def unchanged_since(self) -> Txid:
        """The oldest transaction known to have the same content."""
        return self._pages.unchanged_since

    @property
    def may_be_announced(self) -> bool:
        """True if the newest transaction may be an announcement."""
        return self._pages.may_be_announced

    @property
    def cached_bytes(self) -> int:
        """The size of the local file."""
        return self._pages.cached_bytes

    def read(self, pgno: Pgno, limit: TimeLimit = NO_LIMIT) -> bytes:
        """Return one page. The limit is checked before a wait for the store and during it, and may raise.

        Raises Gone, or SldbError `store_error`, `corrupt` or `too_large`."""
        return self._pages.read(pgno, limit)

    def cancel_prefetch(self) -> None:
        """Forget the pages in flight for a request that is over."""
        self._pages.cancel_prefetch()

    def changed_since(self, txid: Txid) -> list[Pgno] | None:
        """Return every page that a transaction after `txid` changed, and perhaps others; None if that is not known."""
        return self._pages.layers.changed_since(txid)

    def close(self) -> None:
        """Remove the local file."""
        self._pages.close()

    def refresh(self, max_staleness: float = 0.0, deadline: float = float("inf"), *, has_news: bool = False) -> None:
        """Bring the copy to the newest transaction, unless it was checked within `max_staleness` seconds. `has_news`:
        other writers are known to have committed. Raises SldbError, or NotMapped for a file too large to read until
        `deadline` (unix seconds)."""
        now = self._host.now()
        age = now - self._freshness.checked_at
        if max_staleness > 0 and 0 <= age <= max_staleness and not self._pages.must_reopen:
            return
        self.cancel_prefetch()
        self._publisher.finish()
        try:
            self._follower.follow(now, deadline, has_news)
        except StoreError as error:
            raise store_error(error) from error
        self._freshness.note_check(now)

    def trust(self) -> bool:
        """Let the next request use the copy without a check. Returns False if it must be refreshed: it has no pages, is
        too old, or has lost files. An empty name may have become a copy of another database."""
        now, freshness = self._host.now(), self._freshness
        is_usable = self.page_count > 0 and not self._pages.wants_reopening
        freshness.is_trusted = is_usable and freshness.may_commit(now) and freshness.is_known(now)
        return freshness.is_trusted

    @property
    def is_trusted(self) -> bool:
        """True if the request that uses the copy has neither checked it nor sent a commit."""
        return self._freshness.is_trusted

    def open_at(self, txid: Txid, deadline: float = float("inf")) -> None:
        """Make the copy one of a past transaction. Raises `not_found` for a txid outside history, or NotMapped."""
        self._pages.forget()
        try:
            newest = self._follower.open_at(txid, deadline)
        except StoreError as error:
            self._pages.forget()
            raise store_error(error) from error
        if self.txid != txid:
            self._pages.forget()
            raise SldbError(
                "not_found",
                f"database {self.database} has no transaction {txid}; the newest is {newest}",
                "`at` is a txid within history, of which retention removes the oldest",
            )

    # Committing

    def commit(
        self,
        changes: PageChanges,
        kind: Kind = Kind.UNKNOWN,
        keep: bool = True,
        time_ms: int | None = None,
        content_ms: int | None = None,
        marks: Marks = _NO_MARKS,
    ) -> Txid:
        """Create transaction txid + 1, with these marks in its header. `keep`: put the changed pages into the local
        cache too. For that they are taken again after the commit, and must be at hand then.

        The transaction is not before `time_ms`, a result of `next_time_ms`. If it brings the state of another moment,
        it is not before that one, `content_ms` (0: nothing). If neither is given, it is after the one before it.

        Raises Conflict, or SldbError `store_error` with `applied` in its details: "no", or "unknown" if the store did
        not answer."""
        now = self._time_to_commit()
        earliest_ms = time_ms if content_ms is None else max(self.next_time_ms(now), content_ms)
        node_id = kinds.node_id(kind, self._host.entropy(8))
        header = self._next_header(changes.page_size, changes.page_count, node_id, now, earliest_ms)
        header = replace(header, marks=marks)
        encoding = Encoding(header, changes.pages)
        if self.is_trusted and changes.size_bytes > ASKED_BYTES:
            self._checks.check_next()
        send = sender(self._store, self._key_of(header), encoding, changes.size_bytes)
        self._create(encoding, send, now)
        self._adopt(header, encoding.layer(), changes if keep else None, now, encoding.copy)
        return header.max_txid

    def announce(self, seconds: int) -> Header:
        """Create transaction txid + 1 without changes, as an announcement of the one after it (announcements). Returns
        its header; raises as `commit` does."""
        now = self._time_to_commit()
        node_id = kinds.announcement_id(seconds, self._host.entropy(8))
        header = self._next_header(self.page_size, self.page_count, node_id, now)
        nothing = PageChanges(self.page_size, self.page_count, tuple)
        encoding = Encoding(header, nothing.pages)
        self._create(encoding, sender(self._store, self._key_of(header), encoding, 0), now)
        self._adopt(header, encoding.layer(), nothing, now, encoding.copy)
        return header

    def commit_prepared(self, prepared: Prepared, first_page: bytes, node_id: int, marks: Marks = _NO_MARKS) -> Txid:
        """Create transaction txid + 1 from a prepared file in the store, with this page 1 and these marks in its
        header. Raises as `commit` does."""
        now = self._time_to_commit()
        earliest_ms = self.next_time_ms(now)
        header = self._next_header(prepared.page_size, prepared.page_count, node_id, now, earliest_ms)
        header = replace(header, marks=marks)
        made = prepared.as_transaction(header, first_page)
        self._create(made, lambda: made.create(self._store, self._key_of(header)), now)
        self._adopt(header, made.layer, None, now, None)
        return header.max_txid

    def _time_to_commit(self) -> float:
        self._publisher.finish()
        return self._checks.time_to_commit()

    def _next_header(
        self, page_size: int, page_count: int, node_id: int, now: float, earliest_ms: int | None = None
    ) -> Header:
        earliest_ms = self.timestamp_ms + 1 if earliest_ms is None else earliest_ms
        txid, timestamp_ms = self.txid + 1, max(int(self._clock.corrected(now) * 1000), earliest_ms)
        return Header(page_size, page_count, txid, txid, timestamp_ms, node_id, has_checksum=True)

    def next_time_ms(self, now: float) -> int:
        """Return the time of the next transaction (unix milliseconds), for the records in it; `now`: unix seconds.
        Raises SldbError `store_error`."""
        return self._times.next_ms(now)

    def _key_of(self, header: Header) -> str:
        return transaction(header.max_txid).key(self.database)

    def _create(self, ours: Ours, send: Callable[[], object], now: float) -> None:
        key = self._key_of(ours.header)
        if not ours.header.commit:
            from lambda_handlers.storage.log import doubts  # a drop is rare

            doubts.put_before(self._store, self.database, ours.header.max_txid)
        self._freshness.is_trusted = False  # whatever the answer, a check could add nothing to it
        try:
            create_transaction(self._store, key, ours, send)
        except Conflict:
            self._freshness.distrust()
            raise
        # If the process was paused for so long between check and create, retention may have left a gap before the key:
        # then the create has made a file that is in no chain.
        took = self._host.now() - self._freshness.checked_at
        if not -SKEW_SECONDS <= took <= RETENTION_FLOOR_SECONDS - 2 * SKEW_SECONDS:
            self._freshness.distrust()
            doubt = Unavailable(key, "the answer came so late that it does not show whether this is in the log")
            raise store_error(doubt, applied="unknown")
        self._freshness.note_check(now)
        self._clock.record_write(key, now)

    def _adopt(
        self, header: Header, layer: Layer, changes: PageChanges | None, known_at: float, copy: bytes | None
    ) -> None:
        """Bring the local copy to the transaction that was just committed. An error in here comes after the commit: the
        copy is merely a cache, and the next request opens the database again."""
        self.committed = Committed(header.max_txid, header.timestamp_ms, layer.map.file_bytes)
        if self._pages.adopt(layer, changes.pages() if changes else None, copy):
            self._publisher.publish_later(layer, header, known_at)

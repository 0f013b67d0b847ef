"""A local copy of one database at one txid, and the way from there to the next.

Rules (storage invariants; each has a test that fails without it):

1. Only a conditional create writes an LTX key; nothing is overwritten (commit).
2. Transaction n + 1 is created only from a state that was read at n, every page of which is known to be there.
3. An ambiguous answer to the create is resolved by reading the key back (commit).
5. A copy at n is current when there is no transaction n + 1 *and* somebody knew less than half the retention floor ago
   that nothing came after n, or after an older transaction. A copy that opens takes the head's word for that, a copy
   that has stood still only a LIST's: n + 1 may have been compacted away. Nothing is committed on the head's word: the
   first commit lists. Age is wall-clock age, and is looked at again when the answers are there: a reader that stood
   still between the question and the answer knows nothing.
7. The local pages are disposable: after an error in the middle of applying a file they are forgotten.

A copy knows in which file every page lies (`layers`), has some pages in a local cache, and fetches the others when they
are read (`fetch`). What a transaction has written before it commits is in `draft`; SQLite's view of both is in `vfs`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from lambda_handlers.host import Call, Host
from lambda_handlers.storage.commit import Committed, Conflict, Encoding, Ours, create_transaction, sender
from lambda_handlers.storage.log import chain, kinds, ltx
from lambda_handlers.storage.log.keys import (
    SNAPSHOT_LEVEL,
    LtxName,
    database_prefix,
    parse_ltx_key,
    parse_page_map_key,
    transaction,
)
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Pgno, Txid
from lambda_handlers.storage.pages.fetch import Fetcher
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.layers import Layer, Layers
from lambda_handlers.storage.pages.opening import Opened, Opener
from lambda_handlers.storage.pages.page_cache import PageCache
from lambda_handlers.storage.pages.page_map import INTERIOR_KINDS
from lambda_handlers.storage.pages.stored_page_map import NotMapped
from lambda_handlers.storage.prepared import Prepared
from lambda_handlers.storage.publishing import Publisher, Warn, head_file
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import NotFound, ObjectStore, StoreError, Unavailable
from lambda_handlers.store_clock import ROUNDING_SECONDS, SKEW_SECONDS, StoreClock
from lambda_handlers.wire import SldbError

RETENTION_FLOOR_SECONDS = 3600  # no level-0 file younger than this is ever removed
CLOCK_SKEW_SECONDS = 60  # that a head may be ahead: it was put by another machine
PROBES_AT_ONCE = 16  # transactions that are asked for together, at most
PROBES_BEFORE_CATCHING_UP = PROBES_AT_ONCE - 1  # who is further behind reads fewer files by way of the head
PROBE_BYTES = 1 << 20  # a larger transaction is not read whole
UNMAPPED_BYTES = 32 << 20  # a file without page map that is larger is left out where others lead as far
EMPTY_LISTS = 3  # that say, one after the other, that there is no database
MAX_FILES = 512  # of a chain that a warm copy has followed; then it opens the same state anew, from fewer

__all__ = ["Conflict", "Gone", "Replica", "store_error"]


class Gone(Exception):
    """A file that the copy reads from was removed since it was opened: retention took it, and others hold its pages.
    The copy must be refreshed; what was being read may be read again."""


class Replica:
    """`txid` 0 is the empty database, before its first transaction."""

    def __init__(
        self,
        store: ObjectStore,
        database: str,
        directory: Path,
        host: Host,
        limit_bytes: int | None = None,  # of the local cache
        make_room: Callable[[int], None] = lambda _: None,
        warn: Warn = lambda _what, _error: None,
        clock: StoreClock | None = None,  # the store's
    ) -> None:
        self.database = database
        self._store = store
        self._host = host
        self._clock = clock or StoreClock()
        self._cache = PageCache(directory, limit_bytes, make_room)
        self._opener = Opener(store, database, host, limit_bytes, warn)
        self._deadline = float("inf")  # unix seconds, of the request that refreshes the copy or opens it
        self._publisher = Publisher(store, database, host, warn)
        self._warn = warn
        self.committed: Committed | None = None  # by this copy, most recently
        self._forget()

    def _forget(self) -> None:
        self._cache.forget()
        self._set_layers(Layers())
        self._publisher.files.clear()
        self.txid: Txid = 0
        self.page_size = 0  # bytes; 0 while there is no page
        self.timestamp_ms = 0  # of transaction `txid`
        self.unchanged_since: Txid = 0  # the oldest transaction that is known to have the same content
        self.may_be_announced = False  # whether the newest transaction may be an announcement
        self._newest: Txid = 0  # that the last LIST showed
        self._listed: tuple[Txid, float] = 0, 0.0  # the newest transaction that a LIST showed, and its date
        self._checked_at = self._known_at = float("-inf")  # unix seconds
        self._has_listed = False  # `_known_at` is by a LIST, and not by the head
        self._must_reopen = False
        self._reopen_at = MAX_FILES

    def _set_layers(self, layers: Layers) -> None:
        self._layers = layers
        self._fetcher = Fetcher(self._store, self.database, self._host, layers, self._cache)

    @property
    def page_count(self) -> int:
        return self._layers.page_count

    @property
    def cached_bytes(self) -> int:
        """Of the local copy."""
        return self._cache.size_bytes

    def read(self, pgno: Pgno, before_fetch: Callable[[], None] = lambda: None) -> bytes:
        """Raises Gone, or SldbError `store_error`, `corrupt` or `too_large`. `before_fetch` is called where the store
        must be waited for; what it raises ends the read."""
        page = self._cache.read(pgno)
        if page is None:
            before_fetch()
            page = self._fetch(pgno)
        if page[0] in INTERIOR_KINDS:  # page 1 begins with other things: its children, the schema, are few
            self._fetcher.note_interior(pgno, page)
        return page

    def cancel_prefetch(self) -> None:
        """A request begins or is over: forget what was being fetched ahead for it."""
        self._fetcher.cancel_prefetch()

    def refresh(self, max_staleness: float = 0.0, deadline: float = float("inf")) -> None:
        """Bring the copy to the newest transaction, unless it was checked within `max_staleness` seconds. What would
        take longer than until `deadline` (unix seconds) is not read: NotMapped."""
        self._deadline = deadline
        now = self._host.now()
        if max_staleness > 0 and 0 <= now - self._checked_at <= max_staleness and not self._must_reopen:
            return
        self.cancel_prefetch()
        try:
            self._bring_up_to_date(now)
        except StoreError as error:
            raise store_error(error) from error
        self._checked_at = now

    def open_at(self, txid: Txid, deadline: float = float("inf")) -> None:
        """Make the copy that of one past moment; raises `not_found` for a txid outside history, or NotMapped."""
        self._deadline = deadline
        self._forget()
        try:
            self._follow_list(txid)
        except StoreError as error:
            self._forget()
            raise store_error(error) from error
        if self.txid != txid:
            newest = self._newest
            self._forget()
            raise SldbError(
                "not_found",
                f"database {self.database} has no transaction {txid}; the newest is {newest}",
                "`at` is a txid within history, of which retention removes the oldest",
            )

    def commit(
        self,
        page_size: int,
        page_count: int,
        changes: Callable[[int], Iterable[tuple[Pgno, bytes]]],
        change_count: int = 0,
        kind: Kind = Kind.UNKNOWN,
        keep: bool = True,
        time_ms: int | None = None,
        content_ms: int | None = None,
    ) -> Txid:
        """Create transaction txid + 1 from `changes(page_count)`, which may be asked for more than once and gives
        about `change_count` pages. `keep`: put them into the local cache too, for which they are asked for again after
        the commit; they must be at hand then.

        The transaction is not before `time_ms`, which `next_time_ms` has given, and not before what it holds where that
        is the state of another moment, `content_ms` (0: nothing). Where neither is given, it is after the one before
        it.

        Raises Conflict, or SldbError `store_error` whose details say whether the transaction was applied: "no", or
        "unknown" where the store could not be asked.
        """
        now = self._time_to_commit()
        least_ms = time_ms if content_ms is None else max(self.next_time_ms(now), content_ms)
        header = self._next_header(page_size, page_count, kinds.node_id(kind, self._host.entropy(8)), now, least_ms)
        encoding = Encoding(header, lambda: changes(page_count))
        key = transaction(header.max_txid).key(self.database)
        self._create(key, encoding, sender(self._store, key, encoding, change_count * page_size), now)
        self._note_commit(header, encoding.layer())
        self._adopt(header, encoding.layer(), changes(page_count) if keep else None, now)
        return header.max_txid

    def announce(self, seconds: int) -> Header:
        """Create transaction txid + 1, which changes nothing and says that the one after it is coming (announcing).
        Returns its header; raises as `commit` does."""
        now = self._time_to_commit()
        node_id = kinds.announcement_id(seconds, self._host.entropy(8))
        header = self._next_header(self.page_size, self.page_count, node_id, now)
        encoding = Encoding(header, tuple)
        key = transaction(header.max_txid).key(self.database)
        self._create(key, encoding, sender(self._store, key, encoding, 0), now)
        self._note_commit(header, encoding.layer())
        self._adopt(header, encoding.layer(), (), now)
        return header

    def commit_prepared(self, prepared: Prepared, first_page: bytes, node_id: int) -> Txid:
        """Create transaction txid + 1 from a file of every page that lies in the store, with this page 1. Raises as
        `commit` does."""
        now = self._time_to_commit()
        least_ms = self.next_time_ms(now)
        header = self._next_header(prepared.page_size, prepared.page_count, node_id, now, least_ms)
        made = prepared.as_transaction(header, first_page)
        key = transaction(header.max_txid).key(self.database)
        self._create(key, made, lambda: made.create(self._store, key), now)
        self._note_commit(header, made.layer)
        self._adopt(header, made.layer, None, now)
        return header.max_txid

    def changed_since(self, txid: Txid) -> list[Pgno] | None:
        """Every page that a transaction after `txid` changed, and perhaps others; None where that is not known."""
        return self._layers.changed_since(txid)

    def close(self) -> None:
        self._cache.close()

    # Committing

    def _time_to_commit(self) -> float:
        """Now, in unix seconds. Raises Conflict: a container that was frozen since it last looked may stand before
        transactions that came and were compacted."""
        now = self._check_age()
        if self._has_listed and not self._clock.wants_list:
            return now
        self._look_behind_head()
        return self._check_age()

    def _check_age(self) -> float:
        now = self._host.now()
        if not 0 <= now - self._checked_at <= RETENTION_FLOOR_SECONDS / 2:
            self._checked_at = float("-inf")
            raise Conflict("the state that the transaction began from is too old to commit on")
        return now

    def _look_behind_head(self) -> None:
        """Find out by a LIST what only the head has said: that nothing came after the transaction where the copy
        stands. Raises Conflict."""
        now = self._host.now()
        try:
            newest = max((name.max_txid for name in self._list(after=self.txid)), default=self.txid)
        except StoreError as error:
            raise store_error(error) from error
        if newest > self.txid:
            self._checked_at = self._known_at = float("-inf")
            raise Conflict(f"there is a transaction {newest}, of which the head did not know")
        self._known_at, self._has_listed, self._clock.wants_list = now, True, False

    def _next_header(
        self, page_size: int, page_count: int, node_id: int, now: float, least_ms: int | None = None
    ) -> Header:
        least_ms = self.timestamp_ms + 1 if least_ms is None else least_ms
        txid, timestamp_ms = self.txid + 1, max(int(self._clock.corrected(now) * 1000), least_ms)
        return Header(page_size, page_count, txid, txid, timestamp_ms, node_id, has_checksum=True)

    def next_time_ms(self, now: float) -> int:
        """Return the time of the next transaction (unix milliseconds), for what is recorded in it; `now`: unix seconds.

        It is after the newest one, so that a time tells them apart, unless that says a time which was still to come
        when the store had it: a clock was wrong then. Raises Conflict or SldbError."""
        if self._clock.wants_list:
            self._look_behind_head()
        own_ms = int(self._clock.corrected(now) * 1000)
        if self.timestamp_ms <= own_ms + SKEW_SECONDS * 1000:
            return max(own_ms, self.timestamp_ms + 1)
        latest = self._clock.latest(now)
        if latest is None and (dated_at := self._date_of_newest()) is not None:
            latest = dated_at + ROUNDING_SECONDS
            self._clock.shown(min(dated_at, self.timestamp_ms / 1000), now)  # what both say: a date may be damaged
            own_ms = int(self._clock.corrected(now) * 1000)
        is_false = latest is not None and self.timestamp_ms > (latest + SKEW_SECONDS) * 1000
        return own_ms if is_false else self.timestamp_ms + 1

    def _date_of_newest(self) -> float | None:
        """When the store had the newest transaction (unix seconds); None where no LIST shows its file."""
        if self._listed[0] != self.txid:
            try:
                self._list(after=max(0, self.txid - 1))
            except StoreError as error:
                raise store_error(error, applied="no") from error
        return self._listed[1] if self._listed[0] == self.txid else None

    def _create(self, key: str, ours: Ours, send: Callable[[], object], now: float) -> None:
        try:
            create_transaction(self._store, key, ours, send)
        except Conflict:
            self._checked_at = float("-inf")
            raise
        # Who stood still for so long between looking and creating may have met the gap that retention left: then the
        # create has made a file that is in no chain.
        took = self._host.now() - self._checked_at
        if not -CLOCK_SKEW_SECONDS <= took <= RETENTION_FLOOR_SECONDS - 2 * CLOCK_SKEW_SECONDS:
            self._checked_at = float("-inf")
            doubt = Unavailable(key, "the answer came so late that it does not tell whether this is in the log")
            raise store_error(doubt, applied="unknown")
        self._clock.wrote(key, now)

    def _note_commit(self, header: Header, layer: Layer) -> None:
        self.committed = Committed(header.max_txid, header.timestamp_ms, layer.map.file_bytes)

    # Reading pages

    def _fetch(self, pgno: Pgno) -> bytes:
        layer = self._layers.holder(pgno)
        if layer is None:
            raise LookupError(f"page {pgno} of {self.database} is in no file: it has {self.page_count} pages")
        try:
            return self._fetcher.read(pgno, layer)
        except NotFound as error:
            self._must_reopen = True
            raise Gone(str(error)) from error
        except StoreError as error:
            raise store_error(error) from error
        except OSError as error:
            self._forget()
            raise self._does_not_fit(error) from error
        except SldbError:
            self._must_reopen = True  # perhaps that the map is damaged which is in memory
            raise

    # Reading the log

    def _bring_up_to_date(self, now: float) -> None:
        if self._must_reopen or len(self._publisher.files) > self._reopen_at:
            self._reopen()
        # A name that had nothing may have become a copy of another database, whose files begin anywhere.
        if self.txid and self._is_fresh(self._known_at, now) and self._probe():
            return
        has_slept = self.txid and not self._is_believable()
        if not has_slept and self._follow_head(now):
            return
        try:
            self._follow_list(None)
        except NotFound:  # removed since the LIST: the next one shows what replaced it
            self._follow_list(None)
        self._known_at, self._has_listed = now, True

    @staticmethod
    def _is_fresh(known_at: float, now: float) -> bool:
        return -CLOCK_SKEW_SECONDS <= now - known_at <= RETENTION_FLOOR_SECONDS / 2

    def _probe(self, first: Call | None = None, step: int = 1) -> bool:
        """Follow the log transaction by transaction, asking for twice as many each time. False if that leads too far
        for it, or took too long. `first`: the next one's body, if it has been asked for; `step`: how many to ask for
        after it."""
        body = first.result() if first else self._ask_for(self.txid + 1)
        if body is None or not self._is_believable():
            return body is None and self._is_believable()
        self._apply_body(body)
        asked = 0
        while asked < PROBES_BEFORE_CATCHING_UP:
            for call in [self._start_asking(self.txid + number) for number in range(1, step + 1)]:
                body = call.result()
                if body is None or not self._is_believable():
                    return body is None and self._is_believable()
                self._apply_body(body)
            asked += step
            step = min(2 * step, PROBES_AT_ONCE)
        return False

    def _is_believable(self) -> bool:
        """Whether "no such transaction", just heard, means that there was none: a reader that stood still while
        it asked may hear it of one that came and was removed."""
        return self._is_fresh(self._known_at, self._host.now())

    def _start_asking(self, txid: Txid) -> Call:
        return self._host.start(lambda: self._ask_for(txid))

    def _ask_for(self, txid: Txid) -> bytes | None:
        """The beginning of a transaction's file, all of it where it is small; None if there is none."""
        try:
            return self._store.get_range(transaction(txid).key(self.database), 0, PROBE_BYTES)
        except NotFound:
            return None

    def _apply_body(self, body: bytes) -> None:
        name = transaction(self.txid + 1)
        if len(body) < PROBE_BYTES:
            self._applying(lambda: self._stand_on(self._opener.opened(name, body, self._put)))
        else:
            self._apply([HeadFile(name, self._store.size(name.key(self.database)), is_mapped=True)])

    def _follow_head(self, now: float) -> bool:
        """Go where the head leads, and on from there. False if there is none to rely on, or it leads too far back."""
        head = self._publisher.read_head()
        if head is None or not self._is_fresh(head.checked_at, now):
            return False
        following = self._start_asking(max(head.txid, self.txid) + 1)
        if head.txid > self.txid:
            files = {file.name: file for file in head.files}
            plan = self._plan(files, None)
            if plan.reach != head.txid:
                return False
            try:
                self._apply([files[name] for name in plan.files])
            except NotFound:  # removed since the head was written; a LIST may show other files
                return False
            except SldbError as error:  # or other sizes, without which sound files look damaged
                if isinstance(error, NotMapped) or error.code == "corrupt":
                    return False
                raise
        if not self._is_fresh(self._known_at, now):  # else the copy itself knows, and later
            self._known_at, self._has_listed = head.checked_at, False
        # A cold start waits for one round of these at most: writers fold, and put a head, every 16 transactions.
        return self._probe(following, PROBES_AT_ONCE)

    def _follow_list(self, upto: Txid | None) -> None:
        listed_at = self._host.now()
        files = self._list_from_here() if upto is None else self._list()
        for _ in range(EMPTY_LISTS - 1):  # one name, damaged in the answer, may be that of the only file
            files = files or self._list()
        unmapped = {name for name, file in files.items() if not file.is_mapped and file.size > UNMAPPED_BYTES}
        plan = self._plan_around(unmapped, files, upto)
        following = self._start_asking(plan.reach + 1) if upto is None or plan.reach < upto else None
        if plan.newest < self.txid:
            newest, mine = plan.newest, self.txid
            self._forget()
            ltx.corrupt(database_prefix(self.database), "newest transaction", newest, f"{mine}, which was there before")
        while True:
            try:
                self._apply([files[name] for name in plan.files])
                break
            except NotMapped as error:
                if error.name in unmapped:
                    raise
                unmapped.add(error.name)
                files = self._list()  # the copy begins anew
                plan = self._plan_around(unmapped, files, upto)
        self._newest = plan.newest
        # A LIST of many pages is no snapshot: n + 1 may have been created behind it and n + 2 before it. And a name in
        # it may be damaged: whether there is a next transaction only its own key tells.
        while following is not None and (body := following.result()) is not None:
            if not self._is_fresh(
                listed_at, self._host.now()
            ):  # the process stood still: what came may be created anew
                self._forget()
                self._follow_list(upto)
                return
            self._apply_body(body)
            following = self._start_asking(self.txid + 1) if upto is None or self.txid < upto else None
        if self.txid < plan.newest and upto is None:
            missing, newest = transaction(self.txid + 1).key(self.database), plan.newest
            self._forget()
            ltx.corrupt(missing, "transaction", "no object", f"one, because there is a transaction {newest}")

    def _plan_around(self, unmapped: Collection[LtxName], names: Iterable[LtxName], upto: Txid | None) -> chain.Plan:
        """The chain, without the files that have no page map where others lead as far."""
        names = list(names)
        whole = self._plan(names, upto)
        # Beside another file of transaction 1 alone, what lies at its key is the mark of a copy (actions.copying).
        left_out = {*unmapped, *(transaction(1) for name in names if name.level and name.max_txid == 1)}
        around = self._plan([name for name in names if name not in left_out], upto)
        return replace(around, newest=whole.newest) if around.reach == whole.reach else whole

    def _plan(self, names: Iterable[LtxName], upto: Txid | None) -> chain.Plan:
        """From where the copy stands; from the beginning where only that leads on, or where the copy has stood still. A
        writer that was frozen may have created a transaction again that retention had removed: a base has the true one,
        and only a copy that is older would follow the other."""
        names = list(names)
        anew = chain.plan(names, 0, upto)
        if not self.txid:
            return anew
        # A snapshot reaches furthest, but would leave no page in place.
        onward = chain.plan([name for name in names if name.level != SNAPSHOT_LEVEL], self.txid, upto)
        is_anew = anew.reach > onward.reach or (anew.reach == onward.reach > self.txid and not self._is_believable())
        return anew if is_anew else replace(onward, newest=anew.newest)

    def _list_from_here(self) -> dict[LtxName, HeadFile]:
        """Whatever leads on from this copy's transaction, which comes behind it or is compacted; all, where that does
        not even lead to it."""
        files = self._list(after=self.txid - 1) if self.txid > 1 else {}
        return files if any(name.max_txid >= self.txid for name in files) else self._list()

    def _list(self, after: Txid = 0) -> dict[LtxName, HeadFile]:
        """The database's LTX files, without those of the transactions up to `after`: of compacted ones all."""
        sizes, mapped, newest = {}, set(), (0, 0.0)
        start = transaction(after).key(self.database) if after else None
        for info in self._store.list_objects(database_prefix(self.database), start):
            self._clock.listed(info.key, info.modified_at)
            if name := parse_ltx_key(self.database, info.key):
                sizes[name] = info.size
                newest = max(newest, (name.max_txid, -info.modified_at))  # its oldest file, if there are several
            elif name := parse_page_map_key(self.database, info.key):
                mapped.add(name)
        self._listed = newest[0], -newest[1]
        return {name: HeadFile(name, size, name in mapped) for name, size in sizes.items()}

    def _reopen(self) -> None:
        """Find other files for the state that the copy stands at: fewer, and such as are still there. The pages that
        are in the cache remain; where that state is not to be had any more, nothing does."""
        files = self._list()
        plan = chain.plan(files, 0, self.txid)
        if plan.reach != self.txid:
            self._forget()
            return
        layers = Layers()
        chosen = [files[name] for name in plan.files]
        for opened in self._opener.open(chosen, lambda _pgno, _page: None, self._deadline):
            layers.add(opened.layer)
        self._must_reopen = False
        self._set_layers(layers)
        self._publisher.files = {layer.name: head_file(layer) for layer in layers}
        self._reopen_at = max(MAX_FILES, 2 * len(plan.files))
        self._applying(self._check_complete)

    # Applying files

    def _apply(self, files: Sequence[HeadFile]) -> None:
        def open_and_stand() -> None:
            for opened in self._opener.open(files, self._put, self._deadline):
                self._stand_on(opened)
            self._check_complete()

        self._applying(open_and_stand)

    def _applying(self, action: Callable[[], None]) -> None:
        """Pages of a file count only when all of it has been read: if that fails, nothing that is here does."""
        try:
            action()
        except OSError as error:
            self._forget()
            raise self._does_not_fit(error) from error
        except BaseException:
            self._forget()
            raise

    def _put(self, pgno: Pgno, page: bytes) -> None:
        self._size_pages(len(page))
        self._cache.write(pgno, page)

    def _size_pages(self, page_size: int) -> None:
        """A file that has every page may give the database another page size."""
        if self._cache.page_size != page_size:
            self._cache.forget()
            self._cache.page_size = page_size

    def _stand_on(self, opened: Opened) -> None:
        """Put a file on top of the others; no older version of its pages may stay in the cache."""
        name, found = opened.layer.name, opened.layer.map
        is_idle = name == transaction(self.txid + 1) and not found.page_count and found.commit == self.page_count
        if self.page_size not in (0, found.page_size):
            if not found.is_whole:
                ltx.corrupt(name.key(self.database), "page size", found.page_size, self.page_size)
            self._set_layers(Layers())
        self._size_pages(found.page_size)
        self.page_size = found.page_size
        if not opened.is_read:
            if len(self._cache):
                for pgno in found.pages():
                    self._cache.drop(pgno)
            for pgno, page in found.carried:
                self._cache.write(pgno, page)
        self._cache.truncate(found.commit)
        self._layers.add(replace(opened.layer, map=replace(found, carried=())))
        self._publisher.files[name] = head_file(opened.layer)
        if not is_idle:
            self.unchanged_since = name.max_txid
        self.may_be_announced = is_idle or name.level > 0  # a merged file does not tell
        self.txid, self.timestamp_ms = name.max_txid, found.timestamp_ms

    def _check_complete(self) -> None:
        missing = self._layers.first_missing(self.page_size) if self.page_size else None
        if missing is not None:
            prefix, txid = database_prefix(self.database), self.txid
            ltx.corrupt(prefix, f"page {missing} as of transaction {txid}", "in no file of the chain", "a page")

    def _does_not_fit(self, error: OSError) -> SldbError:
        return SldbError(
            "too_large",
            f"the local cache cannot take what the request needs of database {self.database}: {error}",
            "give the function more ephemeral storage: sldb deploy --ephemeral-storage MB",
            applied="no",
        )

    # After a commit

    def _adopt(self, header: Header, layer: Layer, pages: Iterable[tuple[Pgno, bytes]] | None, known_at: float) -> None:
        """Bring the local copy to the transaction that was just committed. What fails in here fails after that: the
        copy is merely a cache, and the next request opens the database again."""
        try:
            for pgno, page in pages or ():
                self._put(pgno, page)
            self._stand_on(Opened(layer, is_read=pages is not None))
        except (OSError, MemoryError):
            self._forget()
            return
        except BaseException:
            self._forget()
            raise
        try:
            fold = self._publisher.publish(self._layers, layer, header, self.read, known_at)
        except Exception as error:  # noqa: BLE001 - whatever it is, the transaction is committed
            self._warn("fold", error)
        else:
            if fold is not None:
                self._layers.add(fold)

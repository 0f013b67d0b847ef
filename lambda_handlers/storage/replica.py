"""A local copy of one database at one txid, and the way from there to the next.

Rules (storage invariants; each has a test that fails without it):

1. Only a conditional create writes an LTX key; nothing is overwritten.
2. Transaction n + 1 is created only from a state that was read completely at n.
3. An ambiguous answer to the create is resolved by reading the key back and comparing the node id, which is random
   per attempt: ours is committed, another's is a lost race, absent is tried again within a bound.
5. A copy at n is current when there is no transaction n + 1 *and* the last LIST is younger than half the retention
   floor; otherwise n + 1 may have been compacted away, and a LIST tells. Age is wall-clock age.
7. The local pages are disposable: after an error in the middle of applying a file they are forgotten.

What a transaction has written before it commits is in `draft`; SQLite's view of both is in `vfs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from lambda_handlers.host import Host
from lambda_handlers.object_store import AlreadyExists, NotFound, ObjectStore, Refused, StoreError, Unavailable
from lambda_handlers.storage import chain, ltx
from lambda_handlers.storage.keys import LtxName, database_prefix, parse_ltx_key, transaction
from lambda_handlers.storage.ltx import Header, Pgno, Txid
from lambda_handlers.storage.page_cache import PageCache
from lambda_handlers.wire import SldbError

RETENTION_FLOOR_SECONDS = 3600  # no level-0 file younger than this is ever removed
PROBES_BEFORE_LIST = 8  # a copy this far behind catches up faster by a LIST and parallel reads
PARALLEL_READS = 16
STREAM_BYTES = 4 << 20  # a larger file is decoded while it arrives
COMMIT_TRIES = 3


class Conflict(Exception):
    """Another writer committed first: nothing was applied, and the transaction may run again."""


class Replica:
    """`txid` 0 is the empty database, before its first transaction."""

    def __init__(
        self,
        store: ObjectStore,
        database: str,
        directory: Path,
        host: Host,
        limit_bytes: int | None = None,
        make_room: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.database = database
        self._store = store
        self._host = host
        self._cache = PageCache(directory)
        self._limit_bytes = limit_bytes
        self._make_room = make_room
        self._forget()

    def _forget(self) -> None:
        self._cache.forget()
        self.txid: Txid = 0
        self.page_size = 0  # bytes; 0 while there is no page
        self.page_count = 0
        self.timestamp_ms = 0  # of transaction `txid`
        self._newest: Txid = 0  # that the last LIST showed
        self._checked_at = self._listed_at = float("-inf")  # unix seconds

    @property
    def size_bytes(self) -> int:
        return self.page_size * self.page_count

    def read(self, pgno: Pgno) -> bytes:
        page = self._cache.read(pgno)
        if page is None:
            raise LookupError(f"page {pgno} of {self.database} is not here")
        return page

    def refresh(self, max_staleness: float = 0.0) -> None:
        """Bring the copy to the newest transaction, unless it was checked within `max_staleness` seconds."""
        now = self._host.now()
        if max_staleness > 0 and 0 <= now - self._checked_at <= max_staleness:
            return
        if 0 <= now - self._listed_at <= RETENTION_FLOOR_SECONDS / 2 and self._probe():
            self._checked_at = now
            return
        self._catch_up(None)
        self._listed_at = self._checked_at = now

    def open_at(self, txid: Txid) -> None:
        """Make the copy that of one past moment; raises `not_found` for a txid outside history."""
        self._forget()
        self._catch_up(txid)
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
    ) -> Txid:
        """Create transaction txid + 1 from `changes(page_count)`, which may be asked for more than once.

        Raises Conflict; SldbError `too_large` where the database would no longer fit into a cache like this one; or
        `store_error` whose details say whether the transaction was applied: "no", or "unknown" where the store could
        not be asked.
        """
        self._reserve(page_size * page_count)
        # A container that was frozen since it last looked may stand before transactions that came and were compacted.
        now = self._host.now()
        if not 0 <= now - self._checked_at <= RETENTION_FLOOR_SECONDS / 2:
            self._checked_at = float("-inf")
            raise Conflict("the state that the transaction began from is too old to commit on")
        header = Header(
            page_size=page_size,
            commit=page_count,
            min_txid=self.txid + 1,
            max_txid=self.txid + 1,
            timestamp_ms=max(int(now * 1000), self.timestamp_ms),
            node_id=int.from_bytes(self._host.entropy(8), "big"),
        )
        self._create(header, ltx.encode(header, changes(page_count)))
        self._adopt(header, changes(page_count))
        return header.max_txid

    def close(self) -> None:
        self._cache.close()

    # Reading the log

    def _probe(self) -> bool:
        """Follow the log transaction by transaction. False if that leads too far for it."""
        for _ in range(PROBES_BEFORE_LIST):
            name = transaction(self.txid + 1)
            try:
                body = self._store.get(name.key(self.database))
            except NotFound:
                return True
            except StoreError as error:
                raise store_error(error) from error
            self._apply(name, [body])
        return False

    def _catch_up(self, upto: Txid | None) -> None:
        try:
            self._follow(upto)
        except StoreError as error:
            self._forget()
            raise store_error(error) from error
        self._check_complete()

    def _follow(self, upto: Txid | None) -> None:
        sizes = self._list()
        plan = chain.plan(sizes, self.txid, upto)
        self._newest = plan.newest
        if plan.newest < self.txid:
            newest, mine = plan.newest, self.txid
            self._forget()
            ltx.corrupt(database_prefix(self.database), "newest transaction", newest, f"{mine}, which was there before")
        for name, chunks in self._fetch(plan.files, sizes):
            self._apply(name, chunks)
        end = plan.newest if upto is None else min(upto, plan.newest)
        while self.txid < end and self._bridge():
            pass
        if self.txid < end and upto is None:
            missing, newest = transaction(self.txid + 1).key(self.database), plan.newest
            self._forget()
            ltx.corrupt(missing, "transaction", "no object", f"one, because there is a transaction {newest}")

    def _list(self) -> dict[LtxName, int]:
        """The database's LTX files, with their sizes in bytes."""
        found = {}
        for info in self._store.list_objects(database_prefix(self.database)):
            name = parse_ltx_key(self.database, info.key)
            if name is not None:
                found[name] = info.size
        return found

    def _bridge(self) -> bool:
        """Apply the next transaction, which the LIST has not shown though it shows later ones. False if there is none.

        A LIST of many pages is no snapshot: n + 1 may have been created behind it and n + 2 before it.
        """
        name = transaction(self.txid + 1)
        try:
            body = self._store.get(name.key(self.database))
        except NotFound:
            return False
        self._apply(name, [body])
        return True

    def _fetch(self, names: Iterable[LtxName], sizes: dict[LtxName, int]) -> Iterator[tuple[LtxName, Iterable[bytes]]]:
        """The files in order; small ones are read in parallel, ahead of their turn."""
        small = [name for name in names if sizes[name] <= STREAM_BYTES]
        if len(small) <= 1:
            yield from ((name, self._store.chunks(name.key(self.database))) for name in names)
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(PARALLEL_READS) as pool:
            waiting = iter(small)
            reads = {
                name: pool.submit(self._store.get, name.key(self.database)) for name in islice(waiting, PARALLEL_READS)
            }
            for name in names:
                if name not in reads:
                    yield name, self._store.chunks(name.key(self.database))
                    continue
                body = reads.pop(name).result()
                for following in islice(waiting, 1):
                    reads[following] = pool.submit(self._store.get, following.key(self.database))
                yield name, [body]

    def _apply(self, name: LtxName, chunks: Iterable[bytes]) -> None:
        """Apply one file. Its pages count only when all of it has been read and its checksum holds."""
        key = name.key(self.database)
        try:
            decoder = ltx.Decoder(chunks, key)
            self._check_header(decoder.header, name, key)
            self._cache.page_size = decoder.header.page_size
            for pgno, page in decoder.pages():
                self._cache.write(pgno, page)
            self._cache.truncate(decoder.header.commit)
        except OSError as error:
            self._forget()
            raise SldbError(
                "too_large",
                f"database {self.database} does not fit into the local cache: {error}",
                "give the function more ephemeral storage: sldb deploy --ephemeral-storage MB",
            ) from error
        except BaseException:
            self._forget()
            raise
        self._stand_at(decoder.header)

    def _check_header(self, header: Header, name: LtxName, key: str) -> None:
        if (header.min_txid, header.max_txid) != (name.min_txid, name.max_txid):
            ltx.corrupt(key, "txids in the file", f"{header.min_txid} to {header.max_txid}", "those of its key")
        if self.page_size not in (0, header.page_size):
            ltx.corrupt(key, "page size", header.page_size, self.page_size)
        self._reserve(header.page_size * header.commit)

    def _reserve(self, size_bytes: int) -> None:
        """Make sure that a copy of this size may be kept."""
        if self._limit_bytes is not None and size_bytes > self._limit_bytes:
            raise SldbError(
                "too_large",
                f"database {self.database} has {size_bytes} bytes; the local cache takes {self._limit_bytes}",
                "give the function more ephemeral storage: sldb deploy --ephemeral-storage MB",
            )
        self._make_room(size_bytes)

    def _stand_at(self, header: Header) -> None:
        self.txid = header.max_txid
        self.page_size = header.page_size
        self.page_count = header.commit
        self.timestamp_ms = header.timestamp_ms

    def _check_complete(self) -> None:
        if self.page_count == 0:
            return
        missing = self._cache.first_missing(self.page_count, besides=ltx.lock_page(self.page_size))
        if missing is not None:
            prefix, txid = database_prefix(self.database), self.txid
            self._forget()
            ltx.corrupt(prefix, f"page {missing} as of transaction {txid}", "in no file of the chain", "a page")

    # Writing the log

    def _create(self, header: Header, body: bytes) -> None:
        key = transaction(header.max_txid).key(self.database)
        doubt: StoreError | None = None
        for _ in range(COMMIT_TRIES):
            try:
                self._store.create(key, body)
            except Refused as error:
                # An earlier try that nobody answered may still arrive.
                raise store_error(error, applied="unknown" if doubt else "no") from error
            except (AlreadyExists, Unavailable) as error:
                # Both may be about our own object, or about nobody's; only the object itself can tell.
                if self._is_mine(key, header.node_id, error):
                    return
                doubt = error
            else:
                return
        assert doubt is not None
        raise store_error(doubt, applied="unknown") from doubt

    def _is_mine(self, key: str, node_id: int, doubt: StoreError) -> bool:
        """Whether the object at `key` is this attempt's. False if there is none; Conflict if it is another's."""
        try:
            head = self._store.get_range(key, 0, ltx.HEADER_BYTES)
        except NotFound:
            return False
        except StoreError as error:
            raise store_error(error, applied="unknown") from doubt
        if Header.decode(head, key).node_id == node_id:
            return True
        self._checked_at = float("-inf")
        raise Conflict(f"{key} was committed by another writer")

    def _adopt(self, header: Header, pages: Iterable[tuple[Pgno, bytes]]) -> None:
        """Bring the local copy to the transaction that was just committed."""
        try:
            self._cache.page_size = header.page_size
            for pgno, page in pages:
                self._cache.write(pgno, page)
            self._cache.truncate(header.commit)
        except (OSError, MemoryError):
            # Committed all the same; what is here is merely a cache, and the next request fetches it again.
            self._forget()
            return
        except BaseException:
            self._forget()
            raise
        self._stand_at(header)


def store_error(error: StoreError, applied: str | None = None) -> SldbError:
    """`applied`: whether the transaction that was being committed is in the log: no, unknown, or None for reads."""
    outcome = {
        None: "nothing was changed",
        "no": "nothing was applied",
        "unknown": "it is not known whether the transaction was applied: "
        "the same request sent again with the same request_id tells, and applies it at most once",
    }[applied]
    return SldbError(
        "store_error", f"the object store: {error}; {outcome}", "try again in a moment", key=error.key, applied=applied
    )

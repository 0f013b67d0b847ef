"""The log of one database as a LIST shows it, and the facts in the beginnings and ends of its files."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from lambda_handlers.host import Host
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log import chain, file_header, ltx
from lambda_handlers.storage.log.copy_mark import MARK_BYTES, check_name
from lambda_handlers.storage.log.keys import LtxName, database_prefix, parse_ltx_key, parse_page_map_key, transaction
from lambda_handlers.storage.log.ltx import Header, Pgno, Txid
from lambda_handlers.storage.log.ltx_decoder import Decoder, decode_frames
from lambda_handlers.storage.log.ltx_index import decode_index, index_length
from lambda_handlers.storage.log.partial_listing import WHOLE, PartialListing, Runs, has_run
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.pages.page_map_binding import decoded, unbind
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import NotFound, ObjectInfo, ObjectStore, StoreError, Unavailable
from lambda_handlers.wire import SldbError

AT_ONCE = 16  # requests in flight
_HEADER_READINGS = 5
_TAIL_BYTES = 64 << 10  # of an index: 7,000 pages

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Listing:
    """The LTX files of `database`: their sizes in bytes, the ones with a page map, and their ETags. Perhaps not all
    (`log.partial_listing`)."""

    database: str
    sizes: dict[LtxName, int]
    mapped: frozenset[LtxName]
    stored_bytes: int  # of all objects listed
    etags: dict[LtxName, str]  # empty if the store reports none
    listed: Runs = WHOLE  # the transactions looked for at level 0

    @property
    def newest(self) -> Txid:
        """The newest transaction; 0 if there is none."""
        return max((name.max_txid for name in self.sizes), default=0)

    @property
    def looks_unfinished(self) -> bool:
        """True if the log begins with nothing but a file of the size of a mark (log.mark)."""
        return self.has_mark and all(name == transaction(1) for name in self.sizes if name.min_txid == 1)

    @property
    def has_mark(self) -> bool:
        """True if the file at the key of transaction 1 is a mark: it reserves the name for a copy."""
        return self.sizes.get(transaction(1)) == MARK_BYTES

    @property
    def newest_file(self) -> LtxName | None:
        """The smallest of the files that end with the newest transaction."""
        return min((name for name in self.sizes if name.max_txid == self.newest), default=None)

    def chain_to(self, txid: Txid) -> tuple[LtxName, ...]:
        """Return the files that make up the state at `txid`; none if it is not available any more."""
        plan = chain.plan(self._files(), 0, txid)
        return plan.files if plan.reach == txid else ()

    def has_listed(self, first: Txid, end: Txid) -> bool:
        """Return True if every transaction from `first` to before `end` was looked for at level 0."""
        return has_run(self.listed, first, end)

    def is_readable(self, txid: Txid) -> bool:
        """Return True if there is a chain to `txid`, the last transaction of a file. Files not looked for are there: a
        log has no gap behind its oldest base, and retention takes only older files."""
        return bool(self.chain_to(txid)) if self.listed == WHOLE else 0 < self.oldest_readable <= txid

    @property
    def oldest_readable(self) -> Txid:
        """The oldest transaction with a chain to it; 0 if there is none."""
        return min((name.max_txid for name in self._files() if name.min_txid == 1), default=0)

    def _files(self) -> Iterator[LtxName]:
        return (name for name in self.sizes if not (name == transaction(1) and self.has_mark))


def list_files(store: ObjectStore, database: str) -> Listing:
    """Return the files of a database. Raises SldbError `store_error`."""
    try:
        return _listing(database, store.list_objects(database_prefix(database)), WHOLE)
    except StoreError as error:
        raise store_error(error) from error


def list_chain(store: ObjectStore, database: str, txid: Txid | None = None, start: Txid = 0) -> Listing:
    """Return the files of a chain to `txid`, by default the newest, from `start` on; all files if there is none. Raises
    SldbError `store_error`."""

    def listed(partial: PartialListing) -> None:
        partial.list_chain(txid, start)

    return _list_part(lambda: PartialListing(store, database), listed)


def list_recent(store: ObjectStore, host: Host, database: str, count: int, before: Txid | None = None) -> Listing:
    """Return the files of the newest transactions, and those of the last `count` below `before`, or below the end.
    Raises SldbError `store_error`."""

    def listed(partial: PartialListing) -> None:
        newest = partial.list_newest(1 if before else count)
        end = newest + 1 if before is None else min(before, newest + 1)
        partial.list_run(max(0, end - count), end)

    wanted = () if before is None else (max(0, before - count),)
    return _list_part(lambda: PartialListing(store, database, host, wanted), listed)


def _list_part(begin: Callable[[], PartialListing], listed: Callable[[PartialListing], None]) -> Listing:
    try:
        partial = begin()
        listed(partial)
    except StoreError as error:
        raise store_error(error) from error
    return _listing(partial.database, partial.objects.values(), partial.listed)


def _listing(database: str, objects: Iterable[ObjectInfo], listed: Runs) -> Listing:
    sizes: dict[LtxName, int] = {}
    etags: dict[LtxName, str] = {}
    mapped: set[LtxName] = set()
    stored_bytes = 0
    for info in objects:
        stored_bytes += info.size
        if name := parse_ltx_key(database, info.key):
            sizes[name], etags[name] = info.size, info.etag
        elif name := parse_page_map_key(database, info.key):
            mapped.add(name)
    return Listing(database, sizes, frozenset(mapped & sizes.keys()), stored_bytes, etags, listed)


def read_header(store: ObjectStore, database: str, name: LtxName, size: int | None = None) -> Header:
    """Return the header of a file. `size`: its size in bytes, if it is known. Raises NotFound, StoreError, or SldbError
    `corrupt`."""
    return file_header.read(store, name.key(database), size)


def read_agreed_header(store: ObjectStore, database: str, name: LtxName) -> Header:
    """Return the header of a file for a decision that a damaged reading must not make. A header without a checksum is
    trusted after two equal readings in a row. Raises as `read_header` does."""
    key, before = name.key(database), b""
    for _ in range(_HEADER_READINGS):
        shown = store.get_range(key, 0, ltx.HEADER_BYTES)
        if shown == before or file_header.is_checked(shown, key):
            return Header.decode(shown, key)
        before = shown
    raise Unavailable(key, "its header reads differently each time")


def header_and_first_page(store: ObjectStore, listing: Listing, name: LtxName) -> tuple[Header, bytes | None]:
    """Return the header of a file, with one request, and page 1 if the file is small and has it; then its checksum has
    been compared. Raises as `read_header` does."""
    key = name.key(listing.database)
    if listing.sizes[name] > file_header.SMALL_BYTES:
        return read_header(store, listing.database, name), None
    decoder = Decoder([store.get(key)], key)
    return decoder.header, dict(decoder.pages()).get(Pgno(1))


def check_finished(store: ObjectStore, listing: Listing) -> None:
    """Raise `not_found`, with the next step as its hint, for a copy that was stopped or is under way."""
    if not listing.looks_unfinished:
        return
    name = transaction(1)
    try:
        header = read_header(store, listing.database, name, listing.sizes[name])
    except StoreError as error:
        raise store_error(error) from error
    check_name(header, name, name.key(listing.database))


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The header of a file, its number of pages, and a reader of single pages, which returns None for a page that the
    file does not have. Bytes of a page are compared with a checksum only if the file is small or has a page map."""

    header: Header
    page_count: int
    page: Callable[[Pgno], bytes | None]


def file_facts(store: ObjectStore, listing: Listing, name: LtxName) -> FileFacts:
    """Return the facts about a file, without reading the pages of a large one. Raises as `read_header` does."""
    key, size = name.key(listing.database), listing.sizes[name]
    if size <= file_header.SMALL_BYTES:
        decoder = Decoder([store.get(key)], key)
        pages = {frame.pgno: frame.page for frame in decoder.frames()}
        return FileFacts(decoder.header, len(pages), pages.get)
    header, beginning = file_header.read_beginning(store, key)
    first = dict(_first_pages(header, beginning, key))
    if name in listing.mapped and (found := _page_map(store, listing.database, HeadFile(name, size, True))) is not None:
        return FileFacts(
            header, found.page_count, lambda pgno: first.get(pgno) or _mapped_page(store, key, found, pgno)
        )
    tail = store.get_range(key, max(0, size - _TAIL_BYTES), _TAIL_BYTES)
    needed = index_length(tail, key) + 8 + ltx.TRAILER_BYTES
    if needed > len(tail):
        tail = store.get_range(key, max(0, size - needed), needed)
    count = sum(1 for _ in decode_index(tail, key))
    return FileFacts(header, count, lambda pgno: first.get(pgno) or _indexed_page(store, key, header, tail, pgno))


def _first_pages(header: Header, beginning: bytes, key: str) -> Iterator[tuple[Pgno, bytes]]:
    """Yield the pages that are whole in the first bytes of a file with a note; of another one they are of no use."""
    if not header.marks.note_page:
        return
    try:
        for frame in decode_frames(beginning[ltx.HEADER_BYTES :], header.page_size, key):
            yield frame.pgno, frame.page
    except SldbError:  # the last of them is cut off
        return


def _mapped_page(store: ObjectStore, key: str, page_map: PageMap, pgno: Pgno) -> bytes | None:
    if not any(start <= pgno < start + length for start, length in page_map.runs()):
        return None
    group = page_map.group_of(pgno)
    start, length = page_map.span(group, group)
    frames = page_map.frames(store.get_range(key, start, length), group, group, key)
    return next((frame.page for frame in frames if frame.pgno == pgno), None)


def _indexed_page(store: ObjectStore, key: str, header: Header, tail: bytes, pgno: Pgno) -> bytes | None:
    for number, offset, length in decode_index(tail, key):
        if number == pgno:
            data = store.get_range(key, offset, length)
            return next((frame.page for frame in decode_frames(data, header.page_size, key)), None)
    return None


def _page_map(store: ObjectStore, database: str, file: HeadFile) -> PageMap | None:
    try:
        return decoded(unbind(store.get(file.name.page_map_key(database)), file.name, database), file)
    except NotFound:
        return None


def side_by_side(host: Host, function: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """Yield the results of `function` for all items, in order; several calls run at a time."""
    waiting = list(items)
    for start in range(0, len(waiting), AT_ONCE):
        calls = [host.start(lambda item=item: function(item)) for item in waiting[start : start + AT_ONCE]]  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        for call in calls:
            yield call.result()


def steps_back(listing: Listing, before: Txid) -> Iterator[tuple[LtxName, Txid]]:
    """Yield the transactions below `before`, newest first: for each one file, the most informative one, and the newest
    transaction in it. If level 0 is gone, a merged file represents all of its transactions that are left."""
    compacted = sorted((name for name in listing.sizes if name.level), key=lambda name: name.max_txid)
    ends = [name.max_txid for name in compacted]
    txid = min(before - 1, listing.newest)
    while txid > 0:
        single = LtxName(0, txid, txid)
        # Of a copied database, the file at the key of transaction 1 is not a transaction (log.mark).
        if single in listing.sizes and not (txid == 1 and listing.has_mark):
            yield single, txid
            txid -= 1
            continue
        covering = [name for name in compacted[bisect_left(ends, txid) :] if name.min_txid <= txid]
        if covering:
            name = max(covering, key=lambda name: (name.min_txid, -name.max_txid, -name.level))
            yield name, txid
            txid = name.min_txid - 1
        else:
            txid = max((name.max_txid for name in listing.sizes if name.max_txid < txid), default=0)

"""A database as a copy of another one at one transaction: the files of the chain, copied inside the store.

What makes it appear at once, and never over a write of somebody's:

1. The *mark* comes first: an LTX file at the key of transaction 1 whose header says that it reaches to the transaction
   of the branch. Nobody can apply it, since its key and its header disagree (storage.opening), so that a writer that
   knew the name while there was nothing is refused from now on; and if such a writer was first, it has the name.
2. The files above the base, with their page maps, then the base's map.
3. The base, last. Until then the name is an unfinished branch: it can be neither read nor written, and says why.

So the base never lies at the key of transaction 1, but a level higher where it is that transaction; only a copy of a
database that has no other transaction is that file alone, and needs no mark. All of it can be done again, and goes on
where it stopped: what is there is compared by size and header, which has the random node id of whoever wrote it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from lambda_handlers.actions import files
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.files import Listing
from lambda_handlers.object_store import AlreadyExists, CopyOf, NotFound, ObjectStore, StoreError, Unavailable
from lambda_handlers.storage import head as heads
from lambda_handlers.storage import kinds, ltx
from lambda_handlers.storage.commit import store_error
from lambda_handlers.storage.head import Head, HeadFile
from lambda_handlers.storage.keys import FOLD_LEVEL, LtxName, transaction
from lambda_handlers.storage.kinds import Kind
from lambda_handlers.storage.ltx import HEADER_BYTES, Header, Txid
from lambda_handlers.storage.opening import is_mark
from lambda_handlers.wire import SldbError

SMALL_BYTES = 1 << 20  # a copy of less goes through here: one request less than a copy inside the store
_TRIES = 3  # when files are merged and removed meanwhile


@dataclass(frozen=True, slots=True)
class Copied:
    files: int
    bytes: int
    is_new: bool  # false: all of it was there


@dataclass(frozen=True, slots=True)
class _File:
    source: LtxName
    target: LtxName
    size: int
    is_mapped: bool


def copy_database(context: ActionContext, source: str, target: str, txid: Txid) -> Copied:
    """Make `target` the state of `source` at `txid`, which can be read. Raises `conflict` if it exists already as
    anything else, or SldbError."""
    for _ in range(_TRIES):
        listing = files.list_files(context.store, source)
        try:
            return _Copy(context, listing, target, txid).run()
        except NotFound as error:
            reason = error
        except StoreError as error:
            raise store_error(error) from error
    raise SldbError("store_error", f"files of {source} vanish while they are copied: {reason}", "try again")


class _Copy:
    def __init__(self, context: ActionContext, listing: Listing, target: str, txid: Txid) -> None:
        self._context = context
        self._store = context.store
        self._source = listing.database
        self._target = target
        self._txid = txid
        chain = listing.chain_to(txid)
        if not chain:
            raise NotFound(transaction(txid).key(self._source))
        base, *above = (_File(name, name, listing.sizes[name], name in listing.mapped) for name in chain)
        home = transaction(1) if txid == 1 else replace(base.source, level=max(base.source.level, FOLD_LEVEL))
        self._base = replace(base, target=home)
        self._above = above

    def run(self) -> Copied:
        """Raises NotFound where a file of the source is gone, StoreError or SldbError."""
        there = files.list_files(self._store, self._target)
        if there.newest > self._txid:
            raise taken(self._target)
        is_new = self._base.target not in there.sizes
        if self._txid > 1:
            self._put_mark()
        for _ in files.side_by_side(self._context.host, self._copy_with_map, self._above):
            self._check_time()
        if self._base.is_mapped:
            self._copy_map(self._base)
        known_at = self._context.host.now()
        self._copy(self._base)
        if is_new:
            self._put_head(known_at)
        every = self._in_order()
        return Copied(len(every), sum(file.size for file in every), is_new)

    def _put_mark(self) -> None:
        newest = files.read_header(self._store, self._source, self._in_order()[-1].source)
        header = mark(newest, self._source)
        key, body = transaction(1).key(self._target), ltx.encode(header, ())
        self._create(key, body[:HEADER_BYTES], len(body), lambda: self._store.create(key, body))

    def _copy_with_map(self, file: _File) -> None:
        self._copy(file)
        if file.is_mapped:
            self._copy_map(file)

    def _copy(self, file: _File) -> None:
        source, target = file.source.key(self._source), file.target.key(self._target)
        if file.size <= SMALL_BYTES:
            body = self._store.get(source)
            self._create(target, body[:HEADER_BYTES], file.size, lambda: self._store.create(target, body))
        else:
            header = self._store.get_range(source, 0, HEADER_BYTES)
            whole = [CopyOf(source, 0, file.size)]
            self._create(target, header, file.size, lambda: self._store.assemble(target, whole))

    def _copy_map(self, file: _File) -> None:
        """A map that is there is that of the same file; one that is not is made by maintenance."""
        target = file.target.page_map_key(self._target)
        with suppress(AlreadyExists, NotFound):
            self._store.create(target, self._store.get(file.source.page_map_key(self._source)))

    def _create(self, key: str, header: bytes, size: int, create: Callable[[], object]) -> None:
        """Create an object of so many bytes that begins with `header`, unless that has been done."""
        try:
            create()
        except (AlreadyExists, Unavailable) as doubt:
            try:
                is_there = self._store.get_range(key, 0, HEADER_BYTES) == header and self._store.size(key) == size
            except NotFound:
                raise Unavailable(key, str(doubt)) from doubt
            if not is_there:
                raise taken(self._target) from None

    def _check_time(self) -> None:
        if self._context.host.now() >= self._context.deadline:
            raise SldbError(
                "query_timeout",
                f"the time was up before {self._target} was complete; until then it cannot be used",
                "the same command again goes on where this one stopped",
            )

    def _put_head(self, known_at: float) -> None:
        every = tuple(HeadFile(file.target, file.size, file.is_mapped) for file in self._in_order())
        try:
            heads.advance(self._store, self._target, Head(self._txid, known_at, self._txid, every), None)
        except StoreError as error:  # who opens the database will LIST
            self._context.log.warning("not_published", database=self._target, what="head", error=str(error))

    def _in_order(self) -> Sequence[_File]:
        return [self._base, *self._above]


def mark(newest: Header, source: str) -> Header:
    """The header of the file that says: this name is becoming a copy of `source` as of its transaction `newest`. It is
    the same for each try, whatever was merged meanwhile."""
    tag = hashlib.sha256(source.encode()).digest()[:8]
    return replace(newest, commit=0, min_txid=1, node_id=kinds.node_id(Kind.BRANCH, tag))


def read_mark(store: ObjectStore, database: str) -> Header | None:
    """The mark of a database that is, or is becoming, a copy; None if it has none. Raises StoreError."""
    try:
        header = files.read_header(store, database, transaction(1))
    except NotFound:
        return None
    return header if is_mark(header, transaction(1)) else None


def is_mark_of(found: Header, source: str) -> bool:
    return found.node_id == mark(found, source).node_id


def is_unfinished(store: ObjectStore, listing: Listing) -> bool:
    """Whether a database is becoming a copy, and its base is not there yet. Raises StoreError."""
    begins = [name for name in listing.sizes if name.min_txid == 1]
    return begins == [transaction(1)] and read_mark(store, listing.database) is not None


def taken(database: str) -> SldbError:
    return SldbError(
        "conflict",
        f"there is a database {database} already; nothing was changed",
        f"choose another name, or drop it first: sldb databases drop {database}",
    )

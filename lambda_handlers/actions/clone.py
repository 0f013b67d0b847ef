"""A database as a copy of another one at one transaction: the files of the chain, copied inside the store.

What makes it appear at once, and never over a write of somebody's:

1. The *mark* comes first: an LTX file at the key of transaction 1 whose header says that it reaches to the transaction
   of the branch. Nobody can apply it, since its key and its header disagree (storage.opening), so that a writer that
   knew the name while there was nothing is refused from now on; and if such a writer was first, it has the name.
2. The files above the base, with their page maps, then the base's map.
3. The base, last. Until then the name is an unfinished branch: it can be neither read nor written, and says why.

So the base never lies at the key of transaction 1, but a level higher where it is that transaction; only a copy of a
database that has no other transaction is that file alone, and needs no mark. All of it can be done again, and goes on
where it stopped.

Nothing is copied on trust (storage.verified): every file of the source is read once and compared with its checksum
before the first object is made; what the store has afterwards, or had before, is compared with what was read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from lambda_handlers.actions.context import ActionContext
from lambda_handlers.storage import verification
from lambda_handlers.storage.listing import Listing, list_files, side_by_side
from lambda_handlers.storage.log import kinds, ltx
from lambda_handlers.storage.log.keys import FOLD_LEVEL, LtxName, transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Txid
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.log.mark import MARK_BYTES, is_mark
from lambda_handlers.storage.pages import head as heads
from lambda_handlers.storage.pages.head import Head, HeadFile
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.pages.page_map_binding import bind
from lambda_handlers.storage.verification import Verified
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import AlreadyExists, NotFound, ObjectStore, Refused, StoreError, Unavailable
from lambda_handlers.wire import SldbError

SMALL_BYTES = 1 << 20  # a copy of less goes through here: one request less than a copy inside the store
KEPT_BYTES = 32 << 20  # of small files, between their being read and their being put; the others are read again
_TRIES = 3  # when files are merged and removed meanwhile


@dataclass(frozen=True, slots=True)
class Copied:
    files: int
    bytes: int
    is_new: bool  # false: all of it was there


class Proofs:
    """The files of one database that were read and found to be sound. Each is read once, however often it is asked
    for: files are never changed."""

    def __init__(self, context: ActionContext, database: str) -> None:
        self._context = context
        self._database = database
        self._found: dict[LtxName, Verified] = {}
        self._room = KEPT_BYTES

    def of(self, listing: Listing, names: Iterable[LtxName]) -> Mapping[LtxName, Verified]:
        """Raises `corrupt`, with the key of a file that is damaged; NotFound, another StoreError, or
        `query_timeout`."""
        waiting = [name for name in names if name not in self._found]

        def prove(name: LtxName) -> Verified:
            size = listing.sizes[name]
            keeps_body = size <= min(SMALL_BYTES, self._room)
            if keeps_body:
                self._room -= size
            return verification.verify(self._context.store, self._database, name, size, self._check_time, keeps_body)

        for proof in side_by_side(self._context.host, prove, waiting):
            self._found[proof.name] = proof
            self._check_time()
        return self._found

    def body(self, proof: Verified) -> bytes:
        if proof.body is not None:
            return proof.body
        store, key = self._context.store, proof.name.key(self._database)
        body = store.get(key)
        if not proof.is_same((body,)) and not proof.is_same((body := store.get(key),)):
            ltx.corrupt(key, "content", "other bytes", "those that were read before")
        return body

    def _check_time(self) -> None:
        if self._context.host.now() >= self._context.deadline:
            raise SldbError(
                "query_timeout",
                f"the time was up before {self._database} had been read and compared with its checksums",
                "give it more time (timeout), or the function: sldb deploy --timeout SECONDS",
                applied="no",
            )


@dataclass(frozen=True, slots=True)
class _File:
    source: LtxName
    target: LtxName
    proof: Verified

    @property
    def size(self) -> int:
        return self.proof.size


def copy_database(context: ActionContext, source: str, target: str, txid: Txid, proofs: Proofs | None = None) -> Copied:
    """Make `target` the state of `source` at `txid`, which can be read. `proofs`: of files of the source that were
    verified before. Raises `conflict` if it exists already as anything else, `corrupt` where a file of either is
    damaged, or another SldbError."""
    proofs = proofs or Proofs(context, source)
    for _ in range(_TRIES):
        listing = list_files(context.store, source)
        try:
            return _copy(context, listing, target, txid, proofs)
        except NotFound as error:
            reason = error
        except _Stopped as error:
            raise _perhaps_made(target, error.reason) from error
        except StoreError as error:
            raise store_error(error) from error
    raise SldbError(
        "store_error", f"files of {source} vanish while they are copied: {reason}", "try again", applied="no"
    )


def _copy(context: ActionContext, listing: Listing, target: str, txid: Txid, proofs: Proofs) -> Copied:
    """Raises NotFound where a file of the source is gone, StoreError or SldbError."""
    there = list_files(context.store, target)
    if there.newest > txid or (there.sizes and transaction(1) not in there.sizes):
        raise taken(target)  # a database that has outlived its first transaction leaves the key of the mark free
    chain = listing.chain_to(txid)
    if not chain:
        raise NotFound(transaction(txid).key(listing.database))
    found = proofs.of(listing, chain)  # before the first object is made: a damaged source leaves no trace
    copy = _Copy(context, proofs, listing.database, there, [found[name] for name in chain])
    try:
        return copy.run()
    except NotFound:  # of a file of the source: another LIST shows what replaced it
        raise
    except StoreError as error:
        raise _Stopped(error) from error


class _Stopped(Exception):
    """The store failed when objects of the copy had perhaps been made."""

    def __init__(self, reason: StoreError) -> None:
        super().__init__(reason)
        self.reason = reason


class _Copy:
    def __init__(
        self, context: ActionContext, proofs: Proofs, source: str, there: Listing, chain: list[Verified]
    ) -> None:
        self._context = context
        self._store = context.store
        self._proofs = proofs
        self._source = source
        self._target = there.database
        self._there = there
        self._newest = chain[-1].header
        base, *above = chain
        level = max(base.name.level, FOLD_LEVEL) if self._newest.max_txid > 1 else 0
        self._base = _File(base.name, replace(base.name, level=level), base)
        self._above = [_File(proof.name, proof.name, proof) for proof in above]

    def run(self) -> Copied:
        is_new = self._base.target not in self._there.sizes
        if is_new:
            self._check_free()
        else:
            self._copy(self._base)
        has_mark = self._newest.max_txid > 1
        if has_mark:
            self._put_mark()
            self._check_time()  # what was frozen before the mark knows no longer what there is
        for _ in side_by_side(self._context.host, self._copy_with_map, self._above):
            self._check_time()
        if has_mark:  # else only the base itself takes the name
            self._put_map(self._base)
        known_at = self._context.host.now()
        every = [self._base, *self._above]
        if is_new:
            self._copy(self._base)
            self._put_head(known_at, every)
        if not has_mark:
            self._put_map(self._base)
        return Copied(len(every), sum(file.size for file in every), is_new)

    def _check_free(self) -> None:
        """Raise `conflict` where the name is that of a database whose key of the mark was free when the mark came."""
        has_base = any(name.min_txid == 1 and name != transaction(1) for name in self._there.sizes)
        if has_base and not self._there.chain_to(self._newest.max_txid):
            raise taken(self._target)

    def _put_mark(self) -> None:
        header = mark(self._newest, self._source)
        body = encode_ltx(header, ())
        wanted = verification.of_body(transaction(1), header, body)
        self._place(transaction(1), wanted, lambda key: self._store.create(key, body))

    def _copy_with_map(self, file: _File) -> None:
        self._copy(file)
        self._put_map(file)

    def _copy(self, file: _File) -> None:
        if file.size <= SMALL_BYTES:
            self._place(file.target, file.proof, lambda key: self._store.create(key, self._proofs.body(file.proof)))
        else:
            ranges = file.proof.ranges(file.source.key(self._source))
            self._place(file.target, file.proof, lambda key: self._store.assemble(key, ranges))

    def _put_map(self, file: _File) -> None:
        """The one that was made while the file was read: none is copied."""
        page_map: PageMap | None = file.proof.page_map
        if page_map is not None and file.target not in self._there.mapped:
            with suppress(AlreadyExists):
                body = bind(page_map.encode(), file.target, self._target)
                self._store.create(file.target.page_map_key(self._target), body)

    def _place(self, name: LtxName, wanted: Verified, create: Callable[[str], str]) -> None:
        """Create an object, unless that has been done, and see that the store has what was meant."""
        key = name.key(self._target)
        if name in self._there.sizes:
            tag = self._there.etags[name]
        else:
            try:
                tag = create(key)
            except (AlreadyExists, Unavailable, Refused) as doubt:  # also a refusal may come after the effect
                self._compare(name, wanted, doubt)
                return
        if not wanted.has_tag(tag):
            self._compare(name, wanted)

    def _compare(self, name: LtxName, wanted: Verified, doubt: StoreError | None = None) -> None:
        """Read an object back; in an answer, too, there may be damage, so twice before that is believed."""
        key = name.key(self._target)
        try:
            if wanted.is_same(self._read(key)) or wanted.is_same(self._read(key)):
                return
            verification.verify(self._store, self._target, name, self._store.size(key), self._check_time)
        except NotFound as error:
            if isinstance(doubt, Refused):
                raise doubt from None  # the refusal it is; as its own cause it would be a chain without an end
            raise Unavailable(key, str(doubt or error)) from doubt
        except SldbError as error:
            if error.code == "corrupt":
                raise _damaged(self._target, key, error) from error
            if error.code != "not_found":  # as a sound mark of another copy is
                raise
        raise taken(self._target)

    def _read(self, key: str) -> Iterator[bytes]:
        for chunk in self._store.chunks(key):
            self._check_time()
            yield chunk

    def _check_time(self) -> None:
        if self._context.host.now() >= self._context.deadline:
            raise SldbError(
                "query_timeout",
                f"the time was up before {self._target} was complete; until then it cannot be used",
                "the same command again goes on where this one stopped",
            )

    def _put_head(self, known_at: float, every: Iterable[_File]) -> None:
        chain = tuple(HeadFile(file.target, file.size, file.proof.page_map is not None) for file in every)
        txid = self._newest.max_txid
        try:
            heads.advance(self._store, self._target, Head(txid, known_at, txid, chain), None)
        except StoreError as error:  # who opens the database will LIST
            self._context.log.warning("not_published", database=self._target, what="head", error=str(error))


def mark(newest: Header, source: str) -> Header:
    """The header of the file that says: this name is becoming a copy of `source` as of its transaction `newest`. It is
    the same for each try, whatever was merged meanwhile."""
    tag = hashlib.sha256(source.encode()).digest()[:8]
    return replace(newest, commit=0, min_txid=1, node_id=kinds.node_id(Kind.BRANCH, tag), has_checksum=False)


def read_mark(store: ObjectStore, database: str) -> Header | None:
    """The mark of a database that is, or is becoming, a copy; None if it has none. Raises `corrupt`, or StoreError."""
    try:
        return _read_mark(store, database)
    except SldbError:  # perhaps the answer was damaged, and not the object
        return _read_mark(store, database)


def _read_mark(store: ObjectStore, database: str) -> Header | None:
    key = transaction(1).key(database)
    try:
        body = store.get_range(key, 0, MARK_BYTES + 1)
    except NotFound:
        return None
    if len(body) > MARK_BYTES:
        return None
    decoder = Decoder((body,), key)
    for _ in decoder.frames():
        pass
    return decoder.header if is_mark(decoder.header, transaction(1)) else None


def is_mark_of(found: Header, source: str) -> bool:
    return found.node_id == mark(found, source).node_id


def is_unfinished(store: ObjectStore, listing: Listing) -> bool:
    """Whether a database is becoming a copy, and its base is not there yet. Raises StoreError."""
    return listing.looks_unfinished and read_mark(store, listing.database) is not None


def taken(database: str) -> SldbError:
    return SldbError(
        "conflict",
        f"there is a database {database} already",
        f"choose another name, or drop it first: sldb databases drop {database}",
        applied="no",
    )


def _perhaps_made(target: str, error: StoreError) -> SldbError:
    """What is left is a whole copy, one that is not complete, or nothing: the next try finds out."""
    return SldbError(
        "store_error",
        f"the object store: {error}; {target} may have been made, or only begun",
        f"the same command again completes it, or finds it done; sldb databases drop {target} removes it",
        key=error.key,
        applied="unknown",
    )


def _damaged(target: str, key: str, error: SldbError) -> SldbError:
    return SldbError(
        "corrupt",
        f"{error.message}: the copy is damaged where it lies; what it was made of is as it was",
        f"copy to another name, or drop this one and copy again: sldb databases drop {target}",
        key=key,
    )

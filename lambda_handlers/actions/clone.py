"""A clone: a copy of another database at one transaction, made of the same files inside the store.

It appears at once, and never over another writer's transaction, because its objects are made in this order:

1. The *mark*: an LTX file at the key of transaction 1 with the range of the whole copy in its header. Its key and its
   header disagree, so no reader can apply it (storage.pages.opening), and a writer to the empty name is refused from
   now on; if such a writer was first, the name belongs to it.
2. The files above the base, with their page maps, then the base's map.
3. The base, last. Until then the name is an unfinished copy: it can be neither read nor written, and errors say
   why.

So the base is never at the key of transaction 1, but a level higher if it is that transaction; only the copy of
a database with one transaction is that file alone, and needs no mark. Every step can be repeated, and continues an
earlier try.

Every file of the source is read once and compared with its checksum before the first object is made (verified_files);
the objects in the store, new ones or those of an earlier try, are compared with the bytes read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from lambda_handlers.actions import verified_files
from lambda_handlers.actions.clone_mark import mark, taken
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.verified_files import VerifiedFiles
from lambda_handlers.database.vanished_files import repeat_while_vanishing
from lambda_handlers.shared.dataclasses import dataclass, replace
from lambda_handlers.storage import verification
from lambda_handlers.storage.listing import Listing, list_chain, list_files, side_by_side
from lambda_handlers.storage.log import doubts
from lambda_handlers.storage.log.keys import FOLD_LEVEL, LtxName, transaction
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.pages import head as heads
from lambda_handlers.storage.pages.head import Head, HeadFile
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.pages.page_map_binding import bind
from lambda_handlers.storage.verification import Verified
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import AlreadyExists, NotFound, Refused, StoreError, Unavailable
from lambda_handlers.wire import SldbError


@dataclass(frozen=True, slots=True)
class Copied:
    files: int
    bytes: int
    is_new: bool  # false: all of it existed already


@dataclass(frozen=True, slots=True)
class _File:
    target: LtxName
    source: Verified

    @property
    def size(self) -> int:
        return self.source.size


def copy_database(
    context: ActionContext, source: str, target: str, txid: Txid, verified: VerifiedFiles | None = None
) -> Copied:
    """Make `target` the readable state of `source` at `txid`. `verified`: files of the source. Raises
    `conflict` if it exists already as anything else, `corrupt` if a file of either is damaged, or another SldbError."""
    verified = verified or VerifiedFiles(context, source)

    def attempt() -> Copied:
        listing = list_chain(context.store, source, txid)
        try:
            return _copy(context, listing, target, txid, verified)
        except NotFound:
            raise
        except _Stopped as error:
            raise _perhaps_made(target, error.reason) from error
        except StoreError as error:
            raise store_error(error) from error

    return repeat_while_vanishing(attempt, source, NotFound, "copied")


def _copy(context: ActionContext, listing: Listing, target: str, txid: Txid, verified: VerifiedFiles) -> Copied:
    """Copy the files of a listing. Raises NotFound if one of them is gone, StoreError or SldbError."""
    there = list_files(context.store, target)
    if there.newest > txid or (there.sizes and transaction(1) not in there.sizes):
        raise taken(target)  # the key of the mark is free once retention has removed transaction 1
    chain = listing.chain_to(txid)
    if not chain:
        raise NotFound(transaction(txid).key(listing.database))
    found = verified.verify(listing, chain)  # before the first object is made: a damaged source leaves no trace
    copy = _Clone(context, verified, there, listing.database, [found[name] for name in chain])
    try:
        return copy.run()
    except NotFound:  # of a file of the source: another LIST shows what replaced it
        raise
    except StoreError as error:
        raise _Stopped(error) from error


class _Stopped(Exception):
    """The store failed after objects of the copy had perhaps been made."""

    def __init__(self, reason: StoreError) -> None:
        super().__init__(reason)
        self.reason = reason


class _Clone:
    def __init__(
        self, context: ActionContext, verified: VerifiedFiles, there: Listing, source: str, chain: list[Verified]
    ) -> None:
        """`there`: the files below the name of the copy; `chain`: those of the source to copy."""
        self._context = context
        self._store = context.store
        self._verified = verified
        self._source = source
        self._target = there.database
        self._there = there
        self._deadline = context.deadline.reporting(
            f"the time was up before {there.database} was complete; until then it cannot be used",
            "the same command again continues where this one stopped",
        ).without_outcome()
        self._newest = chain[-1].header
        base, *above = chain
        level = max(base.name.level, FOLD_LEVEL) if self._newest.max_txid > 1 else 0
        self._base = _File(replace(base.name, level=level), base)
        self._above = [_File(file.name, file) for file in above]

    def run(self) -> Copied:
        is_new = self._base.target not in self._there.sizes
        if is_new:
            self._check_free()
        else:
            self._copy(self._base)
        has_mark = self._newest.max_txid > 1
        if has_mark:
            self._put_mark()
            self._deadline.check()  # if the process was frozen before the mark, its listing proves nothing any more
        for _ in side_by_side(self._context.host, self._copy_with_map, self._above):
            self._deadline.check()
        if has_mark:  # otherwise only the base itself reserves the name
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
        """Raise `conflict` if the name has a database without the key of the mark."""
        has_base = any(name.min_txid == 1 and name != transaction(1) for name in self._there.sizes)
        if has_base and not self._there.chain_to(self._newest.max_txid):
            raise taken(self._target)

    def _put_mark(self) -> None:
        header = mark(self._newest, self._source)
        body = encode_ltx(header, ())
        doubts.put(self._store, self._target)
        wanted = verification.of_body(transaction(1), header, body)
        self._place(transaction(1), wanted, lambda key: self._store.create(key, body))

    def _copy_with_map(self, file: _File) -> None:
        self._copy(file)
        self._put_map(file)

    def _copy(self, file: _File) -> None:
        if file.size <= verified_files.SMALL_BYTES:
            self._place(file.target, file.source, lambda key: self._store.create(key, self._verified.body(file.source)))
        else:
            ranges = file.source.ranges(file.source.name.key(self._source))
            self._place(file.target, file.source, lambda key: self._store.assemble(key, ranges))

    def _put_map(self, file: _File) -> None:
        """Put the page map made during the reading of the file: none is copied."""
        page_map: PageMap | None = file.source.page_map
        if page_map is not None and file.target not in self._there.mapped:
            with suppress(AlreadyExists):
                body = bind(page_map.encode(), file.target, self._target)
                self._store.create(file.target.page_map_key(self._target), body)

    def _place(self, name: LtxName, wanted: Verified, create: Callable[[str], str]) -> None:
        """Create an object, unless an earlier try has, and compare it with the wanted one."""
        key = name.key(self._target)
        if name in self._there.sizes:
            tag = self._there.etags[name]
        else:
            try:
                tag = create(key)
            except (AlreadyExists, Unavailable, Refused) as doubt:  # even a refusal may come after the effect
                self._compare(name, wanted, doubt)
                return
        if not wanted.has_tag(tag):
            self._compare(name, wanted)

    def _compare(self, name: LtxName, wanted: Verified, doubt: StoreError | None = None) -> None:
        """Read an object back, twice if it differs: only the answer may be damaged."""
        key = name.key(self._target)
        try:
            if wanted.is_same(self._read(key)) or wanted.is_same(self._read(key)):
                return
            verification.verify(self._store, self._target, name, self._store.size(key), self._deadline.check)
        except NotFound as error:
            if isinstance(doubt, Refused):
                raise doubt from None  # the same refusal; as its own cause it would form an endless chain
            raise Unavailable(key, str(doubt or error)) from doubt
        except SldbError as error:
            if error.code == "corrupt":
                raise _damaged(self._target, key, error) from error
            if error.code != "not_found":  # raised for an intact mark of another copy
                raise
        raise taken(self._target)

    def _read(self, key: str) -> Iterator[bytes]:
        for chunk in self._store.chunks(key):
            self._deadline.check()
            yield chunk

    def _put_head(self, known_at: float, every: Iterable[_File]) -> None:
        chain = tuple(HeadFile(file.target, file.size, file.source.page_map is not None) for file in every)
        txid = self._newest.max_txid
        try:
            heads.advance(self._store, self._target, Head(txid, known_at, txid, chain), None)
        except StoreError as error:  # the next reader will LIST
            self._context.resources.log.warning("not_published", database=self._target, what="head", error=str(error))


def _perhaps_made(target: str, error: StoreError) -> SldbError:
    """Return the error for a copy in an unknown state, from not begun to complete: the next try finds out."""
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
        f"{error.message}: the stored copy is damaged; the source database is unchanged",
        f"copy to another name, or drop this one and copy again: sldb databases drop {target}",
        key=key,
    )

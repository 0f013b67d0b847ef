"""The files of one database, copied with its whole history from a store to another: for backups, and for moves.

The .ltx files alone are the database; they never change, so a copy needs only those that are missing. Each is read
whole and compared with its checksum before it is written, by a conditional create. Writers and maintenance go on: a
file that vanishes during the copy has a replacement in the next listing, and the copy is as complete as one listing.

`copy_files` gives every file its own key, for a store that nothing else reads yet: a backup. It may be stopped
anywhere, and continues with the same call. sldb.backup.installing makes a database in a store in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from lambda_handlers.host import Host
from lambda_handlers.storage import listing as listings
from lambda_handlers.storage import verification
from lambda_handlers.storage.listing import Listing, list_files, side_by_side
from lambda_handlers.storage.log.keys import LtxName, transaction
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.pages.page_map_binding import bind
from lambda_handlers.storage.verification import Verified, verify
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import AlreadyExists, NotFound, ObjectStore, StoreError, Unavailable
from lambda_handlers.wire import SldbError
from sldb.progress.protocol import SILENT, Progress

T = TypeVar("T")

TRIES = 10  # while files vanish; maintenance removes some once in minutes
SMALL_BYTES = 1 << 20  # a larger file is sent as it is read, for the second time


@dataclass(frozen=True, slots=True)
class CopiedFile:
    name: LtxName
    size: int  # bytes
    md5: tuple[str, ...]  # of each range of verification.RANGE_BYTES, in hex


@dataclass(frozen=True, slots=True)
class Copied:
    """A database at `header`, its newest transaction, as copied."""

    header: Header
    files: tuple[CopiedFile, ...]  # that make up the copy
    new_files: int
    new_bytes: int

    @property
    def txid(self) -> int:
        return self.header.max_txid


@dataclass(frozen=True, slots=True)
class Source:
    store: ObjectStore
    database: str
    only_newest: bool = False  # no history: the files that make up the newest state

    def files(self) -> Listing:
        """Return the files to copy. Raises `not_found` for no database, or an unfinished one, `corrupt` for a gap."""
        listing = list_files(self.store, self.database)
        if not listing.sizes:
            raise SldbError("not_found", f"there is no database {self.database} to copy", database=self.database)
        listings.check_finished(self.store, listing)
        chain = listing.chain_to(listing.newest)
        if not chain:
            message = f"no files lead to transaction {listing.newest} of {self.database}"
            raise SldbError("corrupt", message, "sldb doctor shows what is missing", applied="no")
        sizes = {
            name: size
            for name, size in listing.sizes.items()
            if (name in chain or not self.only_newest) and not (listing.has_mark and name == transaction(1))
        }
        return replace(listing, sizes=sizes)


def copy_files(
    source: Source,
    target: ObjectStore,
    known: Iterable[CopiedFile] = (),
    progress: Progress = SILENT,
    host: Host | None = None,
) -> Copied:
    """Copy the missing files of a database under their own keys. `known`: files of an earlier copy, which are not read
    again if the target has them. Raises SldbError."""

    def attempt() -> Copied:
        listing = source.files()
        there = list_files(target, source.database).sizes
        before = {
            file.name: file
            for file in known
            if file.size == there.get(file.name) == listing.sizes.get(file.name, file.size)
        }
        if not _same_history(source, target, before.keys() & listing.sizes.keys()):
            before = {}  # so that each file is compared, and the first other one is named
        copy = Copy(source, target, source.database, there, host or Host(), progress)
        fresh = copy.all({name: name for name in listing.sizes if name not in before}, listing)
        files = {**{name: before[name] for name in listing.sizes if name in before}, **copy.facts(fresh)}
        newest = listings.read_header(source.store, source.database, newest_file(listing))
        return Copied(newest, tuple(files[name] for name in sorted(files)), copy.new_files, copy.new_bytes)

    return repeat(attempt, source.database)


def _same_history(source: Source, target: ObjectStore, names: Iterable[LtxName]) -> bool:
    """Return True if the newest of these files is the same one in both stores, by its header. Another database of the
    same name, or one that went on from an older backup, has files of the same names."""
    newest = max(names, key=lambda name: name.max_txid, default=None)
    if newest is None:
        return True
    try:
        return listings.read_header(source.store, source.database, newest) == listings.read_header(
            target, source.database, newest
        )
    except NotFound as error:
        raise Vanished from error


def newest_file(listing: Listing) -> LtxName:
    name = listing.newest_file
    assert name is not None  # a listing without files was refused
    return name


def repeat(attempt: Callable[[], T], database: str) -> T:
    for _ in range(TRIES):
        try:
            return attempt()
        except Vanished:
            continue
        except StoreError as error:
            raise store_error(error) from error
    raise SldbError("store_error", f"files of {database} vanish again and again while they are copied", "try again")


class OtherBytes(SldbError):
    """An object of the copy is not the file of the source."""


class Vanished(Exception):
    """A file of the source is gone: another listing shows its replacement."""


class Copy:
    def __init__(
        self,
        source: Source,
        target: ObjectStore,
        database: str,
        there: dict[LtxName, int],
        host: Host,
        progress: Progress,
    ) -> None:
        self._source, self._target, self._database = source, target, database
        self._there, self._host, self._progress = there, host, progress
        self.new_files = self.new_bytes = 0

    def all(self, places: dict[LtxName, LtxName], listing: Listing) -> Sequence[Verified]:
        """Bring each file to its place; return the facts about all of them."""
        missing = sum(size for name, size in listing.sizes.items() if name in places)
        self._progress.begin(f"copying {self._source.database}", files=len(places), bytes=missing)
        items = [(name, place, listing.sizes[name]) for name, place in places.items()]
        found = []
        for file, is_new in side_by_side(self._host, lambda item: self._one(*item), items):
            found.append(file)
            self.new_files += is_new
            self.new_bytes += file.size if is_new else 0
            self._progress.advance(files=1, bytes=file.size)
        return found

    def facts(self, found: Iterable[Verified]) -> dict[LtxName, CopiedFile]:
        return {
            file.name: CopiedFile(file.name, file.size, tuple(digest.hex() for digest in file.digests))
            for file in found
        }

    def facts_in_order(self, found: Iterable[Verified]) -> tuple[CopiedFile, ...]:
        facts = self.facts(found)
        return tuple(facts[name] for name in sorted(facts))

    def _one(self, name: LtxName, place: LtxName, size: int) -> tuple[Verified, bool]:
        source = self._source
        try:
            file = verify(source.store, source.database, name, size, keeps_body=size <= SMALL_BYTES)
        except NotFound as error:
            raise Vanished from error
        is_new = place not in self._there
        if not (is_new and self._create(file, place)):
            self._compare(file, place)
        if file.page_map is not None:
            with suppress(AlreadyExists):
                body = bind(file.page_map.encode(), place, self._database)
                self._target.create(place.page_map_key(self._database), body)
        return file, is_new

    def _create(self, file: Verified, place: LtxName) -> bool:
        """Create the object; return True if the answer proves that it has these bytes."""
        key = place.key(self._database)
        try:
            if file.body is not None:
                return file.has_tag(self._target.create(key, file.body))
            self._target.create_from(key, self._again(file))
        except (AlreadyExists, Unavailable):
            return False
        return self._target.size(key) == file.size

    def _again(self, file: Verified) -> Iterator[bytes]:
        """Yield the bytes of a large file. Raises `corrupt` before the end if they are other ones than before."""
        key = file.name.key(self._source.database)
        try:
            yield from verification.same_bytes(file, self._source.store.chunks(key), key)
        except NotFound as error:
            raise Vanished from error

    def _compare(self, file: Verified, place: LtxName) -> None:
        key = place.key(self._database)
        try:
            if file.is_same(self._target.chunks(key)) or file.is_same(self._target.chunks(key)):
                return
        except NotFound as error:
            raise Unavailable(key, "was not written") from error
        raise OtherBytes(
            "corrupt",
            f"{key}: the object in the copy has other bytes than the file of {self._source.database}",
            "the copy is damaged, or of another database of that name: copy to another place",
            key=key,
        )

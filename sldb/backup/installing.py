"""A database made of the files of another one, in a store in use: by a restore.

It appears at once, as the server's own copies do (lambda_handlers.actions.clone): first a mark at the key of
transaction 1 reserves the name, and the files that begin at transaction 1 come last. One at the key of the mark moves
to level 1. The same call continues one stopped anywhere.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from lambda_handlers.actions.clone_mark import is_mark_of, mark, read_mark
from lambda_handlers.host import Host
from lambda_handlers.storage import listing as listings
from lambda_handlers.storage.listing import Listing, list_files
from lambda_handlers.storage.log import doubts
from lambda_handlers.storage.log.keys import FOLD_LEVEL, LtxName, transaction
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import AlreadyExists, ObjectStore, StoreError, Unavailable
from lambda_handlers.wire import SldbError
from sldb.backup.copying import Copied, Copy, OtherBytes, Source, newest_file, repeat
from sldb.progress.protocol import SILENT, Progress


def install(
    source: Source, target: ObjectStore, database: str, progress: Progress = SILENT, host: Host | None = None
) -> Copied:
    """Make a database of these files in a store in use. Raises `exists` if the name has another database, and other
    SldbErrors."""
    return repeat(lambda: _install(source, target, database, progress, host or Host()), source.database)


def refuse_taken(source: Source, target: ObjectStore, database: str) -> None:
    """Raise `exists` if `install` would refuse the name, or another SldbError. Nothing is written."""
    repeat(lambda: _plan(source, target, database), source.database)


def is_dropped(store: ObjectStore, database: str) -> bool:
    """Return True for a database without pages in its newest state. Raises SldbError."""
    listing = list_files(store, database)
    try:
        return listing.newest > 1 and not listings.read_header(store, database, newest_file(listing)).commit
    except StoreError as error:
        raise store_error(error) from error


@dataclass(frozen=True, slots=True)
class _Plan:
    """The files of a database, and their places in the target."""

    listing: Listing
    newest: Header
    places: dict[LtxName, LtxName]
    there: dict[LtxName, int]  # what the target has of them

    @property
    def has_mark(self) -> bool:
        return _has_mark(self.places)


def _plan(source: Source, target: ObjectStore, database: str) -> _Plan:
    """Return the plan of a copy. Raises `exists` if the name has another database."""
    listing = source.files()
    newest = listings.read_header(source.store, source.database, newest_file(listing))
    places, there = _places(listing), list_files(target, database)
    if there.sizes and not _is_ours(target, there, places, newest, source.database):
        raise _exists(database)
    return _Plan(listing, newest, places, there.sizes)


def _install(source: Source, target: ObjectStore, database: str, progress: Progress, host: Host) -> Copied:
    plan = _plan(source, target, database)
    copy = Copy(source, target, database, plan.there, host, progress)
    if plan.has_mark:
        _put_mark(target, source.database, plan.newest, database)
    above = {name: place for name, place in plan.places.items() if place.min_txid > 1}
    bases = {name: place for name, place in plan.places.items() if place.min_txid == 1}
    try:
        done = [*copy.all(above, plan.listing), *copy.all(bases, plan.listing)]
    except OtherBytes as error:
        # Without a mark the first transaction itself takes the name, and this one is another database's.
        raise error if plan.has_mark else _exists(database) from error
    return Copied(plan.newest, copy.facts_in_order(done), copy.new_files, copy.new_bytes)


def _put_mark(target: ObjectStore, source: str, newest: Header, database: str) -> None:
    """Reserve the name. Raises `exists` if another writer has it."""
    doubts.put(target, database)
    with suppress(AlreadyExists, Unavailable):
        target.create(transaction(1).key(database), encode_ltx(mark(newest, source), ()))
    found = read_mark(target, database)
    if found is None or not is_mark_of(found, source):
        raise SldbError("exists", f"another writer has made {database} meanwhile", applied="no")


def _exists(database: str) -> SldbError:
    message = f"there is a database {database} already, and nothing of it is overwritten"
    return SldbError("exists", message, "choose another name", applied="no")


def _places(listing: Listing) -> dict[LtxName, LtxName]:
    """Return the name in the target for each file: another one for transaction 1, unless it is alone."""
    if set(listing.sizes) == {transaction(1)}:
        return {transaction(1): transaction(1)}
    moved = {transaction(1): replace(transaction(1), level=FOLD_LEVEL)}
    return {name: moved.get(name, name) for name in sorted(listing.sizes, reverse=True)}


def _has_mark(places: dict[LtxName, LtxName]) -> bool:
    """Return True if the copy begins with a mark: transaction 1 alone needs none, it appears at once."""
    return places != {transaction(1): transaction(1)}


def _is_ours(target: ObjectStore, there: Listing, places: dict[LtxName, LtxName], newest: Header, source: str) -> bool:
    """Return True if the name holds nothing but an earlier try of the same copy."""
    if not _has_mark(places):
        return (
            set(there.sizes) == {transaction(1)}
            and listings.read_header(target, there.database, transaction(1)) == newest
        )
    try:
        found = read_mark(target, there.database)
    except StoreError as error:
        raise store_error(error) from error
    if found is None or not is_mark_of(found, source) or there.newest > newest.max_txid:
        return False
    return there.looks_unfinished or set(there.sizes) - {transaction(1)} <= set(places.values())

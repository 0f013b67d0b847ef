"""The mark of a copy: a file at the key of transaction 1, to reserve a database's name until the copy is complete.

Its header has the range of the whole copy, and so disagrees with its key: no reader can apply it.
"""

from __future__ import annotations

import hashlib

from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.storage.listing import Listing
from lambda_handlers.storage.log import kinds
from lambda_handlers.storage.log.copy_mark import MARK_BYTES, is_mark
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Marks
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.store.protocol import NotFound, ObjectStore
from lambda_handlers.wire import SldbError


def mark(newest: Header, source: str) -> Header:
    """Return the header of the mark of a copy of `source` as of its transaction `newest`. It is the same for each try,
    even if files of the source were merged meanwhile."""
    tag = hashlib.sha256(source.encode()).digest()[:8]
    node_id = kinds.node_id(Kind.BRANCH, tag)
    return replace(newest, commit=0, min_txid=1, node_id=node_id, has_checksum=False, marks=Marks())


def read_mark(store: ObjectStore, database: str) -> Header | None:
    """Return the mark of a complete or unfinished copy; None if there is none. Raises `corrupt`, or StoreError."""
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
    """Return True if a database is an unfinished copy: its base does not exist yet. Raises StoreError."""
    return listing.looks_unfinished and read_mark(store, listing.database) is not None


def taken(database: str) -> SldbError:
    """Return the error for the name of an existing database."""
    return SldbError(
        "exists",
        f"there is a database {database} already",
        f"choose another name, or drop it first: sldb databases drop {database}",
        applied="no",
    )

"""Doubts: empty objects beside the databases. One LIST of all directories shows the names to look at.

    _doubt-<database>/<txid>    the name has objects, and perhaps no database
    _doubts/complete            every name without a doubt has a database

The directory of a database outlives its drop, and exists before a copy or a push is complete. So a drop, a copy and a
push to a new name each begin with a doubt: for the transaction of the drop, or for 0. A doubt about nothing (its writer
died, or the database came back) costs a look. The sweep puts the doubts of older databases, then `_doubts/complete`,
and removes doubts again.
"""

from __future__ import annotations

from collections.abc import Iterable

from lambda_handlers.storage.log.keys import doubt_directory, doubt_key, doubts_complete_key
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import AlreadyExists, NotFound, ObjectStore, StoreError, Unavailable

_COMPLETE = doubts_complete_key().partition("/")[0]


def put(store: ObjectStore, database: str, txid: Txid = 0) -> None:
    """Put a doubt about a database, up to this transaction. Raises StoreError."""
    _create(store, doubt_key(database, txid))


def put_before(store: ObjectStore, database: str, txid: Txid) -> None:
    """Put a doubt before the create of a transaction without a page. Raises SldbError: then nothing is created."""
    try:
        put(store, database, txid)
    except StoreError as error:
        raise store_error(error, applied="no") from error


def put_complete(store: ObjectStore) -> None:
    """Declare the doubts complete: every other name has a database. Raises StoreError."""
    _create(store, doubts_complete_key())


def _create(store: ObjectStore, key: str) -> None:
    try:
        store.create(key, b"")
    except (AlreadyExists, Unavailable) as doubt:  # S3 also answers 409 while another write is under way, and fails
        try:
            store.size(key)
        except NotFound:
            raise Unavailable(key, "was not written") from doubt


def doubtful(names: Iterable[str], directories: Iterable[str]) -> list[str]:
    """Return the names to look at. `directories`: all of the store, from one LIST."""
    there = set(directories)
    if _COMPLETE not in there:
        return list(names)
    return [name for name in names if doubt_directory(name) in there]

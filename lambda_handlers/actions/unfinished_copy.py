"""The drop of an unfinished copy: a database left by an interrupted branch or rename.

Its chain cannot be read, so no transaction after it can empty it. Instead, the drop consists of two files:

1. The transaction after the last one of the copy, without a page: the commit. If the copy is completed at the same
   time, and written to, its first write has this key; then it is a database like any other, and is dropped as such.
2. An empty snapshot at the same transaction: the chain begins with it from now on. Until it is there the name is
   unfinished as before, and the next drop, branch or rename makes it (`complete_drop`).

txids continue: a copy that is continued nevertheless puts its base below the drop. Retention removes its files.
"""

from __future__ import annotations

from lambda_handlers.actions.clone_mark import read_mark
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.storage.commit import Conflict, Encoding, create_transaction, sender
from lambda_handlers.storage.listing import Listing, list_files
from lambda_handlers.storage.log import doubts, kinds
from lambda_handlers.storage.log.keys import snapshot, transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.verification import verify
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import AlreadyExists, NotFound, StoreError, Unavailable
from lambda_handlers.wire import SldbError


def drop(context: ActionContext, listing: Listing) -> Header | None:
    """Drop an unfinished copy; return the header of its last transaction. None, without any effect, if it is not one
    (any more). Raises SldbError with `applied` in its details."""
    header = _tombstone(context, listing) or _commit(context, listing)
    if header is not None:
        _put_base(context, listing.database, header)
    return header


def complete_drop(context: ActionContext, listing: Listing) -> Listing:
    """Complete a drop stopped between its two steps, if there is one; return the files of the name afterwards."""
    header = _tombstone(context, listing)
    if header is None:
        return listing
    _put_base(context, listing.database, header)
    return list_files(context.store, listing.database)


def _tombstone(context: ActionContext, listing: Listing) -> Header | None:
    """Return the header of the drop committed by an earlier try."""
    newest = transaction(listing.newest)
    if not listing.looks_unfinished or newest not in listing.sizes:
        return None
    mark = read_mark(context.store, listing.database)
    if mark is None or mark.max_txid >= newest.max_txid:
        return None
    header = verify(context.store, listing.database, newest, listing.sizes[newest]).header
    return header if kinds.of_node_id(header.node_id) is Kind.DROP_DATABASE else None


def _commit(context: ActionContext, listing: Listing) -> Header | None:
    mark = read_mark(context.store, listing.database) if listing.looks_unfinished else None
    if mark is None:
        return None
    txid, timestamp_ms = mark.max_txid + 1, max(_now_ms(context), mark.timestamp_ms + 1)
    node_id = kinds.node_id(Kind.DROP_DATABASE, context.host.entropy(8))
    header = Header(mark.page_size, 0, txid, txid, timestamp_ms, node_id)
    encoding, key = Encoding(header, lambda: ()), transaction(txid).key(listing.database)
    doubts.put_before(context.store, listing.database, txid)
    try:
        create_transaction(context.store, key, encoding, sender(context.store, key, encoding, 0))
    except Conflict:
        return _tombstone(context, list_files(context.store, listing.database))
    return header


def _now_ms(context: ActionContext) -> int:
    return int(context.store.clock.corrected(context.host.now()) * 1000)


def _put_base(context: ActionContext, database: str, tombstone: Header) -> None:
    """Put the empty snapshot: the same bytes in each try."""
    name = snapshot(tombstone.max_txid)
    key = name.key(database)
    body = encode_ltx(Header(tombstone.page_size, 0, 1, name.max_txid, tombstone.timestamp_ms, tombstone.node_id), ())
    try:
        try:
            context.store.create(key, body)
        except (AlreadyExists, Unavailable) as doubt:
            try:
                verify(context.store, database, name, len(body))
            except NotFound:
                raise Unavailable(key, str(doubt)) from doubt
    except StoreError as error:
        raise _half(database, key, error) from error


def _half(database: str, key: str, error: StoreError) -> SldbError:
    failure = store_error(error, applied="unknown")
    return SldbError(
        failure.code,
        failure.message,
        f"the same command again completes it: sldb databases drop {database}",
        key=key,
        applied="unknown",
    )

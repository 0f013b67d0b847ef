"""The past of a database: which transaction was the newest at a moment."""

from __future__ import annotations

from lambda_handlers.object_store import ObjectStore
from lambda_handlers.storage import headers
from lambda_handlers.storage.keys import database_prefix, parse_ltx_key
from lambda_handlers.storage.ltx import Txid


def txid_at(store: ObjectStore, database: str, moment_ms: int) -> Txid:
    """The newest transaction that was made at `moment_ms` (unix milliseconds) or before; 0 if there was none.

    Timestamps ascend with txids (Replica.commit sees to it), so that a search by halves reads the headers of about
    log2(n) files.
    """
    infos = store.list_objects(database_prefix(database))
    sizes = {name: info.size for info in infos if (name := parse_ltx_key(database, info.key)) is not None}
    by_txid = sorted({name.max_txid: name for name in sizes}.values(), key=lambda name: name.max_txid)
    low, high = 0, len(by_txid)
    while low < high:
        middle = (low + high) // 2
        name = by_txid[middle]
        if headers.read(store, name.key(database), sizes[name]).timestamp_ms <= moment_ms:
            low = middle + 1
        else:
            high = middle
    return by_txid[low - 1].max_txid if low else 0

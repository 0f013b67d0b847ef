"""Announcements: transactions that change nothing, and reserve the next one for a long operation.

If no lock is taken, an operation of seconds (a push, a rename, a restore) loses to writers of milliseconds every time.
So it commits an announcement, as quickly as they commit: an LTX file without a page. A writer that finds one as the
newest transaction waits (turns) until the next transaction is there, or the announcement has ended.

The end of an announcement is in the file: a number of seconds (in its node id, kinds) after the time in its header. No
writer relies on another writer's clock alone: it waits no longer than those seconds after its first sight of the
announcement, and never longer than `MAX_SECONDS`. Announcements are advisory: a function without support for them goes
on, and the long operation loses that race as before.
"""

from __future__ import annotations

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log import kinds
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Txid
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.store.protocol import ObjectStore, StoreError
from lambda_handlers.wire import SldbError

MAX_SECONDS = 30
FILE_BYTES = len(encode_ltx(Header(512, 1, 1, 1, 0), ()))  # of any file without a page


@dataclass(frozen=True, slots=True)
class Announcement:
    txid: Txid
    node_id: int
    seconds: int  # for which it holds; 0: it withdraws the one before it
    ends_at: float  # unix seconds, by its writer's clock

    @classmethod
    def of(cls, header: Header) -> Announcement | None:
        """Return the announcement in a transaction's header; None for any other transaction."""
        if kinds.of_node_id(header.node_id) is not Kind.ANNOUNCEMENT:
            return None
        seconds = min(kinds.announced_seconds(header.node_id), MAX_SECONDS)
        return cls(header.max_txid, header.node_id, seconds, header.timestamp_ms / 1000 + seconds)


def read(store: ObjectStore, database: str, txid: Txid) -> Announcement | None:
    """Return the announcement that a transaction makes. Returns None for any other transaction, and for one that cannot
    be read: then no writer waits for it."""
    key = transaction(txid).key(database)
    try:
        body = store.get_range(key, 0, FILE_BYTES + 1)
        if len(body) > FILE_BYTES:
            return None
        decoder = Decoder([body], key)
        for _ in decoder.frames():
            return None
    except (StoreError, SldbError):
        return None
    return Announcement.of(decoder.header)

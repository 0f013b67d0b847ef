"""The mark: the file at the key of transaction 1 that reserves a database's name during the making of a copy."""

from __future__ import annotations

from lambda_handlers.storage.log import kinds, ltx
from lambda_handlers.storage.log.keys import LtxName, transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.wire import SldbError

# A file without pages; its page index is one zero byte. No transaction 1 is so short: it would have a page.
MARK_BYTES = ltx.HEADER_BYTES + len(ltx.END_OF_PAGES) + 1 + ltx.END_BYTES


def is_mark(header: Header, name: LtxName) -> bool:
    """Return True if a file is not a transaction, but reserves the name of a database for a copy in progress
    (actions.clone)."""
    is_reach_beyond = name == transaction(1) and header.min_txid == 1 < header.max_txid
    return is_reach_beyond and kinds.of_node_id(header.node_id) is Kind.BRANCH


def check_name(header: Header, name: LtxName, key: str) -> None:
    """Raise `not_found` for a mark, `corrupt` for the file of another key."""
    if is_mark(header, name):
        raise SldbError(
            "not_found",
            f"{key}: the database is a copy of another one up to transaction {header.max_txid}, and the requested "
            "object is missing, or not made yet",
            "if sldb branch (or rename) was stopped, the same command again completes it; "
            "sldb databases drop removes it and frees the name",
            key=key,
        )
    if (header.min_txid, header.max_txid) != (name.min_txid, name.max_txid):
        ltx.corrupt(key, "txids in the file", f"{header.min_txid} to {header.max_txid}", "those of its key")

"""branch: another database that begins as this one was at a transaction. Every file is read once, to verify it; but for
small ones the store makes the copies by itself (copying).

Arguments   as: the name of the branch; at: a txid or an RFC 3339 time, default now
Reply       {"database", "as", "at": the txid that was copied, "time": when that was made, "txid": the newest one of the
            branch, "files", "bytes", "created"}

A name that exists is refused. One that was dropped goes on counting: there the branch is one transaction that holds
every page. The same branch again, while nobody has written to it, completes or finds what the first one did
(`created` is false then).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambda_handlers.actions import arguments, unfinished_copy
from lambda_handlers.actions.clone import Proofs, copy_database, is_mark_of, is_unfinished, read_mark, taken
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.replace_content import Brought, bring, past_of
from lambda_handlers.actions.restore import check_readable
from lambda_handlers.database import dropped
from lambda_handlers.shared.times import utc
from lambda_handlers.storage.listing import Listing, list_files, read_header
from lambda_handlers.storage.log import kinds
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Txid
from lambda_handlers.storage.log.mark import is_mark
from lambda_handlers.storage.replica import Replica
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import ObjectStore, StoreError
from lambda_handlers.wire import Action, bad_request


@dataclass(frozen=True, slots=True)
class Made:
    """A branch that is complete."""

    source: str
    target: str
    at: Txid  # of the source, that was copied
    time_ms: int  # when that was made, unix milliseconds
    txid: Txid  # the newest one of the branch
    files: int
    bytes: int
    is_new: bool  # false: an earlier try had made all of it
    is_on_top: bool  # of a name that was dropped: its newest transaction brings every page

    def reply(self) -> dict[str, Any]:
        ends = {"at": self.at, "time": utc(self.time_ms), "txid": self.txid}
        size = {"files": self.files, "bytes": self.bytes}
        return {"database": self.source, "as": self.target, **ends, **size, "created": self.is_new}


def branch(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "as", "at")
    target = arguments.database_name(given, "as")
    if target == action.database:
        bad_request("arguments.as", target, "another name than that of the database")
    try:
        return _branch(context, action.database, target, arguments.moment(given, "at"))
    except StoreError as error:
        raise store_error(error) from error


def _branch(context: ActionContext, source: str, target: str, at: int | str | None) -> dict[str, Any]:
    there = unfinished_copy.settle(context, list_files(context.store, target))
    return make_branch(context, source, there, _moment(context, source, there, at)).reply()


def make_branch(context: ActionContext, source: str, there: Listing, txid: Txid, proofs: Proofs | None = None) -> Made:
    """Complete the branch. `there` is what lies below its name, `proofs` of files of the source that were verified
    before. Raises StoreError or SldbError."""
    target = there.database
    time_ms = check_has_content(context, source, txid).timestamp_ms
    if not _goes_on(context.store, there):
        copied = copy_database(context, source, target, txid, proofs)
        return Made(source, target, txid, time_ms, txid, copied.files, copied.bytes, copied.is_new, is_on_top=False)
    brought = _bring_over(context, source, target, txid)
    # What was just committed is not asked for again: the answer might not come, and it is done all the same.
    size = brought.bytes if brought.changed else context.store.size(transaction(brought.txid).key(target))
    return Made(source, target, txid, time_ms, brought.txid, 1, size, brought.changed, is_on_top=True)


def _moment(context: ActionContext, source: str, there: Listing, at: int | str | None) -> Txid:
    """Which transaction to copy: the one that an earlier try began with, where nothing else is said. Raises `conflict`
    where the name is that of a copy of something else."""
    begun = read_mark(context.store, there.database)
    if begun is not None and (there.newest == begun.max_txid or is_unfinished(context.store, there)):
        if not is_mark_of(begun, source):
            raise taken(there.database)
        if at is None:
            return begun.max_txid
    return list_files(context.store, source).newest if at is None else context.database(source).txid_at(at)


def check_has_content(context: ActionContext, database: str, txid: Txid) -> Header:
    """Return the header of the file that ends with `txid`; raise `not_found` where there is nothing to copy."""
    listing = check_readable(context, database, txid)
    newest = listing.chain_to(txid)[-1]
    header = read_header(context.store, database, newest, listing.sizes[newest])
    if not header.commit:
        raise dropped(database, txid, header.timestamp_ms, context.settings.retention_days)
    return header


def _goes_on(store: ObjectStore, listing: Listing) -> bool:
    """Whether the branch is a transaction on top: of a name that was dropped, or for the second time. Raises
    StoreError."""
    header = newest_header(store, listing)
    if header is None or header.max_txid != listing.newest or is_mark(header, transaction(1)):
        return False
    return not header.commit or kinds.of_node_id(header.node_id) is Kind.BRANCH


def newest_header(store: ObjectStore, listing: Listing) -> Header | None:
    """Of a file that ends with the newest transaction; None where there is no file."""
    name = listing.newest_file
    return read_header(store, listing.database, name, listing.sizes[name]) if name else None


def _bring_over(context: ActionContext, source: str, target: str, txid: Txid) -> Brought:
    def attempt(current: Replica) -> Brought:
        def allow() -> None:
            if current.page_count:  # somebody began it anew meanwhile
                raise taken(target)

        with past_of(context.database(source), txid, context.deadline) as past:
            return bring(context, current, past, Kind.BRANCH, allow)

    return context.database(target).change(f"branch of {source}", context.deadline, attempt)

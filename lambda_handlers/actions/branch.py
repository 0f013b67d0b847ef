"""branch: another database that begins with the state of this one at a transaction. Every file is read once, to verify
it; the store itself makes the copies, except for small files (clone).

Arguments   as: the name of the branch; at: a txid or an RFC 3339 time, default now
Reply       {"database", "as", "at": the copied txid, "time": of that transaction, "txid": the newest one of the branch,
            "files", "bytes", "created"}

An existing name is refused. The txids of a dropped name continue: there the branch is one transaction with every page.
The same branch requested again, before anything is written to it, completes or finds the first one (`created` is false
then).
"""

from __future__ import annotations

from typing import Any

from lambda_handlers.actions import arguments, unfinished_copy
from lambda_handlers.actions.clone import copy_database
from lambda_handlers.actions.clone_mark import is_mark_of, is_unfinished, read_mark, taken
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.readable_state import check_readable
from lambda_handlers.actions.replace_content import Replaced, Replacing, past_of, replace_content
from lambda_handlers.actions.verified_files import VerifiedFiles
from lambda_handlers.database.errors import dropped
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.shared.times import utc
from lambda_handlers.storage.listing import Listing, list_chain, list_files, read_header
from lambda_handlers.storage.log import kinds
from lambda_handlers.storage.log.copy_mark import is_mark
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Txid
from lambda_handlers.storage.replica import Replica
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import ObjectStore, StoreError
from lambda_handlers.wire import Action, bad_request


@dataclass(frozen=True, slots=True)
class Branch:
    """A complete branch."""

    source: str
    target: str
    at: Txid  # the copied transaction of the source
    time_ms: int  # of that transaction, unix milliseconds
    txid: Txid  # the newest transaction of the branch
    files: int
    bytes: int
    is_new: bool  # false: an earlier try made all of it
    is_on_top: bool  # of a dropped database: the branch's newest transaction holds every page

    def reply(self) -> dict[str, Any]:
        ends = {"at": self.at, "time": utc(self.time_ms), "txid": self.txid}
        size = {"files": self.files, "bytes": self.bytes}
        return {"database": self.source, "as": self.target, **ends, **size, "created": self.is_new}


def branch(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "as", "at")
    target = arguments.database_name(given, "as")
    if target == action.database:
        bad_request("arguments.as", target, "a name other than that of the database")
    try:
        return _branch(context, action.database, target, arguments.moment(given, "at"))
    except StoreError as error:
        raise store_error(error) from error


def _branch(context: ActionContext, source: str, target: str, at: int | str | None) -> dict[str, Any]:
    there = unfinished_copy.complete_drop(context, list_files(context.store, target))
    return make_branch(context, source, there, _txid_to_copy(context, source, there, at)).reply()


def make_branch(
    context: ActionContext, source: str, there: Listing, txid: Txid, verified: VerifiedFiles | None = None
) -> Branch:
    """Complete the branch. `there`: the files below its name; `verified`: files of the source. Raises StoreError or
    SldbError."""
    target = there.database
    time_ms = check_has_content(context, source, txid).timestamp_ms
    if not _goes_on(context.store, there):
        copied = copy_database(context, source, target, txid, verified)
        return Branch(source, target, txid, time_ms, txid, copied.files, copied.bytes, copied.is_new, is_on_top=False)
    replaced = _replace(context, source, target, txid)
    # No request follows a commit: its answer might not arrive, although the branch is complete.
    size = replaced.bytes if replaced.changed else context.store.size(transaction(replaced.txid).key(target))
    return Branch(source, target, txid, time_ms, replaced.txid, 1, size, replaced.changed, is_on_top=True)


def _txid_to_copy(context: ActionContext, source: str, there: Listing, at: int | str | None) -> Txid:
    """Return the transaction to copy; without `at` the one of an earlier try, or the newest. Raises `exists` if the
    name belongs to a copy of another database."""
    begun = read_mark(context.store, there.database)
    if begun is not None and (there.newest == begun.max_txid or is_unfinished(context.store, there)):
        if not is_mark_of(begun, source):
            raise taken(there.database)
        if at is None:
            return begun.max_txid
    return list_chain(context.store, source).newest if at is None else context.database(source).txid_at(at)


def check_has_content(context: ActionContext, database: str, txid: Txid) -> Header:
    """Return the header of the file up to `txid`. Raises `not_found` if there is nothing to copy."""
    listing = check_readable(context, database, txid)
    newest = listing.chain_to(txid)[-1]
    header = read_header(context.store, database, newest, listing.sizes[newest])
    if not header.commit:
        raise dropped(database, txid, header.timestamp_ms, context.retention_days)
    return header


def _goes_on(store: ObjectStore, listing: Listing) -> bool:
    """Return True if the branch is one transaction after those of a dropped database, to be made or made already.
    Raises StoreError."""
    header = newest_header(store, listing)
    if header is None or header.max_txid != listing.newest or is_mark(header, transaction(1)):
        return False
    return not header.commit or kinds.of_node_id(header.node_id) is Kind.BRANCH


def newest_header(store: ObjectStore, listing: Listing) -> Header | None:
    """Return the header of a file up to the newest transaction; None if there is no file."""
    name = listing.newest_file
    return read_header(store, listing.database, name, listing.sizes[name]) if name else None


def _replace(context: ActionContext, source: str, target: str, txid: Txid) -> Replaced:
    def attempt(current: Replica) -> Replaced:
        def check_empty() -> None:
            if current.page_count:  # another writer has created it again meanwhile
                raise taken(target)

        with past_of(context.database(source), txid, context.deadline) as past:
            return replace_content(context, current, past, Replacing(Kind.BRANCH), check_empty)

    return context.database(target).change("branch", context.deadline, attempt)

"""rename_database: a branch with the new name, then the drop of the old one.

Arguments   to: the new name
Reply       {"database", "to", "at": the copied txid, "txid": the newest one of `to`, "dropped_by", "files", "bytes"}

If the action stops between the two steps, both names exist, and the same action again continues.
"""

from __future__ import annotations

from typing import Any

from lambda_handlers.actions import arguments, unfinished_copy
from lambda_handlers.actions.branch import Branch, make_branch, newest_header
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.drop_database import empty
from lambda_handlers.actions.replace_content import past_of
from lambda_handlers.actions.verified_files import VerifiedFiles
from lambda_handlers.database.errors import dropped, no_database
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.commit import Committed
from lambda_handlers.storage.listing import Listing, list_chain, list_files
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.keys import database_prefix, transaction
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.replica import Conflict, Replica
from lambda_handlers.storage.verification import verify
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import NotFound, StoreError
from lambda_handlers.wire import Action, SldbError, bad_request


def rename_database(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "to")
    name, target = action.database, arguments.database_name(given, "to")
    if target == name:
        bad_request("arguments.to", target, "a name other than that of the database")
    # Before the lock is taken, because all of the database is read.
    verified, seen = _verify(context, name)
    rename = _Rename(context, name, target, verified, seen)
    try:
        return context.database(name).change("rename", context.deadline, rename.attempt)
    except StoreError as error:
        raise store_error(error) from error


@dataclass(slots=True)
class _Rename:
    context: ActionContext
    name: str
    target: str
    verified: VerifiedFiles
    seen: Txid | None  # the newest transaction before the lock was taken; None if that has no content
    copied: Txid | None = None  # by an earlier attempt

    def attempt(self, current: Replica) -> dict[str, Any]:
        """Rename the database with the newest state `current`. Raises Conflict, Gone, StoreError or SldbError."""
        if not current.txid:
            raise no_database(self.name)
        if self.copied is not None and self.copied != current.txid:
            raise _overtaken(self.name, self.target, self.copied, current.txid)
        there = unfinished_copy.complete_drop(self.context, list_files(self.context.store, self.target))
        dropped_by = current.txid
        if current.page_count:
            made = self._copy(current, there)
            dropped_by = _empty_copied(current, self.target).txid
        elif _has_content(self.context, there):  # sent again: the copy is complete, or the name is taken
            made = make_branch(self.context, self.name, there, current.txid - 1)
        else:
            raise dropped(self.name, current.txid, current.timestamp_ms, self.context.retention_days)
        reply = {"database": self.name, "to": self.target, "at": made.at, "txid": made.txid, "dropped_by": dropped_by}
        return {**reply, "files": made.files, "bytes": made.bytes}

    def _copy(self, current: Replica, there: Listing) -> Branch:
        context, database = self.context, self.context.database(self.name)
        is_crowded = database.writes.has_other_writers(self.seen)
        if not _has_content(context, there):  # else an earlier try has made the copy, with the note
            database.note_rename(self.target, context.deadline)
        if is_crowded:
            database.writes.announce(context.deadline)
        self.copied = current.txid
        made = make_branch(context, self.name, there, current.txid, self.verified)
        _check_copy(context, made, current)
        return made


def _verify(context: ActionContext, name: str) -> tuple[VerifiedFiles, Txid | None]:
    """Verify the files of a database; return them and its newest transaction, None if it has no content. Raises
    `corrupt`, with the key of a damaged file."""
    verified = VerifiedFiles(context, name)
    listing = list_chain(context.store, name)
    if not listing.sizes:  # before a lock is taken, which may leave an object or a file
        raise no_database(name)
    try:
        if not _has_content(context, listing):
            return verified, None
        verified.verify(listing, listing.chain_to(listing.newest))
    except NotFound:  # merged and removed meanwhile: the remaining files are verified when they are copied
        return verified, None
    except StoreError as error:
        raise store_error(error) from error
    return verified, listing.newest


def _check_copy(context: ActionContext, made: Branch, current: Replica) -> None:
    """Raise SldbError unless the copy is complete and intact: only then may its source be dropped."""
    try:
        if made.is_on_top:  # nothing has read it yet
            verify(context.store, made.target, transaction(made.txid))
        with past_of(context.database(made.target), made.txid, context.deadline) as copy:
            got, want = (copy.page_count, copy.page_size), (current.page_count, current.page_size)
            if got != want:
                ltx.corrupt(database_prefix(made.target), "pages and their size", got, want)
    except StoreError as error:
        raise _undropped(current.database, made, store_error(error)) from error
    except SldbError as error:
        raise _undropped(current.database, made, error) from error


def _undropped(name: str, made: Branch, error: SldbError) -> SldbError:
    return SldbError(
        error.code,
        f"{made.target} was copied from {name} (transaction {made.txid}), but the copy could not be verified, so "
        f"{name} was not dropped: {error.message}",
        f"the same command again repeats the verification; or drop the copy: sldb databases drop {made.target}",
        key=error.details.get("key"),
        applied="yes",
    )


def _has_content(context: ActionContext, listing: Listing) -> bool:
    header = newest_header(context.store, listing)
    return header is not None and header.commit > 0


def _overtaken(name: str, target: str, copied: Txid, newest: Txid) -> SldbError:
    return SldbError(
        "conflict",
        f"{name} was written to while it was being renamed: {target} is its state at transaction {copied}, "
        f"{name} still exists, at transaction {newest}",
        f"drop {target} and rename again: sldb databases drop {target}",
        txid=newest,
        applied="yes",
    )


def _empty_copied(current: Replica, target: str) -> Committed:
    """Drop a database after its copy to `target`. Raises `conflict` if it was written to since. If the drop fails, the
    copy stays, and the error leaves open how much is applied."""
    copied = current.txid
    try:
        return empty(current)
    except SldbError as error:
        raise SldbError(
            error.code,
            f"{target} was created, but {current.database} was perhaps not dropped: {error.message}",
            "the same command again continues from there",
            **{**error.details, "applied": "unknown"},
        ) from error
    except Conflict:
        current.refresh()
        if current.txid != copied:
            raise _overtaken(current.database, target, copied, current.txid) from None
        raise

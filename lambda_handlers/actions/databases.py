"""databases: which there are; and to create, set, rename or drop one.

databases           Arguments: all, also those that were dropped. Reply: {"databases": [{"name", "state": ok, dropped or
                    unfinished (a copy that was stopped), "txid", "time": of the newest transaction, "bytes": of the
                    database, "stored_bytes": of all its objects, "page_size", "foreign_keys"?: whether they are
                    enforced where a request does not say (of one that is ok; null if it cannot be read now),
                    "until"?: till when it can be brought back}, …]}. Of one whose newest file cannot be read:
                    {"name", "state": damaged, "txid", "stored_bytes", "problem"}
create_database     Makes `database`, empty. Arguments: foreign_keys (true). Reply: {"database", "txid", "created"}
set_database        Changes the setting of `database`. Arguments: foreign_keys. Reply: {"database", "txid",
                    "foreign_keys", "changed"}
drop_database       Empties `database` by a transaction, so that its txids go on should it come again, and restore
                    brings it back. Arguments: if_txid. Reply: {"database", "txid", "restore_at", "until", "dropped"};
                    of an unfinished copy there is nothing to bring back: `restore_at` is null
rename_database     Arguments: to. A branch of that name, then the drop; two steps, of which the first may be left
                    alone: then both names are there, and the same again goes on. Reply: {"database", "to", "at": the
                    txid that was copied, "txid": the newest one of `to`, "dropped_by", "files", "bytes"}

Each finds done what it did before: `created`, `changed` or `dropped` is false then.
"""

from __future__ import annotations

from typing import Any

import apsw

from lambda_handlers.actions import arguments, unfinished_copy
from lambda_handlers.actions.branch import Made, make_branch, newest_header
from lambda_handlers.actions.clone import Proofs, is_unfinished, taken
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.replace_content import past_of, stamped
from lambda_handlers.actions.restore import check_newest, check_txid
from lambda_handlers.database import dropped, no_database
from lambda_handlers.shared.times import utc
from lambda_handlers.sql.session import DEFAULT_PAGE_SIZE
from lambda_handlers.storage import foreign_keys
from lambda_handlers.storage.commit import Committed, PageChanges
from lambda_handlers.storage.listing import Listing, header_and_first_page, list_files, read_agreed_header, side_by_side
from lambda_handlers.storage.log import kinds, ltx
from lambda_handlers.storage.log.keys import database_prefix, transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Pgno, Txid
from lambda_handlers.storage.replica import Conflict, Gone, Replica
from lambda_handlers.storage.verification import verify
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import NotFound, StoreError
from lambda_handlers.wire import DATABASE_NAME, DEFAULT_DATABASE, Action, SldbError, bad_request

_MS_A_DAY = 86_400_000


def databases(context: ActionContext, action: Action) -> dict[str, Any]:
    shows_all = arguments.flag(arguments.known(action, "all"), "all")
    try:
        names = [name for name in context.store.list_directories("") if DATABASE_NAME.fullmatch(name)]
        told = side_by_side(context.host, lambda name: _told(context, name), names)
        found = [one for one in told if one is not None and (shows_all or one["state"] != "dropped")]
    except StoreError as error:
        raise store_error(error) from error
    # Where the newest file is large, or of another writer, it takes more than that file.
    return {
        "databases": [_with_setting(context, one) if one.get("foreign_keys", True) is None else one for one in found]
    }


def _with_setting(context: ActionContext, told: dict[str, Any]) -> dict[str, Any]:
    try:
        with past_of(context.database(told["name"]), told["txid"], context.deadline) as past:
            return {**told, "foreign_keys": foreign_keys.are_enforced(past.read(Pgno(1)))}
    except Gone:
        return told
    except SldbError as error:
        if error.code != "corrupt":  # not now: none of the others is to wait for it
            return told
        return _damaged(told["name"], told["txid"], told["stored_bytes"], error)


def _damaged(name: str, txid: Txid, stored_bytes: int, error: SldbError) -> dict[str, Any]:
    return {"name": name, "state": "damaged", "txid": txid, "stored_bytes": stored_bytes, "problem": error.message}


def _told(context: ActionContext, name: str) -> dict[str, Any] | None:
    """None for a name below which is no transaction: only a lock, perhaps."""
    listing = list_files(context.store, name)
    newest = listing.newest_file
    if newest is None:
        return None
    try:
        header, first_page = header_and_first_page(context.store, listing, newest)
        return _whole(context, listing, header, first_page)
    except SldbError as error:
        if error.code != "corrupt":
            raise
        return _damaged(name, listing.newest, listing.stored_bytes, error)


def _whole(context: ActionContext, listing: Listing, header: Header, first_page: bytes | None) -> dict[str, Any]:
    line: dict[str, Any] = {
        "name": listing.database,
        "state": "ok" if header.commit else "dropped",
        "txid": listing.newest,
        "time": utc(header.timestamp_ms),
        "bytes": header.commit * header.page_size,
        "stored_bytes": listing.stored_bytes,
        "page_size": header.page_size,
    }
    if is_unfinished(context.store, listing):
        return {**line, "state": "unfinished"}
    if not header.commit:
        return {**line, "until": _until(context, header.timestamp_ms)}
    return {**line, "foreign_keys": foreign_keys.are_enforced(first_page) if first_page else None}


def _until(context: ActionContext, timestamp_ms: int) -> str:
    return utc(timestamp_ms + round(context.settings.retention_days * _MS_A_DAY))


def create_database(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "foreign_keys")
    name, enforced = action.database, arguments.flag(given, "foreign_keys", default=True)

    def attempt(current: Replica) -> tuple[Txid, bool]:
        if current.page_count and _kind_of_newest(context, current) is Kind.CREATE_DATABASE:
            return current.txid, False
        if current.page_count:
            raise taken(name)
        context.database(name).check_may_create(action.create)
        page = foreign_keys.with_enforcement(_first_page(), enforced)
        return _commit_first_page(current, page, Kind.CREATE_DATABASE), True

    database = context.database(name)
    txid, created = database.change("create database", context.deadline, attempt, may_create=action.create)
    return {"database": name, "txid": txid, "created": created}


def set_database(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "foreign_keys")
    arguments.required(given, ["foreign_keys"])
    name, enforced = action.database, arguments.flag(given, "foreign_keys")

    def attempt(current: Replica) -> tuple[Txid, bool]:
        if not current.page_count:
            _check_may_begin(context, current)
            context.database(name).check_may_create(action.create)
            page = foreign_keys.with_enforcement(_first_page(), enforced)
            return _commit_first_page(current, page, Kind.SET_DATABASE), True
        first_page = current.read(Pgno(1))
        if foreign_keys.are_enforced(first_page) == enforced:
            return current.txid, False
        page = stamped(foreign_keys.with_enforcement(first_page, enforced), first_page)
        return _commit_first_page(current, page, Kind.SET_DATABASE), True

    database = context.database(name)
    txid, changed = database.change("set database", context.deadline, attempt, may_create=action.create)
    return {"database": name, "txid": txid, "foreign_keys": enforced, "changed": changed}


def _check_may_begin(context: ActionContext, current: Replica) -> None:
    """Only the default database may be set before its first write."""
    if current.txid:
        raise dropped(current.database, current.txid, current.timestamp_ms, context.settings.retention_days)
    if current.database != DEFAULT_DATABASE:
        raise no_database(current.database)


def _commit_first_page(current: Replica, page: bytes, kind: Kind) -> Txid:
    change = (Pgno(1), page)
    return current.commit(PageChanges(len(page), current.page_count or 1, lambda: (change,), 1), kind)


def drop_database(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "if_txid")
    if_txid = arguments.txid(given, "if_txid")
    listing = list_files(context.store, action.database)
    if not listing.sizes:
        raise no_database(action.database)
    try:
        given_up = _drop_unfinished(context, listing, if_txid)
    except StoreError as error:
        raise store_error(error) from error
    if given_up is not None:
        until = _until(context, given_up.timestamp_ms)
        done = {"txid": given_up.max_txid, "restore_at": None, "until": until, "dropped": True}
        return {"database": action.database, **done}

    def attempt(current: Replica) -> dict[str, Any]:
        if not current.txid:
            raise no_database(action.database)
        txid, timestamp_ms, has_content = current.txid, current.timestamp_ms, current.page_count > 0
        if has_content:
            check_newest(current, if_txid)
            done = _empty(current)
            txid, timestamp_ms = done.txid, done.timestamp_ms
        can_return = has_content or bool(listing.chain_to(txid - 1))
        return {
            "database": action.database,
            "txid": txid,
            "restore_at": txid - 1 if can_return else None,
            "until": _until(context, timestamp_ms),
            "dropped": has_content,
        }

    return context.database(action.database).change("drop database", context.deadline, attempt)


def _drop_unfinished(context: ActionContext, listing: Listing, if_txid: Txid | None) -> Header | None:
    """Of the transaction that drops a copy which was stopped; None where it is none. Raises StoreError or SldbError."""
    if not is_unfinished(context.store, listing):
        return None
    check_txid(listing.database, listing.newest, if_txid)
    return unfinished_copy.drop(context, listing)


def rename_database(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "to")
    name, target = action.database, arguments.database_name(given, "to")
    if target == name:
        bad_request("arguments.to", target, "another name than that of the database")

    copied: list[Txid] = []
    # Before the lock is taken: that takes as long as it takes to read all of it.
    proofs, stood_at = _proved(context, name)

    def attempt(current: Replica) -> dict[str, Any]:
        if not current.txid:
            raise no_database(name)
        if copied and copied[0] != current.txid:
            raise _overtaken(name, target, copied[0], current.txid)
        there = unfinished_copy.settle(context, list_files(context.store, target))
        dropped_by = current.txid
        if current.page_count:
            is_crowded = context.database(name).has_other_writers(stood_at)
            if not _has_content(context, there):  # else an earlier try has made the copy, with the note
                context.database(name).note_rename(target, context.deadline)
            if is_crowded:
                context.database(name).announce(context.deadline)
            copied.append(current.txid)
            made = make_branch(context, name, there, current.txid, proofs)
            _check_copy(context, made, current)
            dropped_by = _empty_copied(current, target).txid
        elif _has_content(context, there):  # the second time: all of it is there, or the name is somebody else's
            made = make_branch(context, name, there, current.txid - 1)
        else:
            raise dropped(name, current.txid, current.timestamp_ms, context.settings.retention_days)
        reply = {"database": name, "to": target, "at": made.at, "txid": made.txid, "dropped_by": dropped_by}
        return {**reply, "files": made.files, "bytes": made.bytes}

    try:
        return context.database(name).change(f"rename to {target}", context.deadline, attempt)
    except StoreError as error:
        raise store_error(error) from error


def _proved(context: ActionContext, name: str) -> tuple[Proofs, Txid | None]:
    """The files of a database that has content, and its newest transaction; None where it has none. Raises `corrupt`,
    with the key of a file that is damaged."""
    proofs = Proofs(context, name)
    listing = list_files(context.store, name)
    if not listing.sizes:  # before a lock is taken, which leaves its traces
        raise no_database(name)
    try:
        if not _has_content(context, listing):
            return proofs, None
        proofs.of(listing, listing.chain_to(listing.newest))
    except NotFound:  # merged and removed meanwhile: what is left to prove is proved when it is copied
        return proofs, None
    except StoreError as error:
        raise store_error(error) from error
    return proofs, listing.newest


def _check_copy(context: ActionContext, made: Made, current: Replica) -> None:
    """Raises SldbError where the copy is no reason to drop what it was made of."""
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


def _undropped(name: str, made: Made, error: SldbError) -> SldbError:
    return SldbError(
        error.code,
        f"{made.target} was made of {name} (transaction {made.txid}) but was not proved to be whole, so that "
        f"{name} was not dropped: {error.message}",
        f"the same command again looks again; or drop the copy: sldb databases drop {made.target}",
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
        f"{name} is still there, at {newest}",
        f"drop {target} and rename again: sldb databases drop {target}",
        txid=newest,
        applied="yes",
    )


def _empty(current: Replica) -> Committed:
    current.commit(PageChanges(current.page_size, 0, tuple), Kind.DROP_DATABASE, content_ms=0)
    assert current.committed is not None
    return current.committed


def _empty_copied(current: Replica, target: str) -> Committed:
    """Drop what was just copied to `target`. Raises `conflict` where it was written to since. Where the drop fails the
    copy stays, and the error does not say that nothing is applied."""
    copied = current.txid
    try:
        return _empty(current)
    except SldbError as error:
        raise SldbError(
            error.code,
            f"{target} was made, and {current.database} perhaps not dropped: {error.message}",
            "the same command again goes on from there",
            **{**error.details, "applied": "unknown"},
        ) from error
    except Conflict:
        current.refresh()
        if current.txid != copied:
            raise _overtaken(current.database, target, copied, current.txid) from None
        raise


def _kind_of_newest(context: ActionContext, current: Replica) -> Kind:
    try:
        header = read_agreed_header(context.store, current.database, transaction(current.txid))
    except NotFound:  # only a file of several transactions is left
        return Kind.UNKNOWN
    except StoreError as error:  # it may be what an earlier try has created
        raise store_error(error, applied="unknown") from error
    return kinds.of_node_id(header.node_id)


def _first_page() -> bytes:
    """A database without tables, as SQLite writes it."""
    connection = apsw.Connection(":memory:")
    try:
        connection.execute(f"PRAGMA page_size = {DEFAULT_PAGE_SIZE}; CREATE TABLE t (a); DROP TABLE t; VACUUM")
        return connection.serialize("main")
    finally:
        connection.close()

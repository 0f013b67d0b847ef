"""create_database and set_database: one transaction to make a database, or to change its setting.

create_database     Makes `database`, empty. Arguments: foreign_keys (true). Reply: {"database", "txid", "created"}
set_database        Changes the setting of `database`. Arguments: foreign_keys. Reply: {"database", "txid",
                    "foreign_keys", "changed"}

Both may be repeated: `created` or `changed` is false then.
"""

from __future__ import annotations

from typing import Any

import apsw

from lambda_handlers.actions import arguments
from lambda_handlers.actions.clone_mark import taken
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.noted_state import noted
from lambda_handlers.actions.replace_content import stamped
from lambda_handlers.database.errors import dropped, no_database
from lambda_handlers.sql.chance import GENERATOR
from lambda_handlers.sql.connection import DEFAULT_PAGE_SIZE
from lambda_handlers.storage import foreign_keys
from lambda_handlers.storage.commit import PageChanges
from lambda_handlers.storage.listing import read_agreed_header
from lambda_handlers.storage.log import kinds
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Pgno, Txid
from lambda_handlers.storage.replica import Replica
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import NotFound, StoreError
from lambda_handlers.wire import DEFAULT_DATABASE, Action


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
        return _commit_first_page(context, current, page, Kind.CREATE_DATABASE), True

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
            return _commit_first_page(context, current, page, Kind.SET_DATABASE), True
        first_page = current.read(Pgno(1))
        if foreign_keys.are_enforced(first_page) == enforced:
            return current.txid, False
        page = stamped(foreign_keys.with_enforcement(first_page, enforced), first_page)
        return _commit_first_page(context, current, page, Kind.SET_DATABASE), True

    database = context.database(name)
    txid, changed = database.change("set database", context.deadline, attempt, may_create=action.create)
    return {"database": name, "txid": txid, "foreign_keys": enforced, "changed": changed}


def _check_may_begin(context: ActionContext, current: Replica) -> None:
    """Raise `not_found` unless it is the default database: that may be set before its first write."""
    if current.txid:
        raise dropped(current.database, current.txid, current.timestamp_ms, context.retention_days)
    if current.database != DEFAULT_DATABASE:
        raise no_database(current.database)


def _commit_first_page(context: ActionContext, current: Replica, page: bytes, kind: Kind) -> Txid:
    page, marks = noted(context, page, current.txid + 1)
    change = (Pgno(1), page)
    changes = PageChanges(len(page), current.page_count or 1, lambda: (change,), 1)
    return current.commit(changes, kind, marks=marks)


def _kind_of_newest(context: ActionContext, current: Replica) -> Kind:
    try:
        header = read_agreed_header(context.store, current.database, transaction(current.txid))
    except NotFound:  # only a file of several transactions is left
        return Kind.UNKNOWN
    except StoreError as error:  # an earlier try may have created it
        raise store_error(error, applied="unknown") from error
    return kinds.of_node_id(header.node_id)


def _first_page() -> bytes:
    """Return a database without tables, as SQLite writes it."""
    with GENERATOR.unpinned():
        connection = apsw.Connection(":memory:")
        try:
            connection.execute(f"PRAGMA page_size = {DEFAULT_PAGE_SIZE}; CREATE TABLE t (a); DROP TABLE t; VACUUM")
            return connection.serialize("main")
        finally:
            connection.close()

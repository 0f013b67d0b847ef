"""undo and redo: transactions that go some steps back or forward in the writes of a database (storage.log.steps).

Arguments   steps (default 1); preview: true shows the steps and writes nothing; if_txid: the newest transaction, as a
            preview has shown it, required otherwise; message, command: its note in the history
Reply       to a preview: {"database", "txid": the newest one, "restores": the txid whose state would come back,
            "steps": the writes to take back or to bring back, in this order, as lines of the history, "since": for an
            undo the writes of others perhaps, after an undo or redo of the last hour}
            else that of `restore`, with "steps": the txids of the writes

What is taken back is decided on the state at `if_txid`. So a write that was not shown is never taken back, and
an undo sent twice is done once: the second one finds the first after `if_txid`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from lambda_handlers.actions import arguments
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.past.history import entry_of
from lambda_handlers.actions.past.restore import reply_of
from lambda_handlers.actions.readable_state import check_readable
from lambda_handlers.actions.replace_content import Replaced, Replacing, past_of, replace_content
from lambda_handlers.database.errors import check_txid, no_database
from lambda_handlers.database.newest_state import check_newest
from lambda_handlers.storage.listing import (
    Listing,
    list_files,
    list_recent,
    read_agreed_header,
    read_header,
    side_by_side,
)
from lambda_handlers.storage.log import kinds, steps
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Txid
from lambda_handlers.storage.log.steps import NoStep, Plan
from lambda_handlers.storage.replica import Replica
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import NotFound, StoreError
from lambda_handlers.wire import DEFAULT_DATABASE, Action, SldbError, bad_request
from lambda_handlers.wire.note import Note

LOOKED_BACK = 16  # transactions read at once, and searched for an earlier undo or redo
LOOKED_BACK_MS = 3_600_000

_PLANS: dict[Kind, Callable[[steps.Read, Txid, int], Plan]] = {Kind.UNDO: steps.undo, Kind.REDO: steps.redo}


def undo(context: ActionContext, action: Action) -> dict[str, Any]:
    return _move(context, action, Kind.UNDO)


def redo(context: ActionContext, action: Action) -> dict[str, Any]:
    return _move(context, action, Kind.REDO)


class _Headers:
    """The headers of the single transactions of a database, each read once."""

    def __init__(self, context: ActionContext, listing: Listing) -> None:
        self.listing = listing
        self._context = context
        self._read: dict[Txid, Header] = {}

    def fetch(self, txids: Iterable[Txid]) -> None:
        """Read several headers side by side."""
        wanted = [txid for txid in txids if self.has(txid)]
        self._read.update(zip(wanted, side_by_side(self._context.host, self._from_store, wanted), strict=True))

    def has(self, txid: Txid) -> bool:
        if not self.listing.has_listed(txid, txid + 1):
            self.listing = list_files(self._context.store, self.listing.database)
        return transaction(txid) in self.listing.sizes and not (txid == 1 and self.listing.has_mark)

    def __call__(self, txid: Txid) -> Header:
        if txid not in self._read:
            self._read[txid] = self._from_store(txid)
        return self._read[txid]

    def _from_store(self, txid: Txid) -> Header:
        name = transaction(txid)
        if not self.has(txid):
            raise _merged(self.listing.database, txid)
        try:
            return read_header(self._context.store, self.listing.database, name, self.listing.sizes[name])
        except NotFound as error:
            raise _merged(self.listing.database, txid) from error


def _move(context: ActionContext, action: Action, kind: Kind) -> dict[str, Any]:
    given = arguments.known(action, "steps", "if_txid", "preview", "message", "command")
    count = arguments.whole_number(given, "steps", 1, least=1, most=steps.MAX_STEPS)
    if_txid, preview = arguments.txid(given, "if_txid"), arguments.flag(given, "preview")
    note = arguments.note(given, context.caller.name)
    if if_txid is None and not preview:
        bad_request("arguments.if_txid", None, "the newest transaction, as a preview shows it")
    listing = list_recent(context.store, context.host, action.database, LOOKED_BACK)
    if not listing.sizes:
        if action.database != DEFAULT_DATABASE:
            raise no_database(action.database)
        raise SldbError("not_found", f"nothing was ever written to {action.database}", applied="no")
    base = listing.newest if if_txid is None else if_txid
    if base > listing.newest:
        check_txid(action.database, listing.newest, base)
    try:
        read = _Headers(context, listing)
        read.fetch(range(max(1, base - LOOKED_BACK + 1), base + 1) if preview else (base,))
        plan = _planned(read, kind, base, count)
        if preview:
            return _preview(context, read, kind, base, plan)
        reply = _run(context, kind, listing.database, base, plan, note)
    except StoreError as error:
        raise store_error(error) from error
    return {**reply, "steps": list(plan.writes)}


def _planned(read: _Headers, kind: Kind, base: Txid, count: int) -> Plan:
    try:
        return _PLANS[kind](read, base, count)
    except NoStep as error:
        raise _no_step(read, kind, base, error.count) from error


def _preview(context: ActionContext, read: _Headers, kind: Kind, base: Txid, plan: Plan) -> dict[str, Any]:
    def lines(txids: Iterable[Txid]) -> list[dict[str, Any]]:
        return list(side_by_side(context.host, lambda txid: entry_of(context, read.listing, transaction(txid)), txids))

    since = _since_move(context, read, base) if kind is Kind.UNDO else ()
    ends = {"database": read.listing.database, "txid": base, "restores": plan.target}
    return {**ends, "steps": lines(plan.writes), "since": lines(since)}


def _since_move(context: ActionContext, read: _Headers, newest: Txid) -> tuple[Txid, ...]:
    """Return the writes after an undo or redo of the last hour, the newest first."""
    oldest = newest
    while oldest > max(1, newest - LOOKED_BACK + 1) and read.has(oldest - 1):
        oldest -= 1
    writes = steps.writes_since_move(read, newest, oldest)
    if not writes:
        return ()
    move = read(writes[-1] - 1)
    while steps.is_announcement(move):
        move = read(move.max_txid - 1)
    is_recent = context.host.now() * 1000 - move.timestamp_ms <= LOOKED_BACK_MS
    return writes if is_recent else ()


def _run(context: ActionContext, kind: Kind, name: str, base: Txid, plan: Plan, note: Note | None) -> dict[str, Any]:
    check_readable(context, name, plan.target)
    database = context.database(name)

    def attempt(current: Replica) -> dict[str, Any]:
        if (done := _done_before(context, current, kind, base, plan)) is not None:
            replaced = Replaced(done, base, 0, changed=True)
            return reply_of(replaced, name, plan.target, None)
        with past_of(database, plan.target, context.deadline) as past:
            replacing = Replacing(kind, restored=plan.target, is_step=True, note=note)
            replaced = replace_content(context, current, past, replacing, partial(check_newest, current, base))
            return reply_of(replaced, name, plan.target, past.timestamp_ms)

    return database.change(f"{kind.label} {plan.writes[0]}", context.deadline, attempt)


def _done_before(context: ActionContext, current: Replica, kind: Kind, base: Txid, plan: Plan) -> Txid | None:
    """Return the transaction that did the same on the same state: of an earlier try, or of another client."""

    def read(txid: Txid) -> Header:
        return read_agreed_header(context.store, current.database, transaction(txid))

    if current.txid <= base:
        return None
    try:
        for header in steps.first_change(read, base, current.txid):
            is_same = kinds.of_node_id(header.node_id) is kind and header.marks.restored == plan.target
            return header.max_txid if is_same else None
    except NotFound:  # it is merged: an hour ago at least
        return None
    except StoreError as error:
        raise store_error(error, applied="unknown") from error
    return None


def _merged(database: str, txid: Txid) -> SldbError:
    return SldbError(
        "not_found",
        f"the steps before transaction {txid} of {database} are not known any more: single transactions were merged",
        "`sldb history` shows the states that can be read; sldb restore --at TXID brings one back",
        applied="no",
    )


def _no_step(read: _Headers, kind: Kind, base: Txid, count: int) -> SldbError:
    database = read.listing.database
    if kind is Kind.UNDO:
        why = _only(count, "undo") if count else "there is no state before its first transaction"
        hint = "`sldb history` shows the transactions"
        return SldbError("not_found", f"{why} in {database}", hint, available=count, applied="no")
    newest = read(base)
    why = f"{_only(count, 'redo') if count else 'there is nothing to redo'} in {database}"
    if not count and not steps.is_move(newest):
        why += f": its newest transaction, {base}, is no undo"
    hint = "a write drops the undone steps; `sldb history` shows them, sldb restore --at TXID brings one back"
    return SldbError("not_found", why, hint, available=count, applied="no")


def _only(count: int, does: str) -> str:
    return f"there is only 1 step to {does}" if count == 1 else f"there are only {count} steps to {does}"

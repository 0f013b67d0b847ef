"""Errors of a whole database: it is missing, dropped, changed meanwhile, or read-only."""

from __future__ import annotations

from typing import Any

from lambda_handlers.shared.times import utc
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.wire import Result, SldbError

MS_A_DAY = 86_400_000
_MAX_QUERY_CHARACTERS = 500  # of a statement in an error


def no_database(name: str, **details: Any) -> SldbError:
    """Return the error for a database never written to."""
    hint = f"`sldb databases` lists the existing ones, `sldb databases create {name}` creates it"
    return SldbError("not_found", f"there is no database {name}", hint, database=name, **details)


def dropped(name: str, txid: Txid, timestamp_ms: int, retention_days: float) -> SldbError:
    """Return the error for a database dropped by transaction `txid`."""
    until = kept_until(timestamp_ms, retention_days)
    return SldbError(
        "not_found",
        f"database {name} was dropped by transaction {txid}, at {utc(timestamp_ms)}",
        f"until {until}, sldb restore --database {name} --at {txid - 1} brings it back; a write creates it again",
        txid=txid,
    )


def kept_until(timestamp_ms: int, retention_days: float) -> str:
    """Return the end (RFC 3339) of the retention of the state before a transaction of that time."""
    return utc(timestamp_ms + round(retention_days * MS_A_DAY))


def check_txid(database: str, newest: Txid, if_txid: Txid | None) -> None:
    """Raise `conflict` if `if_txid` is given and another transaction is the newest."""
    if if_txid is not None and newest != if_txid:
        raise SldbError(
            "conflict",
            f"the newest transaction of {database} is {newest}, not {if_txid}",
            "look at its newest transactions (sldb history), and decide again",
            txid=newest,
            applied="no",
        )


def not_there_yet(database: str, newest: Txid, min_txid: Txid) -> SldbError:
    """Return the error for a request that must see a transaction that the log does not have."""
    return SldbError(
        "not_found",
        f"database {database} has no transaction {min_txid} yet; the newest is {newest}",
        "min_txid is the txid of an earlier reply about this database; a restored bucket or another stack has others",
        field="min_txid",
        txid=newest,
        applied="no",
    )


def unconfirmed(destroys: list[dict[str, Any]], txid: Txid) -> SldbError:
    """Return the error for a careful request with destructive statements."""
    return SldbError(
        "unconfirmed",
        f"this {', '.join(destroyed['message'] for destroyed in destroys)}",
        f"if that is intended, send it again without careful, with if_txid {txid} so that it applies to the same state",
        destroys=destroys,
        txid=txid,
        applied="no",
    )


def read_only(doing: object, subject: str) -> SldbError:
    """Return the error for a write in a request or a view without that right; `subject` names it."""
    message = f"{subject} may not write, and this would: {doing}"
    return SldbError("read_only", message, "send it without read_only and at")


def only_reads(doing: object, moving_to: str = "") -> SldbError:
    """Return the error for a write in a function that only reads. `moving_to`: it does so only until the databases have
    moved to this kind of store."""
    if moving_to:
        return SldbError(
            "read_only",
            f"the databases of this stack are being moved to {moving_to}, and until then this may not write: {doing}",
            f"try again later; if the move was interrupted, `sldb migrate-storage {moving_to}` goes on with it, and "
            "with --abort takes it back",
            reason="moving",
            applied="no",
        )
    return SldbError(
        "read_only",
        f"this function only reads, and this would write: {doing}",
        "send it to the query function of the stack, which may write",
        applied="no",
    )


def transaction_expired() -> SldbError:
    """Return the error for the token of a transaction past its time."""
    return SldbError(
        "not_found",
        "the transaction has expired: it was begun more than a day ago",
        "begin a new one; if this one was about to be committed, look at its rows whether it was",
        field="transaction.token",
    )


def committed_otherwise(txid: Txid | None) -> SldbError:
    """Return the error for a transaction that was committed from another token, with other statements."""
    return SldbError(
        "conflict",
        "the transaction was committed before"
        + (f", by transaction {txid}," if txid else "")
        + " with other statements",
        "begin a new transaction for these statements",
        field="transaction.token",
        txid=txid,
        applied="no",
    )


def changed_result(sql: str, position: int, result: Result, where: str = "") -> SldbError:
    """Return the error of a statement with another result than it had. `position`: among the statements, 0-based;
    `where`: on which state it ran."""
    changed: dict[str, Any] = {"rowcount": result.rowcount, "digest": result.digest}
    if sql:
        changed["query"] = sql.strip()[:_MAX_QUERY_CHARACTERS]
    if result.error is not None:
        changed["error"] = result.error.code
    return SldbError(
        "conflict",
        f"statement {position + 1} returns another result{where} than it did",
        "begin the transaction again: it then sees what other clients have committed meanwhile",
        statement=position,
        changed=changed,
        applied="no",
    )

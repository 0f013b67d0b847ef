"""Which transaction a moment was, and when that was made: what every command says that looks at the past."""

from __future__ import annotations

from contextlib import suppress

from lambda_handlers.wire import SldbError
from sldb import moments
from sldb.client import Client


def told(client: Client, txid: int, time: str | None = None) -> list[str]:
    """Return the sentences about the transaction that was meant. `time`: when it was made, as a reply has it; where
    that has none (an older function's), the history is asked. Raise nothing where that fails: what was done is done."""
    if time is None:
        with suppress(SldbError):
            time = time_of(client, txid)
    return sentences(txid, time)


def sentences(txid: int, time: str | None) -> list[str]:
    """Return what is said of a transaction; `time`: when it was made (RFC 3339 in UTC), where that is known."""
    return [f"as of {transaction(txid, time)}", *warnings(txid, time)]


def warnings(txid: int, time: str | None) -> list[str]:
    """Return what to know of a transaction whose time is ahead of now."""
    if time is None or not moments.is_ahead(time):
        return []
    why = "a clock was wrong when it was made, or is wrong here"
    return [f"warning: the time of transaction {txid} is ahead of now ({moments.now()}): {why}"]


def transaction(txid: int, time: str | None) -> str:
    """transaction 5, 2026-11-26 20:04:12.345+09:00"""
    return f"transaction {txid}, {moments.local(time)}" if time else f"transaction {txid}"


def time_of(client: Client, txid: int) -> str | None:
    """Return when a transaction was made (RFC 3339 in UTC); None where the history does not know. Raise SldbError."""
    if not txid:
        return None
    lines = client.act("history", before=min(txid + 1, (1 << 64) - 1), limit=1)["transactions"]
    return next((line["time"] for line in lines if line["txid"] == txid), None)


def since_ms(client: Client, txid: int, option: str = "--since") -> int:
    """Return the unix millisecond at which a transaction was made. Raise `not_found` where that is not known."""
    time = time_of(client, txid)
    if time is None:
        raise SldbError(
            "not_found",
            f"{option}: it is not known when transaction {txid} of {client.database} was made",
            "`sldb history` shows the transactions that are known",
        )
    return moments.of_wire(time)


def warning_before_restore(client: Client) -> str | None:
    """Return what to know before a time decides what to restore: that the newest transaction is stamped ahead of now,
    which puts it, and maybe others, behind every time that has come. Raise SldbError."""
    lines = client.act("history", limit=1)["transactions"]
    if not lines or not lines[0]["time"] or not moments.is_ahead(lines[0]["time"]):
        return None
    newest = transaction(lines[0]["txid"], lines[0]["time"])
    return (
        f"warning: the newest of {client.database} is {newest}, which is ahead of now: a clock was wrong, and a time "
        "finds only what is not stamped after it. A txid names a transaction exactly (sldb history)"
    )

"""The transaction of a moment and its time, in sentences for all commands with --at or --since."""

from __future__ import annotations

from contextlib import suppress

from lambda_handlers.wire import SldbError
from sldb import moments
from sldb.client import Client


def look_up_sentences(client: Client, txid: int, time: str | None = None) -> list[str]:
    """Return the sentences about a transaction. `time`: its time as the reply has it, if it does.

    The reply of an older function has none: it is then read from the history. A failure there raises nothing, for the
    command itself has succeeded.
    """
    if time is None:
        with suppress(SldbError):
            time = time_of(client, txid)
    return sentences(txid, time)


def sentences(txid: int, time: str | None) -> list[str]:
    """Return the sentences about a transaction; `time`: its time (RFC 3339 in UTC), or None if unknown."""
    return [f"as of {label(txid, time)}", *warnings(txid, time)]


def warnings(txid: int, time: str | None) -> list[str]:
    """Return a warning if the time of a transaction is ahead of now."""
    if time is None or not moments.is_ahead(time):
        return []
    why = "a clock was wrong when it was made, or is wrong here"
    return [f"warning: the time of transaction {txid} is ahead of now ({moments.now()}): {why}"]


def label(txid: int, time: str | None) -> str:
    """Return the words "transaction 5, 2026-11-26 20:04:12.345+09:00"."""
    return f"transaction {txid}, {moments.local(time)}" if time else f"transaction {txid}"


def time_of(client: Client, txid: int) -> str | None:
    """Return the time of a transaction (RFC 3339 in UTC); None if the history does not have it. Raises SldbError."""
    if not txid:
        return None
    lines = client.act("history", before=min(txid + 1, (1 << 64) - 1), limit=1)["transactions"]
    return next((line["time"] for line in lines if line["txid"] == txid), None)


def find_time_ms(client: Client, txid: int, option: str = "--since") -> int:
    """Return the time of a transaction in unix milliseconds. Raises `not_found` if it is unknown."""
    time = time_of(client, txid)
    if time is None:
        raise SldbError(
            "not_found",
            f"{option}: it is not known when transaction {txid} of {client.database} was made",
            "`sldb history` shows the transactions that are known",
        )
    return moments.of_wire(time)


def warning_before_restore(client: Client) -> str | None:
    """Return a warning before a restore to a time, if the newest transaction is stamped ahead of now.

    No time until now finds such a transaction, and maybe others. Raises SldbError.
    """
    lines = client.act("history", limit=1)["transactions"]
    if not lines or not lines[0]["time"] or not moments.is_ahead(lines[0]["time"]):
        return None
    newest = label(lines[0]["txid"], lines[0]["time"])
    return (
        f"warning: the newest of {client.database} is {newest}, which is ahead of now: a clock was wrong, and a time "
        "finds only what is not stamped after it. A txid names a transaction exactly (sldb history)"
    )

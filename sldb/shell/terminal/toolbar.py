"""The bottom line of the shell: target, database, state, and the time and cost of the last statement. Pure."""

from __future__ import annotations

import re

from sldb import price
from sldb.render import text
from sldb.report import count, duration
from sldb.shell.session import Session
from sldb.shell.transaction import Transaction

HELP = ".help"


def line(session: Session, columns: int) -> str:
    """Return as much of the line as fits, the more important parts first."""
    parts = [text.escape(session.client.target.name), *_place(session), *_cost(session), HELP]
    while parts and text.width(_joined(parts)) > columns:
        shorter = short_name(session.client.target.name)
        if parts[0] != shorter and len(parts) < 6:
            parts[0] = shorter
        else:
            parts.pop()
    return _joined(parts)


def _joined(parts: list[str]) -> str:
    return " " + " · ".join(parts)


def _place(session: Session) -> list[str]:
    past = f"@{session.at}" if session.at is not None else ""
    txid = session.transaction.txid if session.transaction else session.txid
    parts = [session.client.database + past]
    if txid is not None:
        parts.append(f"txid {txid}")
    return [*parts, _state(session.transaction)]


def _state(transaction: Transaction | None) -> str:
    if transaction is None:
        return "no transaction"
    if transaction.sent is not None:
        return "COMMIT IN DOUBT"
    return f"OPEN: {count(len(transaction.succeeded), 'statement')}"


def _cost(session: Session) -> list[str]:
    """Return those of the last statement, unless a command has written since."""
    if session.last is None:
        return []
    is_newest = session.last.txid == session.txid or session.at is not None or session.transaction is not None
    if not is_newest:
        return []
    return list(filter(None, (duration(session.last_ms), price.per_million(price.estimate(session.last.stats)))))


def prompt(session: Session) -> str:
    """Return notes/main> ; in the past notes/main@41> ; in an open transaction notes/main*>"""
    past = f"@{session.at}" if session.at is not None else ""
    mark = "*" if session.transaction is not None else ""
    return f"{short_name(session.client.target.name)}/{session.client.database}{past}{mark}> "


def short_name(target: str) -> str:
    """Return `local:notes` for `local:/a/long/way/to/notes`; other targets unchanged."""
    kind, _, rest = target.partition(":")
    directory = re.split(r"[/\\]", rest.rstrip("/\\"))[-1]
    return f"local:{text.escape(directory)}" if kind == "local" and directory else text.escape(target)

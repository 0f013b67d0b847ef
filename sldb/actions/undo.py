"""Undo and redo: steps back and forward along the writes of a database, each a new transaction.

The function plans the steps (lambda_handlers.actions.past.undo). A preview shows them, with the newest transaction, on
whose condition they run: no write is taken back that the preview did not show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.moments import local
from sldb.write_outcome import NOT_CHANGED

_SHOWN = 5  # transactions in a sentence
_DID = {"undo": "took back", "redo": "brought back"}
_DOES = {"undo": "takes back", "redo": "brings back"}


@dataclass(frozen=True, slots=True)
class Move:
    """The steps of an undo or a redo, on the condition of the newest transaction."""

    action: str  # undo or redo
    count: int
    newest: int
    lines: Sequence[Mapping[str, Any]]  # of the history: the writes, in the order of the steps; none if not known
    since: Sequence[Mapping[str, Any]] = field(default=())  # writes after the last undo, the newest first

    @classmethod
    def find(cls, client: Client, action: str = "undo", count: int = 1, if_txid: int | None = None) -> Move:
        """Return the steps from the newest state, on the condition that the newest write is transaction `if_txid` if
        given.

        Raises `not_found` if there are not so many steps, and other SldbErrors of the client.
        """
        try:
            shown = client.act(action, steps=count, preview=True)
        except SldbError:
            if if_txid is None:
                raise
            return cls(action, count, if_txid, ())
        lines, newest = shown["steps"], shown["txid"]
        if if_txid is None or if_txid in (newest, lines[0]["txid"]):
            return cls(action, count, newest, lines, shown["since"])
        return cls(action, count, if_txid, ())

    @property
    def pronoun(self) -> str:
        return "it" if self.count == 1 else "them"

    @property
    def subject(self) -> str:
        """The words "transaction 3 (DELETE, of 2026-11-24 10:00:00.123+09:00)"."""
        if not self.lines:
            return f"{self.count} steps" if self.count > 1 else f"transaction {self.newest}"
        return _named(self.lines)

    @property
    def sentence(self) -> str:
        """The announcement of what the steps do, for a question."""
        what = f"This {_DOES[self.action]} {self.subject}."
        return f"{self.warning} {what}" if self.warning else what

    @property
    def warning(self) -> str:
        """The sentence about the writes since the last undo; empty if there are none: a second undo may be meant to go
        on from the first."""
        if not self.since:
            return ""
        writes = "another write" if len(self.since) == 1 else "other writes"
        verb = "was" if len(self.since) == 1 else "were"
        return f"Since the last undo there {verb} {writes}: {_named(self.since)}."

    def run(self, client: Client) -> dict[str, Any]:
        """Do the steps and return the reply. Raises `conflict` after another write."""
        return client.act(self.action, steps=self.count, if_txid=self.newest)

    def outcome(self, reply: Mapping[str, Any]) -> str:
        """Return the reply of `run` as a sentence."""
        if not reply["changed"]:
            verb = "has" if self.count == 1 else "have"
            return f"{self.subject} {verb} nothing left to take back: {NOT_CHANGED}"
        return f"{_DID[self.action]} {self.subject} · txid {reply['txid']}"


def unconfirmed(move: Move, hint: str) -> SldbError:
    """Return the error for an undo that needs a confirmation, where there is no terminal to ask."""
    message = f"{move.warning} undo would take back {move.subject}"
    return SldbError("unconfirmed", message, hint, applied="no")


def _named(lines: Sequence[Mapping[str, Any]]) -> str:
    if len(lines) == 1:
        return f"transaction {_described(lines[0])}"
    shown = ", ".join(_described(line) for line in lines[:_SHOWN])
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return f"{len(lines)} transactions: {shown}{more}"


def _described(line: Mapping[str, Any]) -> str:
    time = f", of {local(line['time'])}" if line["time"] else ""
    return f"{line['txid']} ({line['kind'] or 'unknown'}{time})"

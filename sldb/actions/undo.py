"""The undo of the last write: a new transaction restores the state before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.moments import local
from sldb.write_outcome import NOT_CHANGED

_PAGE_LINES = 5  # of the history in one request: announcements are rare


@dataclass(frozen=True, slots=True)
class Undo:
    """The transaction to take back, on the condition of the newest one."""

    txid: int
    newest: int  # the same, or announcements of other writers that came to nothing
    line: Mapping[str, Any] | None  # of the history; None if it is not known

    @classmethod
    def find(cls, client: Client, if_txid: int | None = None) -> Undo:
        """Return the undo of the last write, on the condition that it is transaction `if_txid` if given.

        Raises `not_found` if the database was never written to, and other SldbErrors of the client.
        """
        last = _last_write(client)
        if if_txid is None or if_txid == last.txid:
            return last if if_txid is None else Undo(if_txid, if_txid, last.line)
        return Undo(if_txid, if_txid, None)

    @property
    def subject(self) -> str:
        """The words "transaction 3 (DELETE, of 2026-11-24 10:00:00.123+09:00)"."""
        if self.line is None:
            return f"transaction {self.txid}"
        time = f", of {local(self.line['time'])}" if self.line["time"] else ""
        return f"transaction {self.txid} ({self.line['kind'] or 'unknown'}{time})"

    def run(self, client: Client) -> dict[str, Any]:
        """Restore the state before the transaction and return the reply. Raises `conflict` after another write."""
        return client.act("restore", at=self.txid - 1, if_txid=self.newest)

    def outcome(self, reply: Mapping[str, Any]) -> str:
        """Return the reply of `run` as a sentence."""
        if not reply["changed"]:
            return f"{self.subject} has nothing left to take back: {NOT_CHANGED}"
        return f"took back {self.subject} · txid {reply['txid']}"


def _last_write(client: Client) -> Undo:
    reply = client.act("history", limit=_PAGE_LINES)
    newest = reply["txid"]
    while True:
        for line in reply["transactions"]:
            if line["kind"] != "announcement":
                return Undo(line["txid"], newest, line)
        if reply["next"] is None:
            raise SldbError("not_found", f"nothing was ever written to {client.database}")
        reply = client.act("history", limit=_PAGE_LINES, before=reply["next"])

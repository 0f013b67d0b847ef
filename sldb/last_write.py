"""The last write to a database, as its history tells: what `undo` takes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sldb.client import Client

_LOOKED_AT = 5  # transactions, of which announcements are seldom one


@dataclass(frozen=True, slots=True)
class LastWrite:
    line: dict[str, Any]  # of the history
    newest: int  # the newest transaction: the same, or announcements of others that came to nothing

    @property
    def txid(self) -> int:
        txid: int = self.line["txid"]
        return txid


def last_write(client: Client) -> LastWrite | None:
    """None where nothing was ever written. Raises SldbError."""
    reply = client.act("history", limit=_LOOKED_AT)
    newest = reply["txid"]
    while True:
        for line in reply["transactions"]:
            if line["kind"] != "announcement":
                return LastWrite(line, newest)
        if reply["next"] is None:
            return None
        reply = client.act("history", limit=_LOOKED_AT, before=reply["next"])

"""Probes: requests for the next transactions of a log by their keys, several of them in one round.

A probe without a result shows the absence of its transaction at some moment after its beginning. So a probe sent ahead
counts like one sent at need, within the same request of a client.
"""

from __future__ import annotations

from collections.abc import Iterable

from lambda_handlers.host import Call, Host
from lambda_handlers.storage.log.keys import LtxName, transaction
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.store.protocol import NotFound, ObjectStore

PROBES_AT_ONCE = 16  # transactions that are requested together, at most
PROBE_BYTES = 1 << 20  # a larger transaction is not read whole
_LAST_SECONDS = 1.0  # to wait for a probe that is not needed any more


class Probes:
    """The probes of one database."""

    def __init__(self, store: ObjectStore, host: Host, database: str) -> None:
        self._store = store
        self._host = host
        self._database = database
        self._ahead: dict[Txid, Call] = {}  # not needed yet

    def send(self, after: Txid, count: int) -> None:
        """Request the `count` transactions after `after`, all at once."""
        self._ahead.update({txid: self._start(txid) for txid in range(after + 1, after + 1 + count)})

    def request(self, txid: Txid) -> Call:
        """Return the request for a transaction: its result is that of `get_start`."""
        return self._ahead.pop(txid, None) or self._start(txid)

    def bodies(self, names: Iterable[LtxName]) -> dict[LtxName, bytes]:
        """Return the whole files with these names, as far as they were requested ahead. Raises StoreError."""
        bodies: dict[LtxName, bytes] = {}
        for name in names:
            if name == transaction(name.max_txid) and (call := self._ahead.pop(name.max_txid, None)) is not None:
                body = call.result()
                if body is not None and len(body) < PROBE_BYTES:
                    bodies[name] = body
        return bodies

    def settle(self) -> None:
        """Wait for the unneeded probes: the counts of a reply are exact then."""
        for call in self._ahead.values():
            call.wait(_LAST_SECONDS)
        self._ahead.clear()

    def get_start(self, txid: Txid) -> bytes | None:
        """Return the beginning of a transaction's file, all of it if it is small; None if there is none."""
        try:
            return self._store.get_range(transaction(txid).key(self._database), 0, PROBE_BYTES)
        except NotFound:
            return None

    def limit_after(self, txid: Txid) -> Txid:
        """Return a transaction at least as new as every one that there is now. After a pause there may be newer ones:
        the next one is requested in any case, and shows the pause."""
        ahead = PROBES_AT_ONCE
        while self.get_start(txid + ahead) is not None:
            ahead *= 2
        return txid + ahead - 1

    def _start(self, txid: Txid) -> Call:
        return self._host.start(lambda: self.get_start(txid))

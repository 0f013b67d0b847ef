"""Every object key, built and parsed here and nowhere else.

Below the store's prefix (the layout of Litestream 0.5 on S3):

    <database>/0000/<txid>-<txid>.ltx   level 0: one committed transaction
    <database>/0001/ … 0008/            compacted runs of transactions
    <database>/0009/<1>-<txid>.ltx      snapshot: every page as of txid
    <database>/lock.json                the lock, where its kind is s3

Levels are 4 lower-case hex digits, txids 16. Anything not named <txid>-<txid>.ltx is ignored by Litestream.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SNAPSHOT_LEVEL = 9
_LTX_KEY = re.compile(r"([0-9a-f]{4})/([0-9a-f]{16})-([0-9a-f]{16})\.ltx")


@dataclass(frozen=True, slots=True, order=True)
class LtxName:
    """Which transactions one LTX file holds, and at which level."""

    level: int
    min_txid: int
    max_txid: int

    def key(self, database: str) -> str:
        return f"{database}/{self.level:04x}/{self.min_txid:016x}-{self.max_txid:016x}.ltx"


def database_prefix(database: str) -> str:
    return f"{database}/"


def transaction(txid: int) -> LtxName:
    """The level-0 file of one transaction."""
    return LtxName(0, txid, txid)


def parse_ltx_key(database: str, key: str) -> LtxName | None:
    """None for a key that is no LTX file of this database."""
    prefix = database_prefix(database)
    if not key.startswith(prefix) or not (match := _LTX_KEY.fullmatch(key, len(prefix))):
        return None
    level, low, high = (int(part, 16) for part in match.groups())
    return LtxName(level, low, high) if 1 <= low <= high and level <= SNAPSHOT_LEVEL else None


def lock_key(database: str) -> str:
    return f"{database}/lock.json"

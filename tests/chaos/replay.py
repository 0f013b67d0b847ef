"""The log, read without the engine: level 0 folded file by file into a database of Python's own sqlite3.

The engine must show the same state at a txid. Every file's checksum is compared on the way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lambda_handlers.storage.log.keys import database_prefix, parse_ltx_key
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.store.protocol import ObjectStore


@dataclass(frozen=True, slots=True)
class State:
    """The database as of one transaction."""

    txid: int
    entries: int  # rows of the table
    counted: int  # what the other table says
    newest: str | None  # id of the entry that came last


def states(store: ObjectStore, scratch: Path, database: str = "main") -> Iterator[State]:
    """Yield the state after each transaction, from the first on. Raises AssertionError for a missing one."""
    names = [parse_ltx_key(database, info.key) for info in store.list_objects(database_prefix(database))]
    log = sorted(name for name in names if name and name.level == 0)
    assert [name.max_txid for name in log] == list(range(1, len(log) + 1)), f"the log has gaps: {log}"
    scratch.write_bytes(b"")
    for name in log:
        key = name.key(database)
        decoder = Decoder([store.get(key)], key)
        with scratch.open("r+b") as file:
            for pgno, page in decoder.pages():
                file.seek((pgno - 1) * decoder.header.page_size)
                file.write(page)
            file.truncate(decoder.header.commit * decoder.header.page_size)
        yield _look(scratch, name.max_txid)


def _look(path: Path, txid: int) -> State:
    with closing(sqlite3.connect(path)) as connection:
        entries, counted = connection.execute("SELECT (SELECT count(*) FROM entries), entries FROM total").fetchone()
        newest = connection.execute("SELECT id FROM entries ORDER BY rowid DESC LIMIT 1").fetchone()
    return State(txid, entries, counted, newest and newest[0])

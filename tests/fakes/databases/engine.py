"""A database on a store with SQLite over it: a container without the requests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw

from lambda_handlers.host import Host
from lambda_handlers.storage.draft import Draft
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.keys import LtxName, parse_ltx_key
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Pgno, Txid
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.publishing import Later, at_once
from lambda_handlers.storage.replica import Replica
from lambda_handlers.storage.vfs import DraftVFS
from lambda_handlers.store.protocol import ObjectStore
from tests.fakes.clock import Clock


class Engine:
    """`Engine(store, tmp_path)` stands at the newest transaction as soon as it refreshes."""

    def __init__(
        self,
        store: ObjectStore,
        directory: Path,
        host: Host | None = None,
        database: str = "main",
        limit_bytes: int | None = None,
        later: Later = at_once,
    ) -> None:
        self.replica = Replica(store, database, directory, host or Clock().host(), limit_bytes, later=later)
        self.draft = Draft(self.replica, directory)
        self.vfs = DraftVFS(self.draft)

    def connect(self, page_size: int = 4096) -> apsw.Connection:
        self.draft.clear()
        connection = self.vfs.connect()
        if self.draft.page_count == 0:
            connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def write(self, *statements: str, page_size: int = 4096, refresh: bool = True) -> Txid | None:
        """Commit one transaction on the newest state; return its txid, None if SQLite had nothing to commit."""
        if refresh:
            self.replica.refresh()
        connection = self.connect(page_size)
        try:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                list(connection.execute(statement))
            self.commit(connection)
        finally:
            connection.close(True)
            self.draft.clear()
        return self.vfs.permit.txid

    def commit(self, connection: apsw.Connection) -> None:
        with self.vfs.permit.granted(Kind.UNKNOWN):
            connection.execute("COMMIT")

    def vacuum(self) -> None:
        self.replica.refresh()
        connection = self.connect()
        try:
            with self.vfs.permit.granted(Kind.UNKNOWN):
                connection.execute("VACUUM")
        finally:
            connection.close(True)
            self.draft.clear()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Return the rows of a query on the replica's state."""
        connection = self.connect()
        try:
            return list(connection.execute(query))
        finally:
            connection.close(True)
            self.draft.clear()

    def is_sound(self) -> bool:
        return self.rows("PRAGMA integrity_check") == [("ok",)]

    def image(self) -> bytes:
        """The database file as its pages stand in the replica."""
        skipped = ltx.lock_page(self.replica.page_size) if self.replica.page_size else 0
        return b"".join(
            self.replica.read(Pgno(pgno)) for pgno in range(1, self.replica.page_count + 1) if pgno != skipped
        )

    def close(self) -> None:
        self.vfs.unregister()
        self.draft.close()
        self.replica.close()


def dump(execute: Callable[[str], object]) -> list[tuple[object, ...]]:
    """Return the schema and every row of every table, sorted."""
    schema = sorted(execute("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"))  # type: ignore[call-overload]  # rows of any cursor
    found: list[tuple[object, ...]] = list(schema)
    for kind, name, _, sql in schema:
        if kind == "table" and not (sql or "").upper().startswith("CREATE VIRTUAL"):
            rows = execute(f'SELECT * FROM "{name}"')
            found += [(name, *row) for row in sorted(rows, key=repr)]  # type: ignore[call-overload]
    return found


def compact(store: ObjectStore, name: LtxName, directory: Path, database: str = "main") -> None:
    """Write a merged file or a snapshot of the log, as a maintenance pass does; deletes nothing."""
    engine = Engine(store, directory, database=database)
    try:
        engine.replica.open_at(name.max_txid)
        replica = engine.replica
        changed: set[int] = set()
        for info in store.list_objects(f"{database}/"):
            other = parse_ltx_key(database, info.key)
            if other and name.min_txid <= other.max_txid and other.min_txid <= name.max_txid:
                changed |= {pgno for pgno, _ in Decoder([store.get(info.key)], info.key).pages()}
        header = Header(
            replica.page_size, replica.page_count, name.min_txid, name.max_txid, replica.timestamp_ms, node_id=0
        )
        pages = ((Pgno(pgno), replica.read(Pgno(pgno))) for pgno in sorted(changed) if pgno <= replica.page_count)
        store.create(name.key(database), encode_ltx(header, pages))
    finally:
        engine.close()

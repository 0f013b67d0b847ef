"""The runner: migrations applied to a database, each exactly once, also by several runners at the same time.

A migration is one request, and so one transaction: its statements and its row in `schema_migrations`, the table of
dbmate, so that either tool can continue after the other. The row is inserted first. Its primary key is the guard: of
two runners the second fails on it, its whole request is undone, and it continues with the next migration. If a reply
gets lost, the request is repeated with its id (sldb/targets), which applies nothing twice.

Beside it `schema_migration_files` keeps the hash of each migration's file, to find files changed afterwards. dbmate
does not use that table, so it has no rows of migrations applied by dbmate.

A roll-back is conditional on the transaction at which the list was read.

VACUUM cannot run inside a transaction. A block that holds nothing else, with transaction:false, runs before the request
with the row; it may run twice, which does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lambda_handlers.wire import Reply, Request, SldbError, Statement
from sldb.client import Client
from sldb.migrate.files import Block, Migration
from sldb.sql_text import bare_words, is_blank, list_statements, split_statements

VERSIONS = "schema_migrations"
FILES = "schema_migration_files"
_PREPARE = (
    Statement(f'CREATE TABLE IF NOT EXISTS "{VERSIONS}" (version varchar(128) primary key)'),  # as dbmate writes it
    Statement(f"CREATE TABLE IF NOT EXISTS {FILES} (version varchar(128) primary key, sha256 text not null)"),
)
_TRIES = 5  # of a roll-back, if other clients write meanwhile


@dataclass(frozen=True, slots=True)
class Applied:
    """The migrations applied to a database, by its own tables."""

    versions: dict[str, str | None]  # version → sha256 of the file's block, if known
    tables: frozenset[str]
    txid: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a request from a migration's file."""

    sql: str
    begins: int  # characters of the file before it


def read_applied(client: Client) -> Applied:
    """Read the applied migrations: none in a database that does not exist. Raises SldbError."""
    find = f"SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('{VERSIONS}', '{FILES}')"
    try:
        found = client.execute(Request((Statement(find),), read_only=True))
    except SldbError as error:
        if error.code != "not_found":
            raise
        return Applied({}, frozenset(), 0)
    tables = frozenset(str(row[0]) for row in found.rows)
    if VERSIONS not in tables:
        return Applied({}, tables, found.txid)
    join = f"LEFT JOIN {FILES} AS f USING (version)" if FILES in tables else "CROSS JOIN (SELECT NULL AS sha256) AS f"
    query = f'SELECT CAST(m.version AS TEXT), f.sha256 FROM "{VERSIONS}" AS m {join} ORDER BY 1'
    reply = client.execute(Request((Statement(query),), at=found.txid))
    return Applied({str(v): None if sha is None else str(sha) for v, sha in reply.rows}, tables, reply.txid)


def apply(client: Client, migration: Migration) -> Reply | None:
    """Apply a migration; return None if another runner has applied it already.

    Raises SldbError with the place in the file; then nothing of it was applied.
    """
    guard = Statement(f'INSERT INTO "{VERSIONS}" (version) VALUES (?)', (migration.version,))
    remember = Statement(f"INSERT OR REPLACE INTO {FILES} VALUES (?, ?)", (migration.version, migration.sha256))
    own = (*_PREPARE, guard, remember)
    early, late = _chunks(_without_vacuum(client, migration, migration.up))
    parts: list[Chunk | Statement] = [early, *own, late]
    try:
        return _send(client, migration, parts, None)
    except SldbError as error:
        if error.code == "constraint" and _failed_part(error, parts) is guard:
            return None
        raise


def roll_back(client: Client, version: str, migration: Migration) -> Reply | None:
    """Roll a migration back; return None if another runner has done so.

    Raises SldbError with the place in the file; then nothing was changed.
    """
    if is_blank(migration.down.sql):
        raise SldbError(
            "bad_request",
            f"{migration.name} has nothing below -- migrate:down: it cannot be rolled back",
            "write SQL there that reverts it, or go back in time: sldb undo, sldb restore --at TXID",
        )
    early, late = _chunks(_without_vacuum(client, migration, migration.down))
    for tries_left in reversed(range(_TRIES)):
        applied = read_applied(client)
        if version not in applied.versions:
            return None
        tables = [table for table in (VERSIONS, FILES) if table in applied.tables]
        forget = [Statement(f'DELETE FROM "{table}" WHERE version = ?', (version,)) for table in tables]
        try:
            # The rows are deleted first: the down block may drop objects that the tables depend on.
            return _send(client, migration, [early, *forget, late], applied.txid)
        except SldbError as error:
            if error.code != "conflict" or not tries_left:
                raise
    raise AssertionError  # the last try returns or raises


def _without_vacuum(client: Client, migration: Migration, block: Block) -> Block:
    """Run the VACUUM of a block that is nothing else, and return an empty block in its place. Raises SldbError."""
    statements = list_statements(block.sql)
    if not any(next(bare_words(statement), "") == "VACUUM" for statement in statements):
        return block
    if len(statements) > 1 or block.transaction:
        message = "VACUUM cannot be part of a transaction, and a migration is one"
        hint = "put it into a migration of its own, with -- migrate:up transaction:false, or run `sldb query VACUUM`"
        offset = block.begins + block.sql.upper().index("VACUUM")
        raise SldbError("bad_request", message, hint, **migration.place(offset), applied="no")
    _send(client, migration, [Chunk(block.sql, block.begins)], None)
    return replace(block, sql="")


def _chunks(block: Block) -> tuple[Chunk, Chunk]:
    """Split a block into the PRAGMAs at its beginning, which must precede the transaction, and the rest."""
    end = 0
    for statement in split_statements(block.sql):
        if next(bare_words(statement), "") != "PRAGMA":
            break
        end += len(statement)
    return Chunk(block.sql[:end], block.begins), Chunk(block.sql[end:], block.begins + end)


def _nonblank(parts: list[Chunk | Statement]) -> list[Chunk | Statement]:
    return [part for part in parts if isinstance(part, Statement) or not is_blank(part.sql)]


def _send(client: Client, migration: Migration, parts: list[Chunk | Statement], if_txid: int | None) -> Reply:
    statements = [part if isinstance(part, Statement) else Statement(part.sql) for part in _nonblank(parts)]
    try:
        return client.execute(Request(tuple(statements), if_txid=if_txid))
    except SldbError as error:
        _locate(error, migration, parts)
        raise


def _failed_part(error: SldbError, parts: list[Chunk | Statement]) -> Chunk | Statement | None:
    nonblank, part = _nonblank(parts), error.details.get("part")
    return nonblank[part] if isinstance(part, int) and part < len(nonblank) else None


def _locate(error: SldbError, migration: Migration, parts: list[Chunk | Statement]) -> None:
    """Add the place in the file to an error, and make it count only the file's statements."""
    chunk = _failed_part(error, parts)
    if not isinstance(chunk, Chunk):
        error.details["file"] = str(migration.path)
        error.details.pop("query", None)
        return
    details = error.details
    details.update(file=str(migration.path), query=migration.text)
    for name in ("offset", "begins"):
        if isinstance(details.get(name), int):
            details[name] += chunk.begins
    ours = sum(isinstance(part, Statement) for part in parts)
    details["statement_count"] -= ours
    if chunk is not next(_chunks_of(parts)):
        details["statement"] -= ours


def _chunks_of(parts: list[Chunk | Statement]) -> Iterator[Chunk]:
    return (part for part in parts if isinstance(part, Chunk))

"""Random SQLite files: of every page size, with and without WAL, freelists, FTS5 and R-tree tables."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

PAGE_SIZES = [1 << power for power in range(9, 17)]


@dataclass(frozen=True)
class Recipe:
    """The contents of a file, in a form for hypothesis to show."""

    page_size: int
    has_wal: bool
    auto_vacuum: str
    rows: int
    row_bytes: int
    deleted: int  # of a hundred rows
    has_search: bool  # FTS5
    has_places: bool  # R-tree
    many_tables: bool
    vacuumed: bool
    user_version: int
    seed: int


RECIPES = st.builds(
    Recipe,
    page_size=st.sampled_from(PAGE_SIZES),
    has_wal=st.booleans(),
    auto_vacuum=st.sampled_from(["none", "full", "incremental"]),
    rows=st.integers(0, 300),
    row_bytes=st.integers(0, 3000),
    deleted=st.sampled_from([0, 30, 100]),
    has_search=st.booleans(),
    has_places=st.booleans(),
    many_tables=st.booleans(),
    vacuumed=st.booleans(),
    user_version=st.integers(-(2**31), 2**31 - 1),
    seed=st.integers(0, 2**32),
)


def make(path: Path, recipe: Recipe) -> sqlite3.Connection:
    """The file; with a WAL, its content is in there for as long as the connection is open."""
    chance = random.Random(recipe.seed)
    connection = sqlite3.connect(path, isolation_level=None)
    run = connection.execute
    run(f"PRAGMA page_size = {recipe.page_size}")
    run(f"PRAGMA auto_vacuum = {recipe.auto_vacuum}")
    if recipe.has_wal:
        run("PRAGMA journal_mode = wal")
        run("PRAGMA wal_autocheckpoint = 0")
    run("BEGIN")
    run("CREATE TABLE t (id INTEGER PRIMARY KEY, x, body)")
    run("CREATE INDEX t_x ON t (x)")
    for number in range(60 if recipe.many_tables else 0):
        run(f"CREATE TABLE many_{number} (a, b CHECK (a <> 'some text that makes the schema longer'))")
    if recipe.has_search:
        run("CREATE VIRTUAL TABLE words USING fts5(body)")
    if recipe.has_places:
        run("CREATE VIRTUAL TABLE places USING rtree(id, low, high)")
    for number in range(recipe.rows):
        run("INSERT INTO t (x, body) VALUES (?, ?)", (chance.random(), chance.randbytes(recipe.row_bytes)))
        if recipe.has_search:
            run("INSERT INTO words VALUES (?)", (f"word{number} common",))
        if recipe.has_places:
            run("INSERT INTO places VALUES (?, ?, ?)", (number, number, number + 1))
    run("COMMIT")
    run("DELETE FROM t WHERE id % 100 < ?", (recipe.deleted,))
    run(f"PRAGMA user_version = {recipe.user_version}")
    if recipe.vacuumed:
        run("VACUUM")
    return connection


def dump(path: Path) -> list[str]:
    """Return the contents of the file, after an integrity check."""
    connection = sqlite3.connect(path)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        sound = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        return [f"user_version {version}", *sound, *connection.iterdump()]
    finally:
        connection.close()


def pages(path: Path) -> bytes:
    """Return the file without the fields of page 1 written by a transaction: counters, SQLite's version, WAL mode."""
    data = path.read_bytes()
    return data[:18] + data[20:24] + data[28:40] + data[44:92] + data[100:] if data else data

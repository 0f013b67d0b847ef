"""Collations and functions of another program: tables with them are not checked, and not called damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from sldb.push_pull import integrity
from tests.fakes.terminal.command import sldb

UNICASE = "no such collation sequence: unicase"
FILL = "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, 'é' || i FROM n"

# What a program's schema may need, and why it cannot be checked.
PROGRAMS = {
    "an index": ("CREATE TABLE t (i, s TEXT COLLATE unicase); CREATE INDEX x ON t (s)", UNICASE),
    "a unique column": ("CREATE TABLE t (i, s TEXT COLLATE unicase UNIQUE)", UNICASE),
    "a key": ("CREATE TABLE t (i, s TEXT COLLATE unicase PRIMARY KEY) WITHOUT ROWID", UNICASE),
    "a check": ("CREATE TABLE t (i, s CHECK (isok(s)))", "unknown function: isok()"),
}
# What SQLite can judge without it.
OTHERS = (
    "CREATE TABLE t (i, s TEXT COLLATE unicase)",
    "CREATE TABLE t (i, s); CREATE INDEX x ON t (isok(s))",
    "CREATE TABLE t (i, s); CREATE INDEX x ON t (i) WHERE isok(s)",
    "CREATE TABLE t (i, s); CREATE VIEW v AS SELECT isok(s) FROM t",
)


def make(path: Path, schema: str) -> Path:
    """Make a file like a program with its own collation and function."""
    with closing(sqlite3.connect(path)) as connection:
        connection.create_collation("unicase", lambda a, b: (a.lower() > b.lower()) - (a.lower() < b.lower()))
        connection.create_function("isok", 1, lambda _: 1, deterministic=True)
        connection.executescript(f"CREATE TABLE other (a, b); {schema}; {FILL}")
        connection.execute("INSERT INTO other SELECT i, zeroblob(200) FROM t")
        connection.commit()
    return path


def examine(path: Path) -> integrity.Findings:
    with closing(apsw.Connection(str(path))) as connection:
        return integrity.examine(connection)


def root_of(path: Path, name: str) -> tuple[int, int]:
    """Return the offset and size of the first page of a table."""
    with closing(sqlite3.connect(path)) as connection:
        [(page_size,)] = connection.execute("PRAGMA page_size")
        [(root,)] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,))
    return (root - 1) * page_size, page_size


def damage(path: Path, table: str) -> None:
    start, length = root_of(path, table)
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(length))


def test_the_connection_keeps_its_cache(tmp_path: Path) -> None:
    with closing(apsw.Connection(str(make(tmp_path / "a.db", "CREATE TABLE t (i, s)")))) as connection:
        before = connection.pragma("cache_size")
        assert integrity.examine(connection) == integrity.Findings()
        assert connection.pragma("cache_size") == before


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_cannot_be_judged_is_no_damage(tmp_path: Path, program: str) -> None:
    schema, why = PROGRAMS[program]
    found = examine(make(tmp_path / "t.db", schema))
    assert found == integrity.Findings((), (f"t: {why}",))


@pytest.mark.parametrize("schema", OTHERS)
def test_what_sqlite_can_judge_is_judged(tmp_path: Path, schema: str) -> None:
    assert examine(make(tmp_path / "t.db", schema)) == integrity.Findings()


@pytest.mark.parametrize("program", PROGRAMS)
def test_damage_beside_it_is_found(tmp_path: Path, program: str) -> None:
    path = make(tmp_path / "t.db", PROGRAMS[program][0])
    damage(path, "other")
    found = examine(path)
    assert found.damage
    assert found.unchecked == (f"t: {PROGRAMS[program][1]}",)


@pytest.mark.parametrize("program", ["an index", "a unique column", "a check"])
def test_damage_of_its_own_rows_is_found(tmp_path: Path, program: str) -> None:
    """By reading them. A table whose key needs the collation cannot even be read."""
    path = make(tmp_path / "t.db", PROGRAMS[program][0])
    damage(path, "t")
    assert examine(path).damage == ("database disk image is malformed",)


@pytest.mark.parametrize("program", PROGRAMS)
def test_such_a_file_goes_in_and_comes_back(tmp_path: Path, program: str) -> None:
    schema, why = PROGRAMS[program]
    make(tmp_path / "in.db", schema)
    pushed = sldb(tmp_path, "--local", "db", "push", "in.db")
    assert pushed.returncode == 0, pushed.stderr
    assert f"note: not checked for damage: t: {why}; statements that need it fail in sldb" in pushed.stderr
    assert sldb(tmp_path, "--local", "db", "query", "DELETE FROM other").returncode == 0
    assert sldb(tmp_path, "--local", "db", "restore", "--at", "1").returncode == 0
    assert sldb(tmp_path, "--local", "db", "branch", "--as", "copy").returncode == 0
    pulled = sldb(tmp_path, "--local", "db", "--database", "copy", "pull", "out.db")
    assert pulled.returncode == 0, pulled.stderr
    assert "damaged" not in pulled.stderr
    with closing(sqlite3.connect(tmp_path / "out.db")) as connection:
        connection.create_collation("unicase", lambda a, b: (a.lower() > b.lower()) - (a.lower() < b.lower()))
        connection.create_function("isok", 1, lambda _: 1, deterministic=True)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (2000,)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_statement_that_needs_it_says_what_that_means(tmp_path: Path, program: str) -> None:
    schema, why = PROGRAMS[program]
    make(tmp_path / "in.db", schema)
    assert sldb(tmp_path, "--local", "db", "push", "in.db").returncode == 0
    done = sldb(tmp_path, "--local", "db", "query", "PRAGMA quick_check")
    assert (done.returncode, f"error: {why}" in done.stderr) == (1, True)
    assert "the schema uses collations or functions that its program registers with SQLite" in done.stderr
    assert "damaged" not in done.stderr


def test_a_table_that_cannot_be_read_is_not_imported_and_no_bug(tmp_path: Path) -> None:
    make(tmp_path / "in.db", PROGRAMS["a key"][0])
    done = sldb(tmp_path, "--local", "db", "import", "in.db", "--table", "t")
    assert done.returncode == 2
    assert "in.db (t) cannot be read" in done.stderr
    assert "sldb push --local db copies a SQLite file unchanged" in done.stderr

"""A table of sldb's own is one that sldb has made, and nothing else is."""

from __future__ import annotations

import apsw
import pytest

from lambda_handlers.sql.own.own_tables import OwnTable

MINE = OwnTable("_sldb_mine", ("CREATE TABLE _sldb_mine (a PRIMARY KEY)", "CREATE INDEX _sldb_i ON _sldb_mine (a, a)"))


@pytest.fixture
def connection():
    connection = apsw.Connection(":memory:")
    yield connection
    connection.close()


def test_it_is_there_once_it_is_made(connection):
    assert not MINE.is_there(connection)
    MINE.make(connection)
    assert MINE.is_there(connection)
    MINE.make(connection)
    assert MINE.is_there(connection)


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TRIGGER g AFTER INSERT ON _sldb_mine BEGIN SELECT 1; END",
        "CREATE TRIGGER g AFTER INSERT ON _SLDB_MINE BEGIN SELECT 1; END",
        "CREATE TRIGGER g AFTER INSERT ON main.[_Sldb_mine] BEGIN SELECT 1; END",
        "CREATE INDEX i ON _sldb_mine (a)",
        "CREATE INDEX i ON _SLDB_MINE (a)",
        "DROP INDEX _sldb_i",
        "ALTER TABLE _sldb_mine ADD COLUMN b",
        "DROP TABLE _sldb_mine",
        "DROP TABLE _sldb_mine; CREATE TABLE _SLDB_MINE (a PRIMARY KEY); CREATE INDEX _sldb_i ON _SLDB_MINE (a, a)",
        "DROP TABLE _sldb_mine; CREATE VIEW _sldb_mine AS SELECT 1 AS a",
        "DROP TABLE _sldb_mine; CREATE VIEW _SLDB_mine AS SELECT 1 AS a",
        "DROP TABLE _sldb_mine; CREATE VIRTUAL TABLE _SLDB_mine USING fts5(a)",
    ],
)
def test_with_anything_else_it_is_not_and_is_made_anew(connection, schema):
    MINE.make(connection)
    connection.execute(schema)
    assert not MINE.is_there(connection)
    MINE.make(connection)
    assert MINE.is_there(connection)
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'").fetchone() == (0,)


def test_a_temporary_table_of_its_name_is_not_it(connection):
    connection.execute("CREATE TEMP TABLE _sldb_mine (a PRIMARY KEY); CREATE INDEX temp._sldb_i ON _sldb_mine (a, a)")
    assert not MINE.is_there(connection)
    MINE.make(connection)
    assert MINE.is_there(connection)
    assert connection.execute("SELECT count(*) FROM temp.sqlite_schema WHERE name LIKE '%mine'").fetchone() == (1,)

"""Cursors: rows and their factories, what describes them, many parameters, scripts."""

from __future__ import annotations

import pytest

import sldb
from tests.sldb.dbapi.conftest import CountingTarget


def test_rows_come_one_by_one_in_parts_and_all(connection: sldb.Connection) -> None:
    cursor = connection.execute("SELECT value FROM generate_series(1, 7)")
    assert cursor.fetchone() == (1,)
    assert cursor.fetchmany() == [(2,)]
    assert cursor.fetchmany(2) == [(3,), (4,)]
    assert next(cursor) == (5,)
    assert list(cursor) == [(6,), (7,)]
    assert (cursor.fetchone(), cursor.fetchmany(3), cursor.fetchall()) == (None, [], [])


def test_the_description_has_names_and_declared_types(connection: sldb.Connection) -> None:
    cursor = connection.execute("SELECT id, name AS n, id + 1 FROM t")
    assert cursor.description is not None
    assert [column[:2] for column in cursor.description] == [("id", "INTEGER"), ("n", "VARCHAR(20)"), ("id + 1", None)]
    assert cursor.description[0][1] == sldb.NUMBER == "INTEGER"
    assert cursor.description[1][1] == sldb.STRING
    assert cursor.description[0][1] != sldb.STRING
    cursor.execute("INSERT INTO t (name) VALUES ('a')")
    assert cursor.description is None


def test_fetching_without_rows_is_an_error(connection: sldb.Connection) -> None:
    cursor = connection.cursor()
    for statement in (None, "INSERT INTO t (name) VALUES ('a')"):
        if statement:
            cursor.execute(statement)
        for fetch in (cursor.fetchone, cursor.fetchmany, cursor.fetchall, cursor.__next__):
            with pytest.raises(sldb.InterfaceError, match="has no rows"):
                fetch()


def test_rowcount(connection: sldb.Connection) -> None:
    cursor = connection.cursor()
    assert cursor.rowcount == -1
    assert cursor.execute("INSERT INTO t (name) VALUES ('a'), ('b')").rowcount == 2
    assert cursor.execute("UPDATE t SET name = name || '!'").rowcount == 2
    assert cursor.execute("SELECT * FROM t").rowcount == -1
    assert cursor.execute("WITH gone AS (SELECT 1 AS id) DELETE FROM t WHERE id IN gone").rowcount == 1
    assert cursor.execute("CREATE TABLE u (a)").rowcount == -1
    assert connection.total_changes == 5


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT ?, ?2, ?", (1, 2, 3)),
        ("SELECT :a, @b, $c", {"a": 1, "b": 2, "c": 3}),
        ("SELECT :a, :b, :c", {"c": 3, "b": 2, "a": 1, "unused": 4}),
        ("SELECT ?, ?, ? -- and one ? more", [1, 2, 3]),
    ],
)
def test_parameters(connection: sldb.Connection, sql: str, parameters: object) -> None:
    assert connection.execute(sql, parameters).fetchone() == (1, 2, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sql", "parameters", "message"),
    [
        ("SELECT ?", (), "needs 1 parameter, and got 0"),
        ("SELECT ?", (1, 2), "needs 1 parameter, and got 2"),
        ("SELECT :a", {"b": 1}, "binding parameter :a"),
        ("SELECT ?", 5, "unsupported type"),
        ("SELECT ?", (object(),), "type 'object' is not supported"),
        ("SELECT 1; SELECT 2", (), "only execute one statement"),
        ("SELECT '\0'", (), "null character"),
    ],
)
def test_wrong_parameters(connection: sldb.Connection, sql: str, parameters: object, message: str) -> None:
    with pytest.raises(sldb.ProgrammingError, match=message):
        connection.execute(sql, parameters)  # type: ignore[arg-type]


def test_integers_beyond_64_bits(connection: sldb.Connection) -> None:
    assert connection.execute("SELECT ?, ?", (2**63 - 1, -(2**63))).fetchone() == (2**63 - 1, -(2**63))
    with pytest.raises(OverflowError):
        connection.execute("SELECT ?", (2**63,))


def test_comments_alone_are_no_statement(connection: sldb.Connection, target: CountingTarget) -> None:
    cursor = connection.execute("-- nothing")
    assert (cursor.description, target.count()) == (None, 0)


def test_executemany_takes_statements_that_change_rows_only(connection: sldb.Connection) -> None:
    with pytest.raises(sldb.ProgrammingError, match="change rows"):
        connection.executemany("SELECT ?", [(1,)])
    assert connection.executemany("INSERT INTO t (name) VALUES (?)", []).rowcount == 0


def test_executemany_applies_nothing_if_one_row_fails(connection: sldb.Connection) -> None:
    connection.isolation_level = None
    with pytest.raises(sldb.IntegrityError) as caught:
        connection.executemany("INSERT INTO t (name) VALUES (?)", [("a",), ("b",), ("a",)])
    assert caught.value.details["row"] == 2
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_scripts(connection: sldb.Connection, target: CountingTarget) -> None:
    connection.execute("INSERT INTO t (name) VALUES ('committed first')")
    connection.cursor().executescript(
        """
        CREATE TABLE u (a, b DEFAULT ';');
        CREATE TRIGGER r AFTER INSERT ON u BEGIN DELETE FROM t; SELECT 1; END;
        INSERT INTO u (a) VALUES (1);
        """
    )
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    target.count()
    connection.executescript("BEGIN; INSERT INTO u (a) VALUES (2); ROLLBACK; BEGIN; INSERT INTO u (a) VALUES (3);")
    assert connection.in_transaction
    connection.commit()
    assert connection.execute("SELECT a FROM u").fetchall() == [(1,), (3,)]


def test_factories_of_cursors_and_text(connection: sldb.Connection) -> None:
    class Mine(sldb.Cursor):
        pass

    cursor = connection.cursor(Mine)
    cursor.row_factory = lambda of, row: (of.rowcount, *row)
    assert cursor.execute("SELECT 'a'").fetchall() == [(-1, "a")]
    with pytest.raises(TypeError, match="must return a cursor"):
        connection.cursor(lambda _: None)  # type: ignore[arg-type,return-value]
    connection.text_factory = bytes
    assert connection.execute("SELECT 'ä', 1, x'00'").fetchone() == ("ä".encode(), 1, b"\0")


def test_a_subclass_that_does_not_call_the_constructor(connection: sldb.Connection) -> None:
    class Idle(sldb.Cursor):
        def __init__(self, connection: sldb.Connection) -> None:
            """Leave all of it out."""

    class Unconnected(sldb.Connection):
        def __init__(self) -> None:
            """Leave all of it out."""

    with pytest.raises(sldb.ProgrammingError, match="closed cursor"):
        Idle(connection).execute("SELECT 1")
    for call in (Unconnected().cursor, lambda: Unconnected().execute("SELECT 1")):
        with pytest.raises(sldb.ProgrammingError, match="closed connection"):
            call()
    Unconnected().close()


def test_a_closed_cursor_and_a_closed_connection(connection: sldb.Connection) -> None:
    cursor = connection.execute("SELECT 1")
    cursor.close()
    cursor.close()
    with pytest.raises(sldb.ProgrammingError, match="closed cursor"):
        cursor.fetchone()
    other = connection.cursor()
    connection.close()
    connection.close()
    for use in (
        other.fetchall,
        lambda: other.execute("SELECT 1"),
        connection.commit,
        connection.rollback,
        connection.cursor,
    ):
        with pytest.raises(sldb.ProgrammingError, match="closed connection"):
            use()


def test_statistics(connection: sldb.Connection) -> None:
    assert connection.execute("SELECT 1").stats["ms"] >= 0

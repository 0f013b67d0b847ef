"""Shapes hold no literal, whatever SQL they are of: literals are planted in random statements, and looked for."""

from __future__ import annotations

import re

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.insights import shape
from lambda_handlers.insights.shape import MAX_CHARACTERS, shape_of

SHAPES = (
    ("select  Name from users where mail='a@b.c' -- hi", "SELECT Name FROM users WHERE mail = ?"),
    ("SELECT 1 WHERE 2 IN (1,2,\n-3, NULL, :x)", "SELECT ? WHERE ? IN (?, …)"),
    ("SELECT 1 IN(SELECT 2)", "SELECT ? IN (SELECT ?)"),
    ("INSERT INTO t(a,b) values (1,'x',null),(2,?,@n)", "INSERT INTO t(a, b) VALUES (?, …)"),
    ("SELECT -5 - 3, a - -2, (+1), x'ab', 1e5, 0x1F, .5, 1_000, ?1, $a::b(c)", "SELECT ? - ?, a - ?, (?)" + ", ?" * 7),
    ("SELECT a->>'$.x', b||'z', c<<2, d->1 FROM [my t]", "SELECT a ->> ?, b || ?, c << ?, d -> ? FROM [my t]"),
    ("SELECT `a``b` FROM t WHERE true /* unterminated", "SELECT `a``b` FROM t WHERE ?"),
    ("SELECT count(*), coalesce(a, 'x', 1) FROM (SELECT 1);", "SELECT count(*), coalesce(a, ?, ?) FROM (SELECT ?)"),
    ("DELETE FROM t WHERE a BETWEEN 1 AND +2", "DELETE FROM t WHERE a BETWEEN ? AND ?"),
    ("EXPLAIN QUERY PLAN select a2 from t1", "EXPLAIN QUERY PLAN SELECT a2 FROM t1"),
    ("pragma user_version=secret", "PRAGMA user_version …"),
    ("PRAGMA main.cache_size", "PRAGMA main …"),
    ("create table x(a default hello)", "CREATE TABLE x …"),
    ("CREATE UNIQUE INDEX IF NOT EXISTS i ON t(a)", "CREATE UNIQUE INDEX IF NOT EXISTS i …"),
    ("drop table 'secret'", "DROP TABLE …"),
    ("explain pragma a=b", "EXPLAIN PRAGMA a …"),
    ("savepoint secret", "SAVEPOINT …"),
    ("attach 'db' as x", "ATTACH …"),
    (";; VACUUM;", "VACUUM"),
    ('SELECT 1; INSERT INTO "secret"', "SELECT ? …"),
    ("SELECT@x,:y,#z,a$b,$c FROM t", "SELECT ?, ?, ?, a$b, ? FROM t"),
    ("select é, “x” from t", "SELECT é, “x” FROM t"),  # characters of names, all of them
    ("SELECT 'a''b', 'it''s', '--', '/*', '\"'", "SELECT ?, ?, ?, ?, ?"),
    ("\ufeffSELECT/**/1--", "SELECT ?"),
)


@pytest.mark.parametrize(("sql", "want"), SHAPES)
def test_a_shape(sql: str, want: str) -> None:
    assert shape_of(sql) == want


@pytest.mark.parametrize(
    "sql", ["SELECT 'a", 'SELECT "a', "SELECT `a", "SELECT [a", "SELECT 1a", "SELECT 0x", "a ^ b", "\0", "", " ", "--"]
)
def test_what_is_no_sql_has_no_shape(sql: str) -> None:
    assert shape_of(sql) is None


def test_a_double_quoted_name_stays_where_it_can_be_nothing_else() -> None:
    sql = 'SELECT "t"."id", "x", "y", "x" AS "z" FROM "users" AS "t" WHERE "t"."n" = "Bob" AND "rowid" > 1'
    assert shape_of(sql) == (
        'SELECT "t"."id", "name1", "name2", "name1" AS "name3" FROM "users" AS "t"'
        ' WHERE "t"."n" = "name4" AND "rowid" > ?'
    )
    assert '"x", "name1", "x" AS "name2"' in str(shape_of(sql, {"x"}))
    assert shape_of('INSERT INTO "main"."t" ("a", "b""c") SELECT "d"') == (
        'INSERT INTO "main"."t"("a", "b""c") SELECT "name1"'
    )


def test_a_long_statement_is_cut_where_no_literal_is_left() -> None:
    rows = ", ".join(f"({number}, 'secret{number}')" for number in range(3000))
    assert shape_of(f"INSERT INTO t VALUES {rows}") == "INSERT INTO t VALUES (?, …) …"
    assert shape_of(f"SELECT * FROM t WHERE a IN ({', '.join(['7'] * 9000)})") == "SELECT * FROM t WHERE a IN (?, …) …"
    long = str(shape_of(f"SELECT {', '.join(f'column{number}' for number in range(2000))} FROM t"))
    assert (len(long), long[-1]) == (MAX_CHARACTERS, "…")
    assert shape_of(f"SELECT '{'x' * 1_000_000}'") == "SELECT ?"


# What stands in random statements: `{}` is for a planted literal.
_LITERALS = ("'{}'", "'it''s {} ''", "x'{}'", "{}", "-{}", "{}.5e-3", ".{}", "0x{}", '"{}"', "'{}' /* {} */", "'%{}%'")
_PIECES = (
    "SELECT {} FROM t WHERE a = {} AND b LIKE {}",
    "SELECT a AS b, {} || {} FROM t AS x WHERE x.a IN ({}, {}, ?, ?2) LIMIT 3 -- {}",
    'SELECT "a", "t"."b", {} FROM "t" WHERE "a" = {} ORDER BY {} DESC',
    "SELECT a ->> {}, json_extract({}, {}) FROM t /* {} */",
    "INSERT INTO t (a, b) VALUES ({}, {}), ({}, :n)",
    'UPDATE t SET a = {}, "b" = CASE WHEN a > {} THEN {} ELSE b END WHERE a BETWEEN {} AND {}',
    "WITH c(x) AS (VALUES ({}), ({})) SELECT * FROM c, [t] WHERE x <> {} /* {}",
    "DELETE FROM `t` WHERE a GLOB {} OR b IS NOT {}",
    "CREATE TABLE n (a DEFAULT {}, b TEXT CHECK (b <> {}))",
    "CREATE VIEW v AS SELECT {}",
    "PRAGMA user_version = {}",
    "SELECT CAST({} AS TEXT) COLLATE nocase, iif({}, {}, {})",
    "EXPLAIN SELECT {}",
)
_SPACES = st.sampled_from([" ", "\n", "\t ", " /**/ ", " --x\n", "\r\n", "\f"])
SECRET = "4711081547"  # digits alone: it may stand in any kind of literal


@st.composite
def planted(draw: st.DrawFn) -> str:
    piece = draw(st.sampled_from(_PIECES))
    while "{}" in piece:
        literal = draw(st.sampled_from(_LITERALS)).replace("{}", SECRET)
        piece = piece.replace("{}", literal, 1)
    words = [draw(st.sampled_from([word, word.lower()])) if word.isalpha() else word for word in piece.split(" ")]
    return "".join(word + draw(_SPACES) for word in words)


@given(planted())
@example(f"SELECT '{SECRET}")
def test_no_planted_literal_is_in_a_shape(sql: str) -> None:
    assert SECRET not in (shape_of(sql) or "")


_FRAGMENTS = st.sampled_from(
    [
        *(SECRET, *"'\"`[]()?$@:#;,.-+*/_\\\0 \n\ufeffxXeé0", "''", '""', "--", "/*", "*/", "x'", "0x", "1e5"),
        *("SELECT", "t", "a", " FROM t ", " IN (", "NULL", "'s'", "::", "->>", "||", "VALUES (", "as ", "PRAGMA "),
    ]
)


_NAME = re.compile(r"[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*|`[^`]*`|\[[^\]]*\]|\"(?:[^\"]|\"\")*\"")


@given(st.lists(_FRAGMENTS, max_size=30).map("".join))
def test_of_any_text_only_names_stay(sql: str) -> None:
    assert SECRET not in _NAME.sub("", shape_of(sql) or "")


def _watched_shapes(sql: str) -> list[str]:
    """Return the shapes that the watch sees of statements as SQLite runs them, whose authorizer it is shown."""
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE t (a, b)")
    known: set[str] = set()

    def note(action: int, one: str | None, two: str | None, *_: object) -> int:
        if action in (apsw.SQLITE_READ, apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE):
            known.update(name.lower() for name in (one, two) if name)
        return apsw.SQLITE_OK

    connection.authorizer = note
    try:
        connection.execute(sql, apsw._null_bindings)  # type: ignore[attr-defined]
    except apsw.Error:
        return []
    return [text for text in [shape_of(sql, known)] if text is not None]


@given(planted())
def test_a_string_in_double_quotes_is_none_of_the_names_that_sqlite_looks_up(sql: str) -> None:
    assert all(SECRET not in text for text in _watched_shapes(sql))


@given(planted())
def test_a_shape_is_its_own_shape(sql: str) -> None:
    text = shape_of(sql)
    if text is not None and "…" not in text and '"name' not in text:
        assert shape_of(text) == text


def test_the_caches_are_limited() -> None:
    for number in range(2000):
        shape_of(f"SELECT column{number} FROM t WHERE a = 'secret{number}'")
    for cached in (shape._cached_mask, shape._ordered):
        assert cached.cache_info().currsize <= 256

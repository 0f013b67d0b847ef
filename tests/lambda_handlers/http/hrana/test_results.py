"""Results of statements as SQL over HTTP shows them."""

from __future__ import annotations

import pytest

from lambda_handlers.http.bodies import StreamedRows
from lambda_handlers.http.hrana.results import changed_rows, statement_result
from lambda_handlers.wire import Column, Result, StoredRows

SHOWN = StreamedRows(iter(()))
ROWS = Result((Column("a", "TEXT"),), [("x",), ("y",)], 2, 7)


@pytest.mark.parametrize(
    ("sql", "changed"),
    [
        ("SELECT a FROM t", 0),
        ("VALUES (1), (2)", 0),
        ("SELECT 'INSERT' FROM t", 0),
        ("PRAGMA table_info(t)", 0),
        ("EXPLAIN DELETE FROM t", 0),
        ("WITH d AS (SELECT 1) SELECT replace(a, 'x', 'y') FROM d", 0),
        ("INSERT INTO t VALUES ('x'), ('y') RETURNING a", 2),
        ("/* SELECT */ update t SET a = 1 RETURNING a", 2),
        ("DELETE FROM t RETURNING a", 2),
        ("REPLACE INTO t VALUES ('x'), ('y') RETURNING a", 2),
        ("WITH d AS (SELECT ')' FROM (VALUES (1))) DELETE FROM t RETURNING a", 2),
        ('WITH RECURSIVE "select"(a) AS (VALUES (1)) INSERT INTO t SELECT a FROM "select" RETURNING a', 2),
    ],
)
def test_rows_returned_are_changed_ones_only_with_returning(sql, changed):
    assert changed_rows(ROWS, sql) == changed


def test_the_fields():
    sql = "INSERT INTO t VALUES ('x'), ('y') RETURNING a"
    assert statement_result(ROWS, SHOWN, sql, 1.5) == {
        "cols": [{"name": "a", "decltype": "TEXT"}],
        "rows": SHOWN,
        "affected_row_count": 2,
        "last_insert_rowid": "7",
        "rows_read": 2,
        "rows_written": 2,
        "query_duration_ms": 1.5,
    }


def test_stored_rows_are_rows_read():
    stored = Result((Column("a", "TEXT"),), rowcount=9, stored=StoredRows("key", 9))
    assert statement_result(stored, SHOWN, "SELECT a FROM t", 0.0)["rows_read"] == 9


def test_without_an_inserted_row_there_is_no_rowid():
    ignored = Result(rowcount=0, lastrowid=7)
    shown = statement_result(ignored, SHOWN, "INSERT OR IGNORE INTO t VALUES (1)", 0.0)
    assert shown["last_insert_rowid"] is None

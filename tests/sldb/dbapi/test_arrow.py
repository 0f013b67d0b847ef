"""Rows as Arrow record batches."""

from __future__ import annotations

import datetime
import sys

import pyarrow
import pytest

import sldb
from tests.sldb.dbapi.conftest import Connect

TODAY = datetime.date(2026, 11, 27)


@pytest.fixture
def filled(connect: Connect) -> sldb.Connection:
    made = connect(detect_types=sldb.PARSE_DECLTYPES)
    with made:
        made.execute("CREATE TABLE t (i BIGINT, r REAL, s VARCHAR(9), b BLOB, d DATE, n NUMERIC)")
        rows = [(1 << 60, 1, "é", b"\0", TODAY, 2.5), (None,) * 6, (-1, 0.5, "", b"", TODAY, 7)]
        made.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", rows)
    return made


def test_batches_have_the_types_of_the_columns(filled: sldb.Connection) -> None:
    reader = filled.execute("SELECT *, i + 1, NULL AS i FROM t").fetch_arrow(size=2)
    assert [str(field.type) for field in reader.schema] == [
        *("int64", "double", "string", "binary", "date32[day]", "double", "int64", "string")
    ]
    assert reader.schema.names == ["i", "r", "s", "b", "d", "n", "i + 1", "i_2"]
    first, second = list(reader)
    assert (first.num_rows, second.num_rows) == (2, 1)
    assert first.to_pylist()[0] == {
        "i": 1 << 60,
        "r": 1.0,
        "s": "é",
        "b": b"\0",
        "d": TODAY,
        "n": 2.5,
        "i + 1": (1 << 60) + 1,
        "i_2": None,
    }
    assert set(first.to_pylist()[1].values()) == {None}


def test_it_goes_on_where_the_rows_are(filled: sldb.Connection) -> None:
    cursor = filled.execute("SELECT i FROM t")
    cursor.fetchone()
    assert cursor.fetch_arrow().read_all() == pyarrow.table({"i": pyarrow.array([None, -1], pyarrow.int64())})
    assert cursor.fetch_arrow().read_all().num_rows == 0


def test_a_column_of_several_types_is_an_error(filled: sldb.Connection) -> None:
    for values in ("(1), ('x')", "(1), (2), ('x')"):
        cursor = filled.execute(f"SELECT * FROM (VALUES {values})")
        with pytest.raises(sldb.DataError, match=r"column1: .* CAST"):
            list(cursor.fetch_arrow(size=2))
    filled.execute("INSERT INTO t (i) VALUES ('no integer')")
    with pytest.raises(sldb.DataError):
        filled.execute("SELECT i FROM t").fetch_arrow()
    filled.rollback()


def test_what_has_no_columns(filled: sldb.Connection) -> None:
    with pytest.raises(sldb.InterfaceError, match="no rows"):
        filled.execute("DELETE FROM t").fetch_arrow()
    filled.row_factory = sldb.Row
    with pytest.raises(sldb.InterfaceError, match="row_factory"):
        filled.execute("SELECT 1").fetch_arrow()


def test_without_pyarrow_the_error_names_the_extra(filled: sldb.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(sldb.NotSupportedError, match=r"sldb\[parquet\]"):
        filled.execute("SELECT 1").fetch_arrow()

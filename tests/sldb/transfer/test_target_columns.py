"""The affinities of declared types are those of SQLite."""

from __future__ import annotations

import apsw
import pytest

from sldb.transfer.target_columns import affinity, is_number


@pytest.mark.parametrize(
    "declared",
    ["INT", "bigint", "VARCHAR(9)", "text", "", "REAL", "FLOAT", "DOUBLE", "DATE", "CHARINT"],
)
def test_they_are_those_of_sqlite(declared: str) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(f"CREATE TABLE t (v {declared})")
    connection.execute("INSERT INTO t VALUES ('1.0')")
    [(kind,)] = connection.execute("SELECT typeof(v) FROM t")
    assert kind == {"INTEGER": "integer", "NUMERIC": "integer", "REAL": "real"}.get(affinity(declared), "text")
    assert is_number(declared) == (kind != "text")

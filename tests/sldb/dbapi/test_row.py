"""Rows whose values are found by names."""

from __future__ import annotations

import pytest

import sldb


def test_rows_by_name(connection: sldb.Connection) -> None:
    connection.row_factory = sldb.Row
    row = connection.execute("SELECT 1 AS one, 2 AS Two").fetchone()
    assert (row["ONE"], row["two"], row[0], row[-1], row[:], row.keys(), len(row)) == (
        1,
        2,
        1,
        2,
        (1, 2),
        ["one", "Two"],
        2,
    )
    assert row == connection.execute("SELECT 1 AS one, 2 AS Two").fetchone()
    assert hash(row) == hash(connection.execute("SELECT 1 AS one, 2 AS Two").fetchone())
    with pytest.raises(IndexError):
        row["three"]
    with pytest.raises(IndexError):
        row[2]

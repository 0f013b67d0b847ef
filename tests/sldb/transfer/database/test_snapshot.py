"""Reading more than one reply holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lambda_handlers.wire import Request, Statement
from sldb.client import Client
from sldb.transfer.database import schema
from sldb.transfer.database.snapshot import QueryScan, Snapshot
from tests.fakes.targets.limited_target import LimitedTarget

ROWS = 40_000
COUNTING = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
TABLES = {
    "plain": "CREATE TABLE t (i INT, x TEXT)",
    "integer key": "CREATE TABLE t (i INTEGER PRIMARY KEY, x TEXT)",
    "without rowid": "CREATE TABLE t (i INT, x TEXT, PRIMARY KEY (x, i)) WITHOUT ROWID",
    "rowid hidden": "CREATE TABLE t (i INT, x TEXT, rowid INT, oid INT, _rowid_ INT)",
}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    client = Client(LimitedTarget(tmp_path / "db"))
    yield client
    client.close()


def write(client: Client, *queries: str) -> None:
    client.execute(Request(tuple(map(Statement, queries))))


@pytest.mark.parametrize("made", TABLES.values(), ids=TABLES)
def test_a_table_of_any_size_is_read_in_pages(client: Client, made: str) -> None:
    write(client, made, f"{COUNTING} INSERT INTO t (i, x) SELECT i, printf('%.*c', 1 + i % 300, 'x') FROM n")
    source = Snapshot(client)
    table = schema.read_schema(source).table("T")
    assert table is not None
    pages = list(source.scan(table.scan(table.columns)))
    rows = [row[1:3] for page in pages for row in page]
    assert sorted(rows) == sorted((i, "x" * (1 + i % 300)) for i in range(1, ROWS + 1))
    assert len(pages) < 16  # 6 MB


def test_a_query_is_read_in_its_order(client: Client) -> None:
    write(client, "CREATE TABLE t (i)", f"{COUNTING} INSERT INTO t SELECT i FROM n")
    pages = list(Snapshot(client).scan(QueryScan("SELECT i FROM t WHERE i % 2 ORDER BY -i -- from the last on")))
    assert [row[0] for page in pages for row in page] == [i for i in range(ROWS, 0, -1) if i % 2]


def test_few_rows_are_one_request(client: Client) -> None:
    write(client, "CREATE TABLE t (i)", "INSERT INTO t VALUES (1), (2)")
    source = Snapshot(client)
    before = source.requests
    assert list(source.scan(QueryScan("SELECT i FROM t"))) == [[(1,), (2,)]]
    assert source.requests == before + 1


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_a_value_larger_than_a_reply_comes_in_pieces(client: Client, encoding: str) -> None:
    write(
        client,
        f"PRAGMA encoding = '{encoding}'",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, small, long TEXT, blob BLOB)",
        "INSERT INTO t VALUES (1, 1.5, 'a', x'00'), (2, NULL, char(0, 8364) || printf('%.*c', 2500000, 'é'), "
        "zeroblob(4500001)), (3, 'z', 'b', NULL)",
    )
    source = Snapshot(client)
    table = schema.read_schema(source).table("t")
    assert table is not None
    assert [row for page in source.scan(table.scan(table.columns)) for row in page] == [
        (1, 1, 1.5, "a", b"\0"),
        (2, 2, None, "\0€" + "é" * 2_500_000, bytes(4_500_001)),
        (3, 3, "z", "b", None),
    ]


def test_what_was_written_later_is_not_read(client: Client) -> None:
    write(client, "CREATE TABLE t (i)", f"{COUNTING} INSERT INTO t SELECT i FROM n")
    source = Snapshot(client)
    pages = source.scan(QueryScan("SELECT i FROM t"))
    first = next(pages)
    write(client, "DELETE FROM t")
    assert len(first) + sum(map(len, pages)) == ROWS
    assert Snapshot(client, at=source.txid).rows("SELECT count(*) FROM t") == [(ROWS,)]
    assert Snapshot(client).rows("SELECT count(*) FROM t") == [(0,)]

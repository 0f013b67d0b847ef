"""The estimate of rows, over a directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lambda_handlers.wire import Request, Statement
from sldb.client import Client
from sldb.targets.local import LocalTarget
from sldb.transfer.database import schema, selection
from sldb.transfer.database.row_estimate import begin_rows, estimate_rows
from sldb.transfer.database.snapshot import Snapshot
from tests.fakes.seen_progress import SeenProgress

WITH_ID = "CREATE TABLE a (id INTEGER PRIMARY KEY)"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    client = Client(LocalTarget(tmp_path))
    yield client
    client.close()


def estimate(client: Client, *setup: str) -> int | None:
    client.execute(Request(tuple(map(Statement, setup))))
    source = Snapshot(client)
    return estimate_rows(source, schema.read_schema(source).tables)


def test_rows_that_were_counted_up_are_known_exactly(client: Client) -> None:
    fill = "INSERT INTO a SELECT value FROM json_each('[1,2,3,4,5,6]')"
    assert estimate(client, "CREATE TABLE a (x)", 'CREATE TABLE "b ""c" (rowid, y)', fill) == 6


@pytest.mark.parametrize(
    "setup",
    [
        ("CREATE TABLE a (x PRIMARY KEY) WITHOUT ROWID",),
        ("CREATE TABLE a (rowid, oid, _rowid_)",),
        (
            WITH_ID,
            "INSERT INTO a VALUES (-9223372036854775807), (9223372036854775807)",
        ),
        (WITH_ID, "INSERT INTO a VALUES (1), (900000000)"),
    ],
)
def test_others_are_not_known(client: Client, setup: tuple[str, ...]) -> None:
    assert estimate(client, *setup) is None


def test_the_step_of_a_selection_has_its_rows(client: Client) -> None:
    client.execute(Request(tuple(map(Statement, ("CREATE TABLE a (x)", "INSERT INTO a VALUES (1), (2)")))))
    seen = SeenProgress()
    source = Snapshot(client, progress=seen)
    for what in (selection.table(source, "a"), selection.query(source, "SELECT 1", "query"), None):
        begin_rows(seen, "exporting", source, what)
    assert [totals["rows"] for _, totals in seen.begun] == [2, None, 2]


def test_the_snapshot_reports_the_rows_that_it_reads(client: Client) -> None:
    client.execute(Request(tuple(map(Statement, ("CREATE TABLE a (x)", "INSERT INTO a VALUES (1), (2)")))))
    seen = SeenProgress()
    assert len(Snapshot(client, progress=seen).rows("SELECT x FROM a")) == 2
    assert seen.amounts["rows"] == 2

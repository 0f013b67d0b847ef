"""SQLite's own logic tests and a well-known database, through requests to the product."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.service import Service
from lambda_handlers.settings import MIB, Settings
from lambda_handlers.wire import Reply, Request, SldbError, Statement
from tests.oracles.sqllogictest import Record, agrees, digest, parse, result_lines

DATA = Path(__file__).parents[3] / "shared" / "data"
FILES = sorted(path for path in (DATA / "sqllogictest").rglob("*.test") if path.stat().st_size)
CHINOOK = DATA / "chinook.sqlite"
BATCH = 250  # records of one request
# Where this product differs on purpose, by file and line: what is TEMP lives as long as one request.
DIFFERENT = {("slt_lang_createview", 114), ("slt_lang_createview", 118)}

needs_chinook = pytest.mark.skipif(not CHINOOK.exists(), reason="no shared/data beside the project")


class Target:
    """A container over a directory."""

    def __init__(self, directory: Path) -> None:
        settings = Settings(
            (directory / "store").as_uri(),
            lock="none",
            memory_bytes=1024 * MIB,
            temp_dir=str(directory),
            log_level="error",
        )
        self.service = Service(settings)

    def send(self, statements: Iterable[Statement]) -> Reply:
        return self.service.reply(Request(tuple(statements)))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.send([Statement(query)]).results[0].rows


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    target = Target(tmp_path)
    yield target
    target.service.close()


def batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield batches of records; one that may fail or has several results is alone: a request is one transaction."""
    batch: list[Record] = []
    for record in records:
        is_alone = record.may_fail or not record.is_one_statement
        if batch and (is_alone or len(batch) == BATCH):
            yield batch
            batch = []
        if is_alone:
            yield [record]
        else:
            batch.append(record)
    if batch:
        yield batch


def failures(target: Target, batch: list[Record], labels: dict[str, str]) -> Iterator[str]:
    try:
        reply = target.send(Statement(record.sql) for record in batch)
    except SldbError as error:
        record = batch[error.details.get("statement", 0) if len(batch) > 1 else 0]
        if not record.may_fail or error.code not in ("sql_error", "constraint"):
            yield f"line {record.line}: {record.sql}\n  {error.code}: {error.message}"
        return
    for record, result in zip(batch, reply.results[-len(batch) :], strict=True):
        if record.must_fail:
            yield f"line {record.line}: {record.sql}\n  did not fail"
        elif record.expected is not None:
            values = result_lines(record, result.rows)
            if not agrees(record, values):
                yield f"line {record.line}: {record.sql}\n  got {values[:20]}, want {record.expected[:20]}"
            if record.label and labels.setdefault(record.label, digest(values)) != digest(values):
                yield f"line {record.line}: {record.sql}\n  differs from the others of {record.label}"


@pytest.mark.skipif(not FILES, reason="no shared/data beside the project")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_sqllogictest(target: Target, path: Path) -> None:
    records = [record for record in parse(path.read_text()) if (path.stem, record.line) not in DIFFERENT]
    labels: dict[str, str] = {}

    assert len(records) > 3
    print(f"{path.stem}: {len(records)} records")  # shown with -rP or -s; the sum stands in docs/reliability.md
    assert [failure for batch in batches(records) for failure in failures(target, batch, labels)] == []


# The runner itself: what it must not let pass


@pytest.mark.parametrize(
    ("text", "is_wrong"),
    [
        ("query I nosort\nSELECT 1\n----\n1\n", False),
        ("query I nosort\nSELECT 1\n----\n2\n", True),
        ("query I nosort\nSELECT 1\n----\n", True),
        ("query II rowsort\nSELECT 3, 1 UNION ALL SELECT 2, 9\n----\n2\n9\n3\n1\n", False),
        ("query II valuesort\nSELECT 3, 1 UNION ALL SELECT 2, 9\n----\n1\n2\n3\n9\n", False),
        ("query II nosort\nSELECT 3, 1 UNION ALL SELECT 2, 9\n----\n2\n9\n3\n1\n", True),
        ("query TRI nosort\nSELECT '', 1.23456, NULL\n----\n(empty)\n1.235\nNULL\n", False),
        ("query T nosort\nSELECT char(10) || 'é'\n----\n@@\n", False),
        ("query I nosort\nSELECT 1\n----\n1 values hashing to b026324c6904b2a9cb4b88d6d61c81d1\n", False),
        ("query I nosort\nSELECT 2\n----\n1 values hashing to b026324c6904b2a9cb4b88d6d61c81d1\n", True),
        ("statement ok\nSELECT 1\n", False),
        ("statement ok\nSELECT nonsense\n", True),
        ("statement error\nSELECT nonsense\n", False),
        ("statement error\nSELECT 1\n", True),
        ("statement error\nATTACH 'x' AS x\n", True),  # fails, but not for a reason of SQL
        ("onlyif mssql\nstatement ok\nSELECT nonsense\n", False),
        ("skipif sqlite\nstatement ok\nSELECT nonsense\n", False),
        ("skipif mssql\nonlyif sqlite\nstatement ok\nSELECT nonsense\n", True),
        ("onlyif mssql # why\nhalt\n\nstatement ok\nSELECT nonsense\n", True),
        ("onlyif sqlite\nhalt\n\nstatement ok\nSELECT nonsense\n", False),
        ("query I nosort a\nSELECT 1\n----\n1\n\nquery I nosort a\nSELECT 2\n----\n2\n", True),
    ],
)
def test_the_runner_sees_what_is_wrong(target: Target, text: str, is_wrong: bool) -> None:
    labels: dict[str, str] = {}
    found = [failure for batch in batches(parse(text)) for failure in failures(target, batch, labels)]

    assert bool(found) == is_wrong, found


# Chinook: a shop of 11 tables and 15,000 rows

QUERIES = (
    "SELECT count(*), sum(Total), min(InvoiceDate), max(InvoiceDate) FROM Invoice",
    """SELECT ar.Name, count(*) AS tracks, sum(t.Milliseconds), avg(t.Bytes) FROM Track t
       JOIN Album al ON al.AlbumId = t.AlbumId JOIN Artist ar ON ar.ArtistId = al.ArtistId
       GROUP BY ar.ArtistId ORDER BY tracks DESC, ar.Name LIMIT 20""",
    """SELECT c.Country, g.Name, sum(il.UnitPrice * il.Quantity) AS paid FROM InvoiceLine il
       JOIN Invoice i USING (InvoiceId) JOIN Customer c USING (CustomerId) JOIN Track t USING (TrackId)
       JOIN Genre g USING (GenreId) GROUP BY 1, 2 HAVING paid > 5 ORDER BY 1, 2""",
    """WITH RECURSIVE chain(id, name, depth) AS (
         SELECT EmployeeId, LastName, 0 FROM Employee WHERE ReportsTo IS NULL
         UNION ALL SELECT e.EmployeeId, e.LastName, depth + 1 FROM Employee e JOIN chain ON e.ReportsTo = chain.id)
       SELECT * FROM chain ORDER BY depth, name""",
    """SELECT CustomerId, InvoiceId, Total, sum(Total) OVER (PARTITION BY CustomerId ORDER BY InvoiceDate, InvoiceId),
       rank() OVER (ORDER BY Total DESC, InvoiceId) FROM Invoice ORDER BY InvoiceId""",
    "SELECT Name, Composer FROM Track WHERE Composer LIKE '%mozart%' OR Name GLOB '*[[]Live[]]*' ORDER BY TrackId",
    "SELECT hex(Title), length(Title), length(CAST(Title AS BLOB)) FROM Album WHERE Title GLOB '*[^ -~]*' ORDER BY 1",
    """SELECT p.Name, count(pt.TrackId) FROM Playlist p LEFT JOIN PlaylistTrack pt USING (PlaylistId)
       GROUP BY p.PlaylistId ORDER BY p.PlaylistId""",
    "SELECT BillingState IS NULL, typeof(Total), count(*) FROM Invoice GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT a.TrackId, b.TrackId FROM Track a JOIN Track b ON a.Name = b.Name AND a.TrackId < b.TrackId ORDER BY 1, 2",
)  # fmt: skip


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def copy(source: sqlite3.Connection, target: Target) -> list[str]:
    """Copy schema and rows by requests, a few hundred rows each; return the names of the tables.

    A child's rows may come before its parent's; like a dump, the copy turns foreign keys off.
    """
    unordered = Statement("PRAGMA foreign_keys = OFF")
    schema = source.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    )
    parts = schema.fetchall()
    tables = [name for kind, name, _ in parts if kind == "table"]
    target.send(Statement(sql) for kind, _, sql in parts if kind == "table")
    for table in tables:
        rows = source.execute(f"SELECT * FROM {quoted(table)}").fetchall()
        for start in range(0, len(rows), 500):
            marks = ", ".join("?" * len(rows[0]))
            insert = f"INSERT INTO {quoted(table)} VALUES ({marks})"
            target.send([unordered, *(Statement(insert, tuple(row)) for row in rows[start : start + 500])])
    target.send(Statement(sql) for kind, _, sql in parts if kind != "table")
    return tables


def rounded(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """SQLite adds floats with less error since 3.43; Python's own may be older."""
    return [tuple(round(value, 9) if isinstance(value, float) else value for value in row) for row in rows]


@needs_chinook
def test_chinook(target: Target, tmp_path: Path) -> None:
    with closing(sqlite3.connect(f"{CHINOOK.as_uri()}?mode=ro&immutable=1", uri=True)) as source:
        tables = copy(source, target)
        target.service.close()  # what follows is read from the log
        assert len(tables) >= 11
        for query in (*QUERIES, *(f"SELECT * FROM {quoted(table)} ORDER BY 1, 2" for table in tables)):
            expected = rounded(source.execute(query).fetchall())
            assert expected, query
            assert rounded(target.rows(query)) == expected, query
    assert target.rows("PRAGMA integrity_check") == [("ok",)]
    assert target.rows("PRAGMA foreign_key_check") == []
    target.send([Statement("VACUUM")])
    assert target.rows("PRAGMA integrity_check") == [("ok",)]

"""`sldb insights`: lines of requests summed by shapes, and the command over a stack and a directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sldb import price
from sldb.ops import insights
from sldb.ops.logs import LogEvent
from sldb.shell.index_advice import Schema
from tests.sldb.commands import Commands
from tests.sldb.ops.test_logs import put

MACHINE = {"memory_mb": 1024, "architecture": "aarch64"}
READ, WRITE = "SELECT * FROM users WHERE mail = ?", "INSERT INTO users VALUES (?, …)"
INDEX = "CREATE INDEX users_mail ON users (mail);"
SCHEMA = Schema(["CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT, karma INT)"])


def line(*entries: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"event": "request", "database": "main", "ms": 10.0, "statements": list(entries), **fields}


def entry(shape: str = READ, ms: float = 1.0, calls: int = 1, **fields: int) -> dict[str, Any]:
    return {"shape": shape, "calls": calls, "ms": ms, "max_ms": ms, **fields}


def test_times_and_counts_of_a_shape_are_those_of_all_its_calls() -> None:
    lines = [line(entry(ms=float(number), rows=2, scan_steps=5)) for number in range(1, 100)]
    lines += [line(entry(ms=400.0, calls=4, failed=1))]
    (one,) = insights.summed(lines, {})
    assert (one.calls, one.failed, one.rows, one.rows_scanned, one.reads_all) == (103, 1, 198, 495, True)
    assert (one.p50_ms, one.p95_ms, one.max_ms, one.total_ms) == (52.0, 98.0, 400.0, 99 * 50 + 400)
    assert one.dollars == 0  # over a directory a second costs nothing


def test_the_dollars_of_a_request_are_those_of_its_statements() -> None:
    stats = {**MACHINE, "store_requests": 6, "store_writes": 2}
    read, write = entry(ms=2.0, store_requests=3), entry(WRITE, 4.0, writes=1)
    found = {one.shape: one.dollars for one in insights.summed([line(read, write, **stats)], {})}
    assert sum(found.values()) == pytest.approx(price.estimate({**stats, "ms": 10.0}))
    # What the request took besides (lock, commit) goes to the statement that wrote.
    assert found[READ] == pytest.approx(0.002 * price.LAMBDA_GB_SECOND["aarch64"] + 3 * price.S3_READ)
    alone = insights.summed([line(read, entry("SELECT ?", 2.0), **stats)], {})
    assert alone[0].dollars - alone[1].dollars == pytest.approx(3 * price.S3_READ)


def test_a_request_that_failed_has_its_time_and_what_its_statements_took() -> None:
    (one,) = insights.summed([line(entry(ms=9_000.0, failed=1, store_requests=10), ms=10_000.0)], MACHINE)
    want = price.estimate({**MACHINE, "ms": 10_000.0, "store_requests": 10, "store_writes": 0})
    assert one.dollars == pytest.approx(want)


def test_the_orders() -> None:
    cheap, often = line(entry("slow", ms=9.0)), line(entry("often", ms=2.0, calls=3, store_requests=2000))
    found = insights.summed([cheap, often], MACHINE)
    assert [insights.top(found, order, 1)[0].shape for order in insights.ORDERS] == ["slow", "often", "often"]
    assert len(insights.top(found, "time", 5)) == 2


@pytest.mark.parametrize(
    ("shape", "want"),
    [
        (READ, [INDEX]),
        ('SELECT "t"."id" FROM "users" AS "t" WHERE "t"."mail" IN (?, …)', [INDEX]),
        ('UPDATE users SET karma = ? WHERE mail = "name1"', [INDEX]),
        (WRITE, []),
        ("SELECT * FROM gone WHERE a = ?", []),
        ("CREATE TABLE users …", []),
    ],
)
def test_advice(shape: str, want: list[str]) -> None:
    assert insights.advice(shape, SCHEMA) == want


def test_other_lines_have_no_statements() -> None:
    messages = ['{"event":"request","status":200}', "START statements", '{"event":"request","statements":3}', "{"]
    assert list(insights.lines_of(LogEvent("1", 0, message) for message in messages)) == []


@pytest.mark.long
def test_the_command_over_a_stack(sldb: Commands) -> None:
    sldb.ok("deploy", "--readers", "--insights")
    for name in ("test-db-function", "test-db-function-read"):
        variables = sldb.client("lambda").get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        assert variables["SLDB_INSIGHTS"] == "true"
    put(sldb, json.dumps(line(entry(scan_steps=9, ms=5.0), **MACHINE, store_requests=1, store_writes=0)), "statements")
    put(sldb, json.dumps(line(entry("old"))), ago_seconds=7200)
    ran = sldb.ok("insights", "--no-advice", "--format", "json")
    (row,) = json.loads(ran.out)
    assert (row["database"], row["statement"], row["calls"], row["p95_ms"]) == ("main", READ, 1, 5.0)
    assert row["dollars"] > 0
    assert len(json.loads(sldb.ok("insights", "--no-advice", "--since", "1d", "--format", "json").out)) == 2
    assert sldb("insights", "--top", "0").status == 2
    assert sldb("--target", "https://example.com", "insights").status == 2


def test_the_command_over_a_directory(sldb: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = ("--local", str(tmp_path / "data"))
    made = "CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT); INSERT INTO users (mail) VALUES ('secret'), ('x')"
    sldb.ok(*local, "query", made)
    assert "need SLDB_INSIGHTS=true" in sldb.ok(*local, "insights").err
    monkeypatch.setenv("SLDB_INSIGHTS", "true")
    sldb.ok(*local, "query", "SELECT * FROM users WHERE mail = 'secret'")
    ran = sldb.ok(*local, "insights")
    assert READ in ran.out
    assert INDEX in ran.err
    rows = json.loads(sldb.ok(*local, "insights", "--format", "json").out)
    (row,) = [row for row in rows if row["statement"] == READ]
    assert (row["rows_scanned"], row["indexes"]) == (1, INDEX)
    assert "secret" not in ran.out + ran.err + (tmp_path / "data/_insights/statements.jsonl").read_text()

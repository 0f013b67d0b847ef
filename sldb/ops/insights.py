"""The slowest and most expensive shapes of statements, from the lines that the functions write for each request.

docs/insights.md describes the lines. Dollars are those of `sldb.price`: the time and the store requests of the
statements themselves, and an even share of the rest of their request (lock, commit, start of the request) for each
statement of it that wrote, or for each of one that only read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import apsw

from sldb import price
from sldb.ops.logs import LogEvent
from sldb.shell.index_advice import Schema, advise

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = ("time", "cost", "calls")
MAX_LINES = 200_000  # read at a time
PATTERN = '"statements"'  # of the lines, for CloudWatch
_MORE = "…"


@dataclass(frozen=True, slots=True)
class Insight:
    """The use of time and money by the statements of one shape in one database."""

    database: str
    shape: str
    calls: int
    failed: int
    total_ms: float
    p50_ms: float
    p95_ms: float
    max_ms: float
    rows: int  # returned
    changes: int
    rows_scanned: int
    makes_index: bool  # SQLite made an index for a single run
    store_requests: int
    dollars: float

    @property
    def reads_all(self) -> bool:
        """True if SQLite read whole tables, or made an index for a single run."""
        return self.rows_scanned > 0 or self.makes_index


@dataclass(slots=True)
class _Sum:
    times: list[tuple[float, int]] = field(default_factory=list)  # milliseconds, and the calls that took them
    max_ms: float = 0.0
    dollars: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, entry: Mapping[str, Any], dollars: float) -> None:
        calls = max(1, int(entry["calls"]))
        self.times.append((float(entry.get("ms", 0.0)) / calls, calls))
        self.max_ms = max(self.max_ms, float(entry.get("max_ms", 0.0)))
        self.dollars += dollars
        for name, value in entry.items():
            if isinstance(value, int):
                self.counts[name] = self.counts.get(name, 0) + value

    def insight(self, database: str, shape: str) -> Insight:
        count, times = self.counts.get, sorted(self.times)
        return Insight(
            database=database,
            shape=shape,
            calls=count("calls", 0),
            failed=count("failed", 0),
            total_ms=round(sum(ms * calls for ms, calls in times), 3),
            p50_ms=_percentile(times, 0.5),
            p95_ms=_percentile(times, 0.95),
            max_ms=self.max_ms,
            rows=count("rows", 0),
            changes=count("changes", 0),
            rows_scanned=count("scan_steps", 0),
            makes_index=count("auto_index_rows", 0) > 0,
            store_requests=count("store_requests", 0),
            dollars=self.dollars,
        )


def lines_of(events: Iterable[LogEvent]) -> Iterator[Mapping[str, Any]]:
    """Yield the lines that have statements."""
    for event in events:
        fields = event.fields
        if fields is not None and isinstance(fields.get("statements"), list):
            yield fields


def kept_lines(directory: Path) -> list[Mapping[str, Any]]:
    """Return the lines kept in a directory, the oldest first."""
    from sldb.targets.local import kept_insights

    return [json.loads(line) for line in kept_insights(directory)]


def summed(lines: Iterable[Mapping[str, Any]], machine: Mapping[str, Any]) -> list[Insight]:
    """Return the insights of the lines. `machine`: `memory_mb` and `architecture` of the function, for lines without
    them; empty if a second costs nothing."""
    sums: dict[tuple[str, str], _Sum] = {}
    for line in lines:
        entries = [entry for entry in line["statements"] if isinstance(entry, dict) and "shape" in entry]
        for entry, dollars in zip(entries, _shares({**machine, **line}, entries), strict=True):
            key = str(line.get("database") or ""), str(entry["shape"])
            sums.setdefault(key, _Sum()).add(entry, dollars)
    return [sum_.insight(*key) for key, sum_ in sums.items()]


def top(insights: Iterable[Insight], order: str, count: int) -> list[Insight]:
    """Return the first ones by an order of ORDERS."""
    keys = {"time": lambda one: one.total_ms, "cost": lambda one: one.dollars, "calls": lambda one: one.calls}
    return sorted(insights, key=lambda one: (-keys[order](one), one.database, one.shape))[:count]


def advice(shape: str, schema: Schema) -> list[str]:
    """Return CREATE INDEX statements for the statements of a shape; none if SQLite cannot plan it."""
    sql = shape.replace(f"(?, {_MORE})", "(?)")
    if _MORE in sql:
        return []
    try:
        return advise(sql, schema)
    except apsw.Error:  # a table that is gone, or a literal that the grammar wants
        return []


def schema_of(objects: Sequence[Sequence[Any]], statistics: Sequence[Sequence[Any]]) -> Schema:
    """Return the schema from rows (name, sql) and rows of sqlite_stat1."""
    made = [str(text) for _, text in objects if text is not None]
    return Schema(made, [(table, index, stat) for table, index, stat in statistics])


def _shares(line: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the dollars of each entry; together they are those of the request."""
    own = [_own_dollars(line, entry) for entry in entries]
    sums = {name: sum(entry.get(name, 0) for entry in entries) for name in ("store_requests", "store_writes")}
    rest = max(0.0, price.estimate({**sums, **line}) - sum(own))
    wrote = [int(entry.get("writes", 0)) for entry in entries]
    weights = wrote if any(wrote) else [int(entry["calls"]) for entry in entries]
    return [dollars + rest * weight / sum(weights) for dollars, weight in zip(own, weights, strict=True)]


def _own_dollars(line: Mapping[str, Any], entry: Mapping[str, Any]) -> float:
    if "memory_mb" not in line:
        return 0.0
    with_request = price.run(line["memory_mb"], float(entry.get("ms", 0.0)), str(line.get("architecture")))
    writes = int(entry.get("store_writes", 0))
    reads = int(entry.get("store_requests", 0)) - writes
    return with_request - price.LAMBDA_REQUEST + writes * price.S3_WRITE + reads * price.S3_READ


def _percentile(times: Sequence[tuple[float, int]], part: float) -> float:
    """Return the smallest time that so large a part of the calls did not exceed. `times`: sorted, each with calls."""
    wanted, seen = part * sum(calls for _, calls in times), 0
    for ms, calls in times:
        seen += calls
        if seen >= wanted:
            return round(ms, 3)
    return 0.0

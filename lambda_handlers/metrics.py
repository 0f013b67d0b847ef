"""Metrics in the lines of the log, in CloudWatch's embedded metric format: CloudWatch takes them from there by itself.

A line becomes a document of that format by the member `_aws`, which names the metrics among its members, their units
and their dimensions. No call is made, and the line stays one line. Imported only where SLDB_METRICS asks for it.

Source of the format: "Specification: Embedded metric format", CloudWatch's user guide. The target of a metric is a
number, that of a dimension a text, both members of the root; at most 100 metrics, 30 dimensions.

Each combination of a metric and values of its dimensions is billed as one custom metric, for each hour that has data.
So a count is written only where it is not zero, and the name of a database becomes a dimension only if that is asked
for, and only of requests that succeeded: names of databases that do not exist would make metrics without end.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from lambda_handlers.settings import Settings

NAMESPACE = "sldb"
STACK, DATABASE = "Stack", "Database"  # dimensions

# Metric → unit. docs/operations.md describes each.
UNITS = {
    "requests": "Count",
    "client_errors": "Count",
    "server_errors": "Count",
    "request_ms": "Milliseconds",
    "lock_wait_ms": "Milliseconds",
    "commits": "Count",
    "conflicts": "Count",
    "after_reply_ms": "Milliseconds",
    "after_reply_failures": "Count",
    "store_requests": "Count",
    "bytes_in": "Bytes",
    "bytes_out": "Bytes",
    "memory_percent": "Percent",
    "stale_locks_freed": "Count",
    "batch_messages": "Count",
    "batch_age_seconds": "Seconds",
    "maintenance_runs": "Count",
    "maintenance_failures": "Count",
    "maintenance_ms": "Milliseconds",
    "maintenance_memory_percent": "Percent",
    "log_length": "Count",
}
_SERVER_ERROR = 500  # the lowest such status
_OK = 200
_STATUS_BYTES = 4096  # the line is among the first 30


class Metrics:
    """The metrics of one function's log."""

    def __init__(self, settings: Settings) -> None:
        self._stack = settings.stack
        self._by_database = settings.metrics == "databases"
        self._memory_bytes = settings.memory_bytes

    def members(self, event: str, fields: Mapping[str, Any], now: float) -> dict[str, Any]:
        """Return the members that make a line a document of metrics; none for a line without metrics. `now`: unix
        seconds."""
        values = self._values(event, fields)
        if not values:
            return {}
        database = fields.get("database") if self._by_database and fields.get("status", _OK) == _OK else None
        metadata = {"Timestamp": int(now * 1000), "CloudWatchMetrics": _directives(tuple(values), bool(database))}
        targets = {STACK: self._stack, DATABASE: database} if database else {STACK: self._stack}
        return {**targets, **values, "_aws": metadata}

    def _values(self, event: str, fields: Mapping[str, Any]) -> dict[str, float]:
        match event:
            case "request":
                return _of_request(fields) | self._memory("memory_percent")
            case "given_up":  # the line of its request is never written
                return {"requests": 1, "server_errors": 1}
            case "batch":
                return _of_batch(fields) | self._memory("memory_percent")
            case "after_reply":
                return _numbers(fields, "store_requests", "bytes_in", "bytes_out", after_reply_ms="ms")
            case "after_reply_failed" | "extension_lost" | "not_published" | "lock_not_released":
                return {"after_reply_failures": 1}
            case "stale_lock_freed":
                return {"stale_locks_freed": 1}
            case "free_locks":
                return _counts(stale_locks_freed=len(fields.get("freed", ())))
            case "maintenance":
                return _numbers(fields, "log_length")
            case "maintained":
                return _of_maintenance(fields) | self._memory("maintenance_memory_percent")
        return {}

    def _memory(self, name: str) -> dict[str, float]:
        peak_bytes = peak_memory_bytes()
        return {name: round(100 * peak_bytes / self._memory_bytes, 1)} if peak_bytes else {}


@lru_cache(maxsize=64)
def _directives(names: tuple[str, ...], has_database: bool) -> list[dict[str, Any]]:
    return [
        {
            "Namespace": NAMESPACE,
            "Dimensions": [[STACK], [STACK, DATABASE]] if has_database else [[STACK]],
            "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in names],
        }
    ]


def _of_request(fields: Mapping[str, Any]) -> dict[str, float]:
    status = int(fields.get("status", _OK))
    is_write = bool(fields.get("commit_ms"))
    values = {"requests": 1.0, "request_ms": fields.get("ms", 0.0)}
    values |= _counts(
        client_errors=_OK < status < _SERVER_ERROR,
        server_errors=status >= _SERVER_ERROR,
        commits=is_write,
        conflicts=fields.get("conflicts", 0),
    )
    if fields.get("code") == "lock_timeout":  # an error has no figures; nearly all of its time was the wait
        values["lock_wait_ms"] = values["request_ms"]
    elif is_write:
        values |= _numbers(fields, "lock_wait_ms")
    return values | _numbers(fields, "store_requests", "bytes_in", "bytes_out")


def _of_batch(fields: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a batch of the queue. Its messages have lines of requests, too, but those that were
    committed in groups have their commits and their use of the store here."""
    messages, commits = fields.get("messages", 0), fields.get("group_commits", 0)
    values = _counts(batch_messages=messages, commits=commits, conflicts=fields.get("conflicts", 0))
    waits = _numbers(fields, "lock_wait_ms") if commits else {}
    return values | waits | _numbers(fields, "store_requests", "bytes_in", "bytes_out", batch_age_seconds="age_seconds")


def _of_maintenance(fields: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a run over all databases. One that left a database out, or failed, is no successful run."""
    failed, skipped = fields.get("failed", 0), fields.get("skipped", 0)
    values = _counts(maintenance_failures=failed, maintenance_runs=not failed and not skipped)
    return values | _numbers(fields, maintenance_ms="ms")


def _counts(**counts: float) -> dict[str, float]:
    return {name: int(count) for name, count in counts.items() if count}


def _numbers(fields: Mapping[str, Any], *names: str, **renamed: str) -> dict[str, float]:
    """Return the fields that are there: `names`, and those of other names (metric=field)."""
    wanted = {**{name: name for name in names}, **renamed}
    return {metric: fields[field] for metric, field in wanted.items() if fields.get(field) is not None}


def peak_memory_bytes() -> int | None:
    """Return the greatest resident memory of this process so far; None if the system does not report it (Linux does).

    Not by getrusage: its maximum begins with that of the process that started this one."""
    try:
        status = os.open("/proc/self/status", os.O_RDONLY)  # each request pays for this: open() takes twice as long
    except OSError:
        return None
    try:
        text = os.read(status, _STATUS_BYTES)
    finally:
        os.close(status)
    start = text.find(b"VmHWM:")
    return int(text[start + 6 :].split(maxsplit=1)[0]) << 10 if start >= 0 else None

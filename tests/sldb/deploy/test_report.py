from __future__ import annotations

import io
import json

import pytest

from sldb.deploy.databases import DatabaseInfo
from sldb.deploy.report import duration, show_status, size
from sldb.deploy.status import FunctionInfo, Status
from sldb.held_lock import HeldLock

STATUS = Status(
    stack="test-db",
    stack_status="CREATE_COMPLETE",
    region="eu-west-1",
    account="123456789012",
    bucket="test-db-data-123456789012-eu-west-1",
    bundle="f" * 64,
    lock_kind="security-group",
    lock_max_age_seconds=90,
    recoverable_days=0,
    functions=(FunctionInfo("test-db-function", "Active", "python3.13", "arm64", 1024, 60, "2026-11-24"),),
    locks=(HeldLock("sg-1", "main", "abc", 1_000.0, "INSERT [red]t"),),
    databases=(DatabaseInfo("main", 12_345_678, 42, 1_700_000_000.0),),
)


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (4096, "4.1 KB"), (12_345_678, "12.3 MB")])
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(None, "unknown"), (3.9, "3 s"), (150, "2 min"), (7300, "2 h")])
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_off_a_terminal_columns_are_plain_and_complete() -> None:
    out = io.StringIO()
    show_status(STATUS, out, now=1_007.0)
    text = out.getvalue()
    assert "\x1b" not in text
    lines = [line.split() for line in text.splitlines()]
    assert ["stack", "test-db", "(CREATE_COMPLETE)"] in lines
    assert ["main", "abc", "7", "s", "INSERT", "[red]t"] in lines
    assert ["main", "12.3", "MB", "42", "2023-11-14", "22:13:20Z"] in lines


def test_json_has_everything() -> None:
    encoded = json.loads(json.dumps(STATUS.encode(now=1_007.0)))
    assert encoded["functions"][0]["memory_mb"] == 1024
    assert encoded["locks"][0]["age_seconds"] == 7
    assert encoded["databases"] == [
        {"name": "main", "size_bytes": 12_345_678, "txid": 42, "committed_at": 1_700_000_000.0}
    ]

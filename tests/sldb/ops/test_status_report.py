from __future__ import annotations

import dataclasses
import io
import json
from typing import Any

import pytest

from lambda_handlers.shared.lock_holder import Holder
from sldb import moments
from sldb.deploy.parameters import DEFAULTS
from sldb.ops.alarms import AlarmInfo
from sldb.ops.apis import ApiInfo
from sldb.ops.status import FunctionInfo, Status, options_of
from sldb.ops.status_report import duration, show_status
from sldb.stack.queues import QueueCounts
from sldb.stack.statuses import health

MAIN = {
    "name": "main",
    "state": "ok",
    "txid": 42,
    "time": "2023-11-14T22:13:20Z",
    "bytes": 12_345_678,
    "foreign_keys": True,
}
HURT = {"name": "hurt", "state": "damaged", "txid": 7, "stored_bytes": 9, "problem": "a file is damaged"}
STATUS = Status(
    stack="test-db",
    stack_status="CREATE_COMPLETE",
    region="eu-west-1",
    account="123456789012",
    place="s3://test-db-data-123456789012-eu-west-1/databases",
    bucket="test-db-data-123456789012-eu-west-1",
    bucket_is_gone=False,
    bundle="f" * 64,
    lock_kind="security-group",
    lock_max_age_seconds=90,
    recoverable_days=0,
    functions=(FunctionInfo("test-db-function", "Active", "python3.13", "arm64", 1024, 60, "2026-11-24"),),
    locks=(Holder("sg-1", "main", "abc", 1_000.0, "INSERT [red]t"),),
    databases=(MAIN, HURT),
    health=health("CREATE_COMPLETE"),
)


@pytest.mark.parametrize(("seconds", "text"), [(None, "unknown"), (3.9, "3 s"), (150, "2 min"), (7300, "2 h")])
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("alarms", "shown"),
    [
        ((), None),
        (None, "cannot be read: sldb doctor"),
        ((("errors", "OK"), ("memory", "OK")), "2, none is raised"),
        ((("errors", "OK"), ("memory", "INSUFFICIENT_DATA")), "2, none is raised; without data: memory"),
        ((("errors", "INSUFFICIENT_DATA"), ("memory", "INSUFFICIENT_DATA")), "2, none of them has data yet"),
        ((("errors", "ALARM"), ("memory", "INSUFFICIENT_DATA")), "RAISED: errors (for 7 s)"),
    ],
)
def test_alarms_are_shown_if_there_are_some(alarms: Any, shown: str | None) -> None:
    out = io.StringIO()
    found = alarms and tuple(AlarmInfo(name, state, "1970-01-01T00:16:40+00:00") for name, state in alarms)
    show_status(dataclasses.replace(STATUS, alarms=found), out, now=1_007.0)
    line = next((line for line in out.getvalue().splitlines() if line.startswith("alarms")), None)
    assert (line and line.removeprefix("alarms").strip()) == shown


def test_options_other_than_the_defaults_are_shown() -> None:
    assert options_of({}) == options_of(DEFAULTS) == ()
    given = {"Readers": "true", "Insights": "true", "RetentionDays": "90"}
    given |= {"ReservedConcurrency": "20", "ProvisionedConcurrency": "2"}
    options = options_of({**DEFAULTS, **given})
    out = io.StringIO()
    show_status(dataclasses.replace(STATUS, options=options), out, now=1_007.0)
    shown = "--readers --insights --retention-days 90 --reserved-concurrency 20 --provisioned-concurrency 2"
    assert f"options  {shown}" in out.getvalue()


def test_off_a_terminal_columns_are_plain_and_complete() -> None:
    out = io.StringIO()
    show_status(STATUS, out, now=1_007.0)
    text = out.getvalue()
    assert "\x1b" not in text
    lines = [line.split() for line in text.splitlines()]
    assert ["stack", "test-db", "(CREATE_COMPLETE)"] in lines
    assert ["main", "abc", "7", "s", "INSERT", "[red]t"] in lines
    assert ["main", "12.3", "MB", "42", *moments.local("2023-11-14T22:13:20Z").split(), "on", "ok"] in lines
    assert ["hurt", "7", "damaged"] in lines


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bucket_is_gone": True}, "data   s3://test-db-data-123456789012-eu-west-1 is gone"),
        ({"health": health("UPDATE_ROLLBACK_FAILED")}, "next   `sldb deploy` finishes the roll-back"),
        ({"health": health("REVIEW_IN_PROGRESS")}, "next   `sldb deploy` creates it"),
        ({"lock_kind": "file"}, "lock   file, freed by the file system once the writer is gone"),
        ({"lock_kind": "file", "locks": ()}, "locks: those of files are not listed"),
        ({"moving_to": "efs"}, "move   to efs, copying; `sldb migrate-storage efs` goes on"),
        ({"moving_to": "s3", "refuses_writes": True}, "move   to s3, writes are refused; `sldb migrate-storage s3`"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(change: dict[str, Any], says: str) -> None:
    out = io.StringIO()
    show_status(dataclasses.replace(STATUS, **change), out, now=1_007.0)
    assert says in out.getvalue()


@pytest.mark.parametrize(
    ("kind", "counts", "shown"),
    [
        ("none", (("failed invocations", 0, 0),), None),
        ("none", None, None),
        ("none", (("failed invocations", 2, 1),), "3 failed invocations"),
        ("fifo", None, "cannot be read: sldb doctor"),
        ("fifo", (("queue", 1200, 3), ("dead letters", 0, 0)), "fifo, 1,200 waiting, 3 in flight"),
        ("standard", (("queue", 0, 0), ("dead letters", 2, 0)), "standard, 0 waiting, 0 in flight, 2 dead letters"),
    ],
)
def test_the_queue_is_shown_with_its_messages(kind: str, counts: Any, shown: str | None) -> None:
    out = io.StringIO()
    queues = counts and tuple(QueueCounts(role, "url", *each) for role, *each in counts)
    show_status(dataclasses.replace(STATUS, queue_kind=kind, queues=queues), out, now=1_007.0)
    line = next((line for line in out.getvalue().splitlines() if line.startswith("queue")), None)
    assert (line and line.removeprefix("queue").strip()) == shown


def test_json_has_everything() -> None:
    encoded = json.loads(json.dumps(STATUS.encode(now=1_007.0)))
    assert encoded["functions"][0]["memory_mb"] == 1024
    assert encoded["locks"][0]["age_seconds"] == 7
    assert encoded["databases"] == [MAIN, HURT]


def test_apis_are_shown_with_their_limits_and_the_domain_with_its_target() -> None:
    apis = (
        ApiInfo("token", "https://a1.example", "db.example.com", "d-1.example", 100, 200),
        ApiInfo("key", "https://b2.example/sldb", "", "", 100, 200, 20, 40, "1000/day"),
    )
    out = io.StringIO()
    show_status(dataclasses.replace(STATUS, apis=apis, callers=3), out, now=1_007.0)
    lines = out.getvalue().splitlines()
    assert "domain   db.example.com (its DNS: d-1.example)" in lines
    assert "callers  3" in lines
    assert "token  https://a1.example       100 a second" in lines
    assert "key    https://b2.example/sldb  100 a second, 20 of each key, 1000/day" in lines
    show_status(dataclasses.replace(STATUS, apis=apis, callers=None), out, now=1_007.0)
    assert "callers  cannot be read, and are refused: sldb doctor" in out.getvalue()

"""Requests that want too much: each ends with its error, frees the lock, and leaves a container that serves the next.

They go through the real service, by way of the event, over a directory with the operating system's file locks and over
a store with security groups as locks. docs/reliability.md has the limits.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.host import Host
from lambda_handlers.locks.file import FileLock
from lambda_handlers.locks.security_group import SecurityGroupLock
from lambda_handlers.service import Service
from lambda_handlers.store.directory import DirectoryStore
from tests.fakes.aws.ec2 import FakeEc2
from tests.fakes.databases.service import container
from tests.fakes.stores.memory import memory_store

SECONDS = 0.4  # that a request gets
REPLY_BYTES = 6_000_000
SERIES = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
LONG = "hex(zeroblob(10000000))"  # 20 MB of text
MIXED = "INSERT INTO t VALUES (2, 'y'); "  # takes the lock first


class Subject:
    """A container, and the means to see whether its lock is free."""

    def __init__(self, service: Service, is_free: Callable[[], bool]) -> None:
        self.service = service
        self.is_free = is_free

    def send(self, event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        reply = self.service.handle({"timeout": SECONDS, **event})
        assert len(json.dumps(reply)) < REPLY_BYTES
        return reply["statusCode"], reply["body"]

    def is_well(self) -> bool:
        """It reads what was there, writes, and takes that back."""
        assert self.is_free()
        assert self.send({"query": "SELECT * FROM t", "timeout": 20})[1]["rows"] == [[1, "x"]]
        status, body = self.send({"query": "INSERT INTO t VALUES (2, 'y'); DELETE FROM t WHERE a = 2", "timeout": 20})
        assert status == 200, body
        return self.is_free()


@pytest.fixture(scope="module", params=["file", "security-group"])
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    if request.param == "file":
        root = tmp_path_factory.mktemp("store")
        lock = FileLock(root, Host())
        service = container(DirectoryStore(root), lock, reply_limit_bytes=REPLY_BYTES)
        other = FileLock(root, Host())

        def is_free() -> bool:
            held = other.acquire("main", time.time() + 1, "look")
            return bool(other.release(held.lock_id, "main"))

    else:
        ec2 = FakeEc2()
        group_lock = SecurityGroupLock(ec2, Host(), stack="s", vpc_id=None, max_age_seconds=90, retry_seconds=0.05)
        service = container(memory_store(), group_lock, reply_limit_bytes=REPLY_BYTES)

        def is_free() -> bool:
            return not ec2.groups

    made = service.handle({"query": "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x')"})
    assert made["statusCode"] == 200, made
    yield Subject(service, is_free)
    service.close()


RUNAWAYS = {
    "endless recursion": f"{SERIES} SELECT count(*) FROM n",
    "endless recursion without equals": SERIES.replace("UNION ALL", "UNION") + " SELECT count(*) FROM n",
    "endless insert": f"{SERIES} INSERT INTO t SELECT i, i FROM n",
    "endless insert, told of": f"{SERIES} INSERT INTO t SELECT i, i FROM n RETURNING a",
    "endless sort": f"{SERIES} SELECT i FROM n ORDER BY -i",
    "cross join": "SELECT count(*) FROM " + ", ".join(f"json_each('[1,2,3,4,5,6,7,8,9]') j{n}" for n in range(18)),
    "endless string": f"{SERIES} SELECT length(group_concat(hex(zeroblob(1000)))) FROM n",
    "temporary table that fills the disk": "CREATE TEMP TABLE x (a); "
    f"{SERIES} INSERT INTO x SELECT randomblob(10000) FROM n",
    "trigger that fires many": "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN "
    f"SELECT count(*) FROM json_each('[1,2,3]'), json_each('[1,2,3]'); END; {SERIES} INSERT INTO t SELECT i, i FROM n",
    "window over endless rows": f"{SERIES} SELECT sum(i) OVER (ORDER BY i) FROM n",
}
TOO_LARGE = {
    "1 GB blob": "SELECT zeroblob(1000000000)",
    "3 GB blob": "SELECT zeroblob(3000000000)",
    "1 GB of chance": "SELECT length(randomblob(1000000000))",
    "1 GB by printf": "SELECT length(printf('%*s', 1000000000, 'x'))",
    "1 GB of digits": "SELECT length(printf('%.*f', 1000000000, 1.0))",
    "1 GB by replace": "SELECT length(replace(hex(zeroblob(40000000)), '0', 'xxxxxxxxxx'))",
    "doubling": "WITH RECURSIVE n(i, x) AS (SELECT 1, 'xxxxxxxx' UNION ALL SELECT i + 1, x||x||x||x FROM n) "
    "SELECT max(length(x)) FROM n",
    "a value for the table": "UPDATE t SET b = zeroblob(200000000)",
    "many statements": "SELECT 1;" * 100_000,
    "many empty statements": ";" * 1_000_000,
    "many statements without rows": "PRAGMA foreign_keys = ON;" * 100_000,
    "semicolons in one": "CREATE TRIGGER g AFTER INSERT ON t BEGIN " + "SELECT 1;" * 2000 + " END",
}
REFUSED = {
    "deep JSON": "SELECT json(replace(hex(zeroblob(500000)), '00', '['))",
    "deep JSON, whole": "SELECT json(replace(hex(zeroblob(2000)), '00', '[') "
    "|| replace(hex(zeroblob(2000)), '00', ']'))",
    "deep parentheses": "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "deep sum": "SELECT " + "+".join(["1"] * 5000),
    "deep NOT": "SELECT " + "NOT " * 100_000 + "1",
    "deep compound": " UNION ALL ".join(["SELECT 1"] * 5000),
    "deep views": "CREATE VIEW v1 AS SELECT 1 x;"
    + "".join(f"CREATE VIEW v{n + 1} AS SELECT * FROM v{n} a, v{n} b;" for n in range(1, 20))
    + "SELECT count(*) FROM v20",
    "deep common tables": "WITH a0 AS (SELECT 1 x),"
    + ",".join(f"a{n} AS (SELECT * FROM a{n - 1}, a{n - 1})" for n in range(1, 25))
    + " SELECT count(*) FROM a24",
    "deep triggers": "PRAGMA recursive_triggers = ON;"
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO t VALUES (new.a + 1, 1); END; INSERT INTO t VALUES (5, 5)",
    "deep search": "CREATE VIRTUAL TABLE f USING fts5(a); SELECT * FROM f WHERE f MATCH '" + "(" * 100_000 + "'",
    "wide": "SELECT " + ", ".join(["1"] * 2001),
    "many variables": "SELECT " + ", ".join(["?"] * 40_000),
    "a far variable": "SELECT ?99999999",
    "many attached": "".join(f"ATTACH 'main@1' AS a{n};" for n in range(20)),
    "a sum that overflows": "SELECT sum(9223372036854775807) FROM json_each('[1,2]')",
    "abs that overflows": "SELECT abs(-9223372036854775807 - 1)",
    "regexp": f"SELECT 'a' REGEXP '{'(' * 100_000}a{')' * 100_000}'",
}


@pytest.mark.sampled
@pytest.mark.parametrize("takes_lock", [False, True], ids=["", "after a write"])
@pytest.mark.parametrize("query", RUNAWAYS.values(), ids=RUNAWAYS)
def test_run_for_ever(subject: Subject, query: str, takes_lock: bool) -> None:
    started = time.thread_time()  # of the processor: machines are busy
    status, body = subject.send({"query": (MIXED if takes_lock else "") + query})
    assert (status, body["error"]["code"]) == (408, "query_timeout"), body
    assert time.thread_time() - started < SECONDS + 10
    assert subject.is_well()


@pytest.mark.sampled
@pytest.mark.parametrize("query", TOO_LARGE.values(), ids=TOO_LARGE)
def test_want_too_much_memory(subject: Subject, query: str) -> None:
    status, body = subject.send({"query": query, "timeout": 150})  # enough for it on a busy machine
    assert (status, body["error"]["code"]) == (413, "too_large"), body
    assert subject.is_well()


@pytest.mark.parametrize("query", REFUSED.values(), ids=REFUSED)
def test_go_too_deep(subject: Subject, query: str) -> None:
    status, body = subject.send({"query": MIXED + query, "timeout": 30})
    assert (status, body["error"]["code"]) == (400, "sql_error"), body
    assert subject.is_well()


@pytest.mark.parametrize(
    "event",
    [
        {"query": "SELECT ?", "params": [1 << 63]},
        {"query": "SELECT ?", "params": [-(1 << 63) - 1]},
        {"query": "SELECT ?", "params": [1] * 1_000_000},
        {"query": "SELECT ?", "params": [{"$blob": "x" * 1_000_001}]},
        {"query": "SELECT ?", "params": [{"$float": "1e9999"}]},
        {"query": "SELECT ?", "params": [[[[[]]]]]},
        {"statements": [{"query": "SELECT 1"}] * 1000 + [{"query": 1}]},
        {"query": "SELECT 1", "at": 1 << 64},
        {"query": "SELECT 1", "at": "9" * 5000},
        {"query": "SELECT 1", "timeout": float("nan")},
        {"query": "SELECT 1", "timeout": float("inf")},
        {"query": "SELECT 1", "max_staleness": 10**400},
        {"query": "SELECT 1", "timeout": 10**400},
        {"query": "SELECT 1", "if_txid": 1 << 64},
        {"query": "SELECT 1", "request_id": "r" * 201},
    ],
)
def test_send_what_no_request_may_hold(subject: Subject, event: dict[str, Any]) -> None:
    status, body = subject.send(event)
    assert (status, body["error"]["code"]) == (400, "bad_request"), body
    assert subject.is_well()


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), (1 << 63) - 1, -(1 << 63), 5e-324, "\U0010ffff", "", -0.0]
)
def test_values_at_the_edges_are_values(subject: Subject, value: object) -> None:
    is_special = isinstance(value, float) and repr(value) in ("nan", "inf", "-inf")
    sent = {"$float": repr(value)} if is_special else value
    status, body = subject.send({"query": "SELECT ?", "params": [sent]})
    assert status == 200
    assert body["rows"] == [[None if repr(value) == "nan" else sent]]  # SQLite has no NaN


def deep(levels: int) -> str:
    return '{"query":"SELECT ?","params":[' + "[" * levels + "]" * levels + "]}"


@pytest.mark.parametrize("body", [deep(100_000), deep(2_000_000), '{"a":' * 100_000 + "1" + "}" * 100_000])
def test_send_json_that_is_too_deep(subject: Subject, body: str) -> None:
    """Over HTTP and by a queue, where the text is ours to read."""
    event = {"httpMethod": "POST", "requestContext": {}, "body": body}
    reply = subject.service.handle(event)
    assert (reply["statusCode"], json.loads(reply["body"])["error"]["code"]) == (400, "bad_request")
    record = {"messageId": "m", "eventSource": "aws:sqs", "attributes": {}, "body": body}
    assert subject.service.handle({"Records": [record]}) == {"batchItemFailures": [{"itemIdentifier": "m"}]}
    assert subject.is_well()


def test_send_numbers_of_a_million_digits(subject: Subject) -> None:
    for number in ("9" * 1_000_000, "1e999999", "-" + "9" * 5000):
        event = {"httpMethod": "POST", "requestContext": {}, "body": '{"query":"SELECT ?","params":[' + number + "]}"}
        reply = subject.service.handle(event)
        assert reply["statusCode"] in (200, 400)
    assert subject.is_well()


def test_nothing_is_left_in_the_temporary_directory(subject: Subject) -> None:
    """SQLite's files there have no name: what was filled is free again when the request is over."""
    directory = Path(tempfile.gettempdir())
    before = sum(entry.stat().st_blocks for entry in os.scandir(directory) if "etilqs" in entry.name)
    subject.send({"query": RUNAWAYS["temporary table that fills the disk"]})
    subject.send({"query": RUNAWAYS["endless sort"]})
    assert sum(entry.stat().st_blocks for entry in os.scandir(directory) if "etilqs" in entry.name) == before


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT {LONG} LIKE '%0%0%0%0%0%0%0%0%0%0%1'",
        f"SELECT {LONG} GLOB '*0*0*0*0*0*0*0*0*[^0]'",
        f"SELECT trim({LONG}, hex(randomblob(5000)) || '0')",
        f"SELECT length(replace({LONG}, '00', '1'))",
    ],
)
def test_patterns_that_make_others_try_for_ever(subject: Subject, query: str) -> None:
    started = time.thread_time()
    assert subject.send({"query": query, "timeout": 120})[0] == 200
    assert time.thread_time() - started < 20

"""Messages that are committed together, against the same ones as requests, one after the other."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.service import Service
from lambda_handlers.wire import Request, SldbError
from tests.fakes.databases.past import act, state
from tests.fakes.databases.service import container, run
from tests.fakes.sqs import Held
from tests.fakes.stores.memory import memory_store

SCHEMA = """
    CREATE TABLE t (a INTEGER PRIMARY KEY, b UNIQUE, c DEFAULT (changes()));
    CREATE TABLE p (a PRIMARY KEY);
    CREATE TABLE c (a REFERENCES p DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE strict (a REFERENCES p);
    CREATE VIRTUAL TABLE words USING fts5 (w);
    CREATE TRIGGER no BEFORE INSERT ON t WHEN new.b = 13 BEGIN SELECT RAISE(ROLLBACK, 'thirteen'); END;
    INSERT INTO t (b) VALUES (1), (2);
"""
STATEMENTS = (
    *(f"INSERT INTO t (b) VALUES ({n}) RETURNING a, b, c" for n in (1, 3, 4, 13)),
    "INSERT OR ROLLBACK INTO t (b) VALUES (1)",
    "INSERT OR FAIL INTO t (b) VALUES (5), (1), (6)",
    "INSERT OR IGNORE INTO t (b) VALUES (7), (1)",
    "UPDATE t SET b = b + 10 WHERE a = 1",
    "DELETE FROM t WHERE b > 3",
    "SELECT changes(), total_changes(), last_insert_rowid()",
    "SELECT count(*), sum(b) FROM t",
    "INSERT INTO c VALUES (1)",
    "INSERT INTO p VALUES (1)",
    "INSERT INTO strict VALUES (1)",
    "DELETE FROM p",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA foreign_keys",
    "PRAGMA defer_foreign_keys = ON",
    "PRAGMA user_version = 5",
    "PRAGMA query_only = ON",
    "PRAGMA recursive_triggers",
    "PRAGMA case_sensitive_like = ON",
    "SELECT 'A' LIKE 'a'",
    "CREATE TEMP TABLE x (a)",
    "INSERT INTO x VALUES (1)",
    "SELECT * FROM x",
    "CREATE TABLE IF NOT EXISTS y (a)",
    "INSERT INTO y VALUES (1)",
    "ALTER TABLE y ADD COLUMN b",
    "DROP TABLE y",
    "INSERT INTO words VALUES ('one two')",
    "SELECT count(*) FROM words ('two')",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "RELEASE s",
    "ROLLBACK TO s",
    "VACUUM",
    "SELECT * FROM missing",
    "SELECT zeroblob(4000000000)",
    "INSERT INTO t (b) VALUES (hex(randomblob(8)) || ?)",
    "nonsense",
)
FIELDS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {"on_error": "continue"},
    {"careful": True},
    {"dry_run": True},
    {"read_only": True},
    {"create": False},
    {"expect": ["no digest"]},
    {"database": "new"},
)
PIN = {"seed": "17" * 16, "time": "2026-11-01T00:00:00Z"}


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Equal bodies have the same id: they are one message that comes twice."""
    queries = draw(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=4))
    body: dict[str, Any] = {**draw(st.sampled_from(FIELDS)), "pin": PIN}
    if draw(st.booleans()):
        body["query"] = "; ".join(query for query in queries if "?" not in query) or "SELECT 1"
    else:
        body["statements"] = [{"query": one, **({"params": ["x"]} if "?" in one else {})} for one in queries]
    return {**body, "request_id": sha256(json.dumps(body).encode()).hexdigest()}


def outcome_alone(service: Service, body: dict[str, Any]) -> Any:
    try:
        reply = service.reply(Request.decode(body))
    except SldbError as error:
        return error.code
    return comparable(reply.encode())


def comparable(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in ("txid", "stats")}


def is_recorded(body: dict[str, Any]) -> bool:
    """Return True for a message whose reply is recorded even if it has written nothing."""
    texts = [body.get("query", ""), *(one["query"] for one in body.get("statements", []))]
    is_alone = any(body.get(name) for name in ("careful", "dry_run", "read_only")) or any(
        "VACUUM" in one for one in texts
    )
    return not is_alone and body.get("database") is None


@pytest.mark.long
@given(st.lists(bodies(), min_size=1, max_size=8), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_group_makes_what_its_messages_make_one_by_one(sent: list[dict[str, Any]], fifo: bool) -> None:
    one_by_one, together = memory_store(), memory_store()
    alone, grouped = container(one_by_one), container(together)
    for service in (alone, grouped):
        run(service, SCHEMA, pin=PIN)
    wanted = []
    for body in sent:
        is_stopped = fifo and any(isinstance(outcome, str) for outcome in wanted)
        wanted.append("untried" if is_stopped else outcome_alone(alone, body))
    held = [Held(str(n), json.dumps(body), "g" if fifo else None, 1.8e9, 1) for n, body in enumerate(sent)]
    reply = grouped.handle({"Records": [one.record() for one in held]})
    failed = {int(one["itemIdentifier"]) for one in reply["batchItemFailures"]}
    assert failed == {n for n, outcome in enumerate(wanted) if isinstance(outcome, str)}
    for database in ("main", "new"):
        rows = [[row for row in state(store, database) if "_sldb_" not in str(row)] for store in (one_by_one, together)]
        assert rows[0] == rows[1]
    for body, outcome in zip(sent, wanted, strict=True):
        if not isinstance(outcome, str) and is_recorded(body):
            found = act(grouped, "result", request_id=body["request_id"])
            assert found["state"] == "applied"
            first = next(
                one for other, one in zip(sent, wanted, strict=True)
                if other["request_id"] == body["request_id"] and not isinstance(one, str) and is_recorded(other)
            )  # fmt: skip
            assert comparable(found["reply"]) == first
    alone.close()
    grouped.close()

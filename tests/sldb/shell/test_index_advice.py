"""Advice on a missing index: proposed only if SQLite then searches, and what it proposes changes the plan."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from lambda_handlers.wire import Request, Statement
from sldb.client import Client
from sldb.shell.commands.registry import obey
from sldb.shell.index_advice import Schema, Step, advise, reads_all, tree
from sldb.shell.output import Output
from sldb.shell.reader import DotCommand, read
from sldb.shell.session import Session
from sldb.shell.submission import submit
from sldb.targets.local import LocalTarget

TABLES = [
    "CREATE TABLE users(id INTEGER PRIMARY KEY, name, age, email)",
    "CREATE TABLE orders(id INTEGER PRIMARY KEY, user_id INTEGER, buyer, total, at)",
    'CREATE TABLE "my table"("a b", "select")',
    "CREATE TABLE sqlite_sequence(name, seq)",  # SQLite's own: cannot be made by hand
    "CREATE VIRTUAL TABLE texts USING fts5(body)",
    "CREATE TABLE texts_data(id INTEGER PRIMARY KEY, block BLOB)",  # has come to be with it
    "CREATE VIRTUAL TABLE lost USING no_such_module(x)",
    "CREATE VIEW named AS SELECT id, name AS called FROM users",
]


def plan(sql: str, *indexes: str) -> list[Step]:
    with closing(apsw.Connection(":memory:")) as connection:
        for statement in (*TABLES[:3], TABLES[4], TABLES[7], *indexes):
            connection.execute(statement)
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
        return [Step(step, parent, detail) for step, parent, _, detail in rows]


@pytest.mark.parametrize(
    ("sql", "proposed"),
    [
        ("SELECT * FROM users WHERE name = 'a'", ["users_name ON users (name)"]),
        ("SELECT * FROM Users u WHERE u.Name = 'a' AND age > 5", ["users_name_age ON users (name, age)"]),
        (
            "SELECT * FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = 3",
            ["orders_user_id ON orders (user_id)"],
        ),
        ("SELECT * FROM orders LEFT JOIN users ON users.email = orders.at", ["users_email ON users (email)"]),
        ("DELETE FROM users WHERE age = 3", ["users_age ON users (age)"]),
        ("SELECT * FROM users WHERE name = 1 OR age = 2", ["users_name ON users (name)", "users_age ON users (age)"]),
        ("""SELECT * FROM "my table" WHERE "a b" = 1""", ['"my table_a b" ON "my table" ("a b")']),
        ("SELECT * FROM named WHERE called = 'a'", ["users_name ON users (name)"]),
    ],
)
def test_what_is_proposed_changes_the_plan(sql: str, proposed: list[str]) -> None:
    found = advise(sql, Schema(TABLES))
    assert sorted(found) == sorted(f"CREATE INDEX {index};" for index in proposed)
    assert reads_all(plan(sql))
    with_them = plan(sql, *found)
    assert all(
        any(f"INDEX {statement.split()[2]}" in step.detail.replace('"', "") for step in with_them)
        for statement in found
        if '"' not in statement
    )
    assert [step.detail for step in with_them] != [step.detail for step in plan(sql)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM users",
        "SELECT * FROM users u JOIN orders o ON o.buyer = u.id",  # without a type it cannot be searched for integers
        "SELECT count(*) FROM users",
        "SELECT * FROM users WHERE lower(name) = 'a'",
        "SELECT * FROM users WHERE name LIKE '%a'",
        "SELECT * FROM users ORDER BY name",
        "SELECT * FROM users WHERE id = 1",
        "SELECT * FROM texts WHERE texts MATCH 'a'",
        "SELECT 'users', 'name'",
    ],
)
def test_nothing_is_proposed_where_no_index_would_be_searched(sql: str) -> None:
    assert advise(sql, Schema(TABLES)) == []


def test_an_index_that_is_there_is_not_proposed_again() -> None:
    sql = "SELECT * FROM users WHERE name = 'a'"
    assert not reads_all(plan(sql, "CREATE INDEX i ON users(name)"))
    taken = [*TABLES, "CREATE INDEX users_age ON users(email)"]
    assert advise("SELECT * FROM users WHERE age = 1", Schema(taken)) == ["CREATE INDEX users_age_2 ON users (age);"]


def test_statistics_are_read() -> None:
    """For a table with a single row no index is worth it."""
    sql = "SELECT * FROM users JOIN orders ON users.email = orders.at"
    assert len(advise(sql, Schema(TABLES))) == 1
    (few_users,) = advise(sql, Schema(TABLES, [("users", None, "10"), ("orders", None, "1000000")]))
    (few_orders,) = advise(sql, Schema(TABLES, [("users", None, "1000000"), ("orders", None, "10")]))
    assert ("ON orders" in few_users, "ON users" in few_orders) == (True, True)


def test_the_command_tells(tmp_path: Path) -> None:
    with closing(Session(Client(LocalTarget(tmp_path)), Output(io.StringIO(), io.StringIO(), timing=False))) as session:
        submit(session, "create table t(a, b); insert into t values (1, 2); analyze;")
        shown = explained(session, ".explain select * from t where b = 'it''s'")
        assert shown == (
            "└─ SCAN t\n",
            "an index would let SQLite search instead of reading everything:\n  CREATE INDEX t_b ON t (b);\n",
        )
        submit(session, "create index t_b on t(b);")
        assert explained(session, ".explain select * from t where b = 'it''s';") == (
            "└─ SEARCH t USING INDEX t_b (b=?)\n",
            "",
        )
        submit(session, "delete from t where a = 1;")
        assert "SCAN t" in explained(session, ".explain")[0]
        assert session.execute(Request((Statement("select count(*) from t"),))).rows == [(0,)]


def explained(session: Session, line: str) -> tuple[str, str]:
    session.output.out, session.output.err = io.StringIO(), io.StringIO()
    command = read(line)
    assert isinstance(command, DotCommand)
    obey(command, session)
    return session.output.out.getvalue(), session.output.err.getvalue()


def test_a_plan_is_a_tree() -> None:
    steps = [Step(2, 0, "a"), Step(5, 2, "b"), Step(9, 5, "c"), Step(11, 2, "d"), Step(12, 0, "e")]
    assert list(tree(steps)) == ["├─ a", "│  ├─ b", "│  │  └─ c", "│  └─ d", "└─ e"]


@pytest.mark.parametrize(
    ("detail", "all_of_it"),
    [
        ("SCAN users", True),
        ("SCAN users USING COVERING INDEX i", False),
        ("SCAN CONSTANT ROW", False),
        ("SEARCH u USING AUTOMATIC COVERING INDEX (name=?) LEFT-JOIN", True),
        ("SEARCH u USING INDEX i (name=?)", False),
    ],
)
def test_what_reads_all(detail: str, all_of_it: bool) -> None:
    assert reads_all([Step(1, 0, detail)]) is all_of_it

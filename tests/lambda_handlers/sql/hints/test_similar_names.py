"""The names that the hint of an error proposes, over the engine itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.targets.local import LocalTarget
from tests.fakes.targets.counting_target import CountingTarget

SCHEMA = """
create table users(id integer primary key, name text, email text); create table orders(id, user_id, "the note");
create view active as select id, name from users; create index users_name on users(name);
create trigger users_ai after insert on users begin select 1; end; create table [odd "x](name);
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTarget]:
    target = LocalTarget(tmp_path_factory.mktemp("databases"))
    target.send(Request((Statement(SCHEMA),)))
    yield target
    target.close()


def refused(target: LocalTarget, sql: str) -> SldbError:
    with pytest.raises(SldbError) as caught:
        target.send(Request((Statement(sql),)))
    return caught.value


@pytest.mark.parametrize(
    ("sql", "similar"),
    [
        ("SELECT * FROM uers", ["users"]),
        ("SELECT * FROM main.USRES", ["users"]),
        ("INSERT INTO order VALUES (1)", None),  # a syntax error
        ("INSERT INTO orderz VALUES (1)", ["orders"]),
        ("DROP TABLE ordres", ["orders"]),
        ("DROP VIEW activ", ["active"]),
        ("DROP INDEX user_name", ["users_name"]),
        ("DROP TRIGGER users_a", ["users_ai"]),
        ("SELECT nme FROM users", ["name"]),
        ("SELECT u.nme FROM users u", ["name"]),
        ("SELECT nmae FROM active", ["name"]),
        ("SELECT usr_id FROM users", None),  # a column of another table
        ("UPDATE users SET emial = 1", ["email"]),
        ("INSERT INTO users(emial) VALUES (1)", ["email"]),
        ("SELECT grop_concat(name) FROM users", ["group_concat"]),
        ("SELECT sha265(name) FROM users", ["sha256"]),
        ("SELECT 1; SELECT * FROM uers", ["users"]),
        ("SELECT * FROM _sldb_request", None),
        ("SELECT * FROM xyz", None),
    ],
)
def test_the_names_like_a_missing_one(target: LocalTarget, sql: str, similar: list[str] | None) -> None:
    error = refused(target, sql)
    found = error.details.get("similar")
    assert (found or [])[:1] == (similar or [])
    assert error.hint.startswith("did you mean ") is bool(similar)


def test_a_transaction_goes_on_after_the_search(target: LocalTarget) -> None:
    counting = CountingTarget(target)
    sql = "BEGIN; INSERT INTO users(name) VALUES ('a'); SELECT nme FROM users; COMMIT"
    assert refused(target, sql).details["similar"][0] == "name"
    reply = counting.send(Request((Statement("SELECT count(*) FROM users"),)))
    assert reply.rows == [(0,)]


def test_the_search_asks_the_store_nothing(target: LocalTarget) -> None:
    requests = Request((Statement("SELECT * FROM users"), Statement("SELECT nme FROM users")), on_error="continue")
    target.send(requests)
    reply = target.send(requests)
    assert reply.results[1].error is not None
    assert reply.results[1].error.details["similar"] == ["name"]
    assert reply.stats["store_requests"] <= 1  # the look for a newer transaction

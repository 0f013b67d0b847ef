"""Data is destroyed only after a yes; over the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.actions.confirmation import describe_losses, execute
from sldb.client import Client
from sldb.targets.local import LocalTarget


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    client = Client(LocalTarget(tmp_path))
    client.execute(ask("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)"))
    yield client
    client.close()


def ask(sql: str, **fields: object) -> Request:
    return Request((Statement(sql),), **fields)  # type: ignore[arg-type]  # tests give what fields have


def rows(client: Client) -> list[object]:
    return [row[0] for row in client.execute(ask("SELECT a FROM t")).rows]


def nobody(question: str) -> bool:
    raise AssertionError(f"was asked: {question}")


def test_what_is_agreed_to_is_done(client: Client) -> None:
    questions: list[str] = []
    reply = execute(client, ask("DELETE FROM t; DROP TABLE t"), lambda question: not questions.append(question))
    assert reply is not None
    assert reply.txid == 2
    assert questions == ["This deletes 2 of 2 rows of t, and drops t (0 rows)."]


def test_what_is_not_agreed_to_is_not_done(client: Client) -> None:
    assert execute(client, ask("DELETE FROM t"), lambda _: False) is None
    assert rows(client) == [1, 2]


@pytest.mark.parametrize("sql", ["SELECT a FROM t", "INSERT INTO t VALUES (3)", "UPDATE t SET a = 3 WHERE a = 1"])
def test_what_destroys_nothing_is_done_at_once(client: Client, sql: str) -> None:
    assert execute(client, ask(sql), nobody) is not None


@pytest.mark.parametrize("fields", [{"dry_run": True}, {"dry_run": True, "read_only": False}])
def test_what_cannot_destroy_is_not_asked_about(client: Client, fields: dict[str, bool]) -> None:
    reply = execute(client, ask("DELETE FROM t", **fields), nobody)
    assert reply is not None
    assert reply.destroys is not None
    assert describe_losses(reply.destroys) == "This deletes 2 of 2 rows of t."
    assert rows(client) == [1, 2]


def test_what_was_not_seen_is_not_agreed_to(client: Client) -> None:
    """Somebody writes while the question stands: it is asked again, of what is there now."""
    questions: list[str] = []

    def agree(question: str) -> bool:
        if not questions:
            client.execute(ask("INSERT INTO t VALUES (3)"))
        questions.append(question)
        return True

    assert execute(client, ask("DELETE FROM t"), agree) is not None
    assert questions == ["This deletes 2 of 2 rows of t.", "This deletes 3 of 3 rows of t."]
    assert rows(client) == []


def test_a_txid_of_the_request_itself_holds(client: Client) -> None:
    def agree(_: str) -> bool:
        client.execute(ask("INSERT INTO t VALUES (3)"))
        return True

    with pytest.raises(SldbError) as caught:
        execute(client, ask("DELETE FROM t", if_txid=1), agree)
    assert caught.value.code == "conflict"
    assert rows(client) == [1, 2, 3]


def test_errors_are_the_engines(client: Client) -> None:
    with pytest.raises(SldbError, match="no such table"):
        execute(client, ask("DELETE FROM nope"), nobody)

from __future__ import annotations

import re

import pytest

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.actions.undo import Move
from sldb.client import Client
from tests.fakes.terminal.printed import TIME


def run(client: Client, sql: str) -> None:
    client.execute(Request((Statement(sql),)))


def test_the_last_write_is_taken_back(client: Client) -> None:
    with pytest.raises(SldbError, match="nothing was ever written to main"):
        Move.find(client)
    run(client, "CREATE TABLE t (a)")
    run(client, "INSERT INTO t VALUES (1)")
    undo = Move.find(client)
    assert re.fullmatch(rf"transaction 2 \(INSERT, of {TIME}\)", undo.subject)
    assert undo.sentence == f"This takes back {undo.subject}."
    assert undo.outcome(undo.run(client)) == f"took back {undo.subject} · txid 3"
    redo = Move.find(client, "redo")
    assert redo.outcome(redo.run(client)) == f"brought back {undo.subject} · txid 4"


def test_several_steps(client: Client) -> None:
    run(client, "CREATE TABLE t (a)")
    for value in range(8):
        run(client, f"INSERT INTO t VALUES ({value})")
    undo = Move.find(client, count=7)
    assert undo.subject.startswith("7 transactions: 9 (INSERT, of ")
    assert undo.subject.endswith(" and 2 more")
    undo.run(client)
    run(client, "INSERT INTO t VALUES (1)")
    undo = Move.find(client)
    assert undo.warning.startswith("Since the last undo there was another write: transaction 11 (INSERT, of ")
    assert undo.sentence == f"{undo.warning} This takes back {undo.subject}."
    run(client, "INSERT INTO t VALUES (2)")
    undo = Move.find(client, count=2)
    assert undo.warning.startswith("Since the last undo there were other writes: 2 transactions: 12 (INSERT, of ")
    assert undo.outcome({"changed": False}).endswith(" have nothing left to take back: nothing was changed")
    assert undo.pronoun == "them"


def test_another_write_is_not_taken_back(client: Client) -> None:
    run(client, "CREATE TABLE t (a)")
    run(client, "INSERT INTO t VALUES (1)")
    undo = Move.find(client)
    run(client, "INSERT INTO t VALUES (1)")
    for one in (undo, Move.find(client, if_txid=2)):
        with pytest.raises(SldbError) as caught:
            one.run(client)
        assert caught.value.code == "conflict"
    assert Move.find(client, if_txid=2).subject == "transaction 2"


def test_a_state_that_is_there_already_is_not_written_again(client: Client) -> None:
    run(client, "CREATE TABLE t (a)")
    run(client, "INSERT INTO t VALUES (1)")
    undo = Move.find(client)
    assert undo.outcome({"changed": False}) == f"{undo.subject} has nothing left to take back: nothing was changed"

from __future__ import annotations

import re

import pytest

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.actions.undo import Undo
from sldb.client import Client
from tests.fakes.terminal.printed import TIME


def run(client: Client, sql: str) -> None:
    client.execute(Request((Statement(sql),)))


def test_the_last_write_is_taken_back(client: Client) -> None:
    with pytest.raises(SldbError, match="nothing was ever written to main"):
        Undo.find(client)
    run(client, "CREATE TABLE t (a)")
    run(client, "INSERT INTO t VALUES (1)")
    undo = Undo.find(client)
    assert re.fullmatch(rf"transaction 2 \(INSERT, of {TIME}\)", undo.subject)
    assert undo.outcome(undo.run(client)) == f"took back {undo.subject} · txid 3"


def test_another_write_is_not_taken_back(client: Client) -> None:
    run(client, "CREATE TABLE t (a)")
    undo = Undo.find(client)
    run(client, "INSERT INTO t VALUES (1)")
    for one in (undo, Undo.find(client, if_txid=1)):
        with pytest.raises(SldbError) as caught:
            one.run(client)
        assert caught.value.code in ("conflict", "not_found")
    assert Undo.find(client, if_txid=1).subject == "transaction 1"


def test_a_state_that_is_there_already_is_not_written_again(client: Client) -> None:
    run(client, "CREATE TABLE t (a)")
    undo = Undo.find(client)
    assert undo.outcome({"changed": False}) == f"{undo.subject} has nothing left to take back: nothing was changed"

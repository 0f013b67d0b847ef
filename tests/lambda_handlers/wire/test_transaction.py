"""The field `transaction` of requests, replies and errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Reply, Request, Result, SldbError, Statement
from lambda_handlers.wire.transaction import InTransaction

ENDS = st.sampled_from((None, "commit", "rollback"))
TRANSACTIONS = st.builds(InTransaction, st.one_of(st.none(), st.text(min_size=1)), ENDS, st.booleans())
BEGIN: dict[str, Any] = {"query": "SELECT 1", "transaction": {"begin": True}}
GO_ON: dict[str, Any] = {"query": "SELECT 1", "transaction": {"token": "t"}}
COMMIT: dict[str, Any] = {"transaction": {"token": "t", "end": "commit"}}


@given(TRANSACTIONS, st.integers(0, 3))
def test_a_request_survives_the_round_trip(transaction, count):
    count = count or int(not transaction.may_lack_statements)
    request = Request((Statement("SELECT 1"),) * count, transaction=transaction, timeout=1.5)
    event = json.loads(json.dumps(request.encode()))
    assert Request.decode(event) == request
    assert ("query" in event or "statements" in event) == bool(count)


@pytest.mark.parametrize(
    ("transaction", "field"),
    [
        ({}, "transaction"),
        ([], "transaction"),
        ("begin", "transaction"),
        ({"begin": True, "token": "t"}, "transaction"),
        ({"begin": False}, "transaction.begin"),
        ({"begin": 1}, "transaction.begin"),
        ({"token": ""}, "transaction.token"),
        ({"token": 1}, "transaction.token"),
        ({"token": "t", "end": "abort"}, "transaction.end"),
        ({"token": "t", "end": ["commit"]}, "transaction.end"),
        ({"token": "t", "lastrowid": 1}, "transaction.lastrowid"),
        ({"token": "t", "rollback": True}, "transaction.rollback"),
    ],
)
def test_another_value_is_refused_by_the_name_of_the_field(transaction, field):
    refused({"query": "SELECT 1", "transaction": transaction}, field)


ALLOWED = {
    "database": "d",
    "create": False,
    "read_only": True,
    "timeout": 1,
    "stack": "s",
    "request_id": "r",
}


@pytest.mark.parametrize("name", ALLOWED)
@pytest.mark.parametrize("event", [BEGIN, GO_ON, COMMIT])
def test_the_fields_that_may_stand_beside_it(event, name):
    assert getattr(Request.decode({**event, name: ALLOWED[name]}), name) == ALLOWED[name]


@pytest.mark.parametrize(
    ("field", "value"),
    [("at", 5), ("dry_run", True), ("careful", True)],
)
@pytest.mark.parametrize("event", [BEGIN, GO_ON, COMMIT])
def test_the_fields_that_may_not(event, field, value):
    refused({**event, field: value}, field)
    Request.decode({**event, field: None})
    if isinstance(value, bool):
        Request.decode({**event, field: False})


def test_staleness_is_for_the_beginning_and_a_condition_for_the_end():
    assert Request.decode({**BEGIN, "max_staleness": 5}).max_staleness == 5
    refused({**GO_ON, "max_staleness": 5}, "max_staleness")
    assert Request.decode({**COMMIT, "if_txid": 5}).if_txid == 5
    refused({**GO_ON, "if_txid": 5}, "if_txid")
    refused({"transaction": {"token": "t", "end": "rollback"}, "if_txid": 5}, "if_txid")


@pytest.mark.parametrize("transaction", [{"begin": True}, {"token": "t", "end": "rollback"}])
def test_statements_may_be_absent_where_it_begins_or_ends(transaction):
    assert Request.decode({"transaction": transaction}).statements == ()
    refused({"transaction": transaction, "params": [1]}, "params")
    with pytest.raises(SldbError, match="neither"):
        Request.decode({"transaction": {"token": "t"}})


def test_a_reply_has_the_transaction_and_digests():
    reply = Reply((Result(digest="00ff"), Result()), 3, "main", transaction={"token": "t"})
    body = json.loads(json.dumps(reply.encode()))
    assert Reply.decode(body) == reply
    assert "transaction" not in Reply((Result(),), 3, "main").encode()
    assert "digest" not in body["results"][1]


def test_an_error_has_the_transaction_beside_it():
    """Its token may be longer than the texts of an error."""
    error = SldbError("constraint", "m", statement=0).in_transaction({"token": "t" * 60_000})
    body = json.loads(json.dumps(error.encode()))
    assert body["transaction"] == {"token": "t" * 60_000}
    assert "transaction" not in body["error"]
    assert SldbError.decode(body).transaction == error.transaction
    assert SldbError.decode(SldbError("constraint", "m").encode()).transaction is None


def refused(event: object, field: str) -> None:
    with pytest.raises(SldbError) as caught:
        Request.decode(event)
    assert (caught.value.code, caught.value.details["field"]) == ("bad_request", field)

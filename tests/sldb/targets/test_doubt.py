"""Requests that may have been applied without a reply."""

from __future__ import annotations

from lambda_handlers.wire import Request, SldbError, Statement
from lambda_handlers.wire.transaction import InTransaction
from sldb.targets.doubt import InDoubt, may_apply, sent_again

WRITE = (Statement("INSERT INTO t VALUES (1)"),)


def test_what_may_apply() -> None:
    assert may_apply(Request(WRITE))
    assert not may_apply(Request(WRITE, read_only=True))
    assert not may_apply(Request(WRITE, at=3))
    assert not may_apply(Request(WRITE, transaction=InTransaction.decode({"begin": True})))
    assert may_apply(Request(WRITE, transaction=InTransaction.decode({"begin": True, "end": "commit"})))


def test_the_outcome_of_a_doubt() -> None:
    error = SldbError("store_error", "no answer", "try again", applied="no")
    assert InDoubt(error).unresolved("ask again").details["applied"] == "unknown"
    assert InDoubt(error).not_applied("ask again").details["applied"] == "unknown"
    assert InDoubt(error, may_come_yet=False).not_applied("ask again").details["applied"] == "no"
    assert "sent again" in sent_again(error).message

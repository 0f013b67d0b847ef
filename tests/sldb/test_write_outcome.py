"""The outcome of a write in words."""

from __future__ import annotations

import pytest

from lambda_handlers.wire import Request, SldbError, Statement
from lambda_handlers.wire.transaction import COMMIT, InTransaction
from sldb.write_outcome import may_write, message


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({"applied": "no"}, "stopped; nothing was applied"),
        ({"applied": "unknown"}, "stopped; whether it was applied is unknown"),
        ({}, "stopped; nothing was changed"),
    ],
)
def test_a_cancelled_request_has_an_outcome(details: dict[str, str], said: str) -> None:
    assert message(SldbError("cancelled", "stopped", **details)) == said


def test_another_error_about_a_read_has_none() -> None:
    assert message(SldbError("sql_error", "no such table")) == "no such table"


INSERT = (Statement("INSERT INTO t VALUES (1)"),)


@pytest.mark.parametrize(
    ("request_", "writes"),
    [
        (Request(INSERT), True),
        (Request((Statement("SELECT 1"), *INSERT)), True),
        (Request((Statement("SELECT 1"),)), False),
        (Request(INSERT, read_only=True), False),
        (Request(INSERT, dry_run=True), False),
        (Request(INSERT, at=1), False),
        (Request(INSERT, transaction=InTransaction()), False),
        (Request((), transaction=InTransaction(token="t", end=COMMIT)), True),
    ],
)
def test_may_write(request_: Request, writes: bool) -> None:
    assert may_write(request_) == writes

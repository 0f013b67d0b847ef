"""Errors of requests, in SQLite's names or as a status."""

from __future__ import annotations

import pytest

from lambda_handlers.http.hrana.errors import error_of
from lambda_handlers.http.hrana.failure import ProtocolFailure
from lambda_handlers.wire import ERROR_CODES, SldbError


def test_a_constraint_has_both_codes():
    error = SldbError("constraint", "UNIQUE constraint failed: t.a", sqlite_code="SQLITE_CONSTRAINT_UNIQUE")
    assert error_of(error) == {
        "message": "UNIQUE constraint failed: t.a",
        "code": "SQLITE_CONSTRAINT",
        "extended_code": "SQLITE_CONSTRAINT_UNIQUE",
    }


def test_a_primary_code_stands_alone():
    error = SldbError("sql_error", "no such table: t", sqlite_code="SQLITE_ERROR")
    assert error_of(error) == {"message": "no such table: t", "code": "SQLITE_ERROR"}


@pytest.mark.parametrize(
    ("code", "details", "status"),
    [
        ("query_timeout", {}, 408),
        ("store_error", {}, 503),
        ("internal", {}, 500),
        ("not_found", {}, 404),
        ("forbidden", {}, 403),
        ("bad_request", {"field": "transaction.token"}, 404),
    ],
)
def test_a_failure_that_is_none_of_sql_fails_the_http_request(code, details, status):
    with pytest.raises(ProtocolFailure) as caught:
        error_of(SldbError(code, "why", **details))
    assert caught.value.status == status


@pytest.mark.parametrize("code", sorted(set(ERROR_CODES) - {"query_timeout", "store_error", "internal"}))
def test_every_other_error_of_a_statement_is_a_result(code):
    error = error_of(SldbError(code, "why", "do this", statement=0))
    assert error["code"].isupper()
    assert error["message"].startswith("why")

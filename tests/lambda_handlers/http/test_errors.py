"""Errors as HTTP responses."""

from __future__ import annotations

import json

import pytest

from lambda_handlers.http.errors import HttpError, error_response, may_succeed_later
from lambda_handlers.wire import ERROR_CODES, SldbError


@pytest.mark.parametrize("code", ERROR_CODES)
def test_an_error_has_the_status_of_its_code_and_the_body_of_a_reply(code: str) -> None:
    error = SldbError(code, "what happened", "what to do", field="a")
    response = error_response(error)
    assert response.status == ERROR_CODES[code].status
    assert json.loads(response.body) == error.encode()
    assert response.code == code


@pytest.mark.parametrize(
    ("error", "is_temporary"),
    [
        (SldbError("lock_timeout", "taken"), True),
        (SldbError("store_error", "no answer"), True),
        (SldbError("conflict", "other writers came first", applied="no"), True),
        (SldbError("conflict", "the newest transaction is 4, not 3", txid=4), False),
        (SldbError("conflict", "statement 1 returns another result", statement=0), False),
        (SldbError("constraint", "UNIQUE"), False),
        (SldbError("exists", "there"), False),
        (SldbError("internal", "a bug"), False),
        (SldbError("too_large", "a limit"), False),
    ],
)
def test_only_what_may_succeed_later_says_so(error: SldbError, is_temporary: bool) -> None:
    assert may_succeed_later(error) is is_temporary
    assert ("retry-after" in error_response(error).headers) is is_temporary


def test_a_conflict_shows_the_newest_transaction() -> None:
    assert error_response(SldbError("conflict", "another", txid=4)).headers["x-sldb-txid"] == "4"


def test_an_error_of_http_has_a_status_of_its_own() -> None:
    response = error_response(HttpError(405, "bad_request", "POST only", headers={"allow": "POST"}))
    assert (response.status, response.headers["allow"]) == (405, "POST")
    assert json.loads(response.body)["error"]["applied"] == "no"

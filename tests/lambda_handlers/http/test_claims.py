"""The caller of an HTTP event."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_handlers.caller import OPERATOR, Caller
from lambda_handlers.http.claims import caller_of
from lambda_handlers.wire import SldbError

CLAIMS = {"sldb_name": "ada", "sldb_databases": "main orders", "sldb_scope": "write"}
ADA = Caller("ada", frozenset({"main", "orders"}), may_write=True)


@pytest.mark.parametrize(
    "authorizer",
    [
        {"lambda": CLAIMS},
        {"jwt": {"claims": CLAIMS, "scopes": None}},
        {"claims": CLAIMS},
        {**CLAIMS, "principalId": "ada", "integrationLatency": 3},
    ],
    ids=["lambda 2.0", "jwt", "cognito", "lambda 1.0"],
)
def test_the_claims_in_each_form(authorizer: dict[str, Any]) -> None:
    assert caller_of({"authorizer": authorizer}) == ADA


@pytest.mark.parametrize("context", [{}, {"authorizer": None}, {"authorizer": {"iam": {"userArn": "arn"}}}])
def test_what_awss_own_policies_let_pass_is_an_operators(context: dict[str, Any]) -> None:
    assert caller_of(context) is OPERATOR


def test_a_claim_that_is_absent_gives_nothing() -> None:
    assert caller_of({"authorizer": {"lambda": {"sldb_name": "ada"}}}) == Caller("ada", frozenset(), may_write=False)
    assert caller_of({"authorizer": {"jwt": {"claims": {"sub": "ada"}}}}).databases == frozenset()


@pytest.mark.parametrize("scope", ["read", "", "WRITE", "read write", None, True])
def test_only_write_may_write(scope: object) -> None:
    assert not caller_of({"authorizer": {"lambda": {**CLAIMS, "sldb_scope": scope}}}).may_write


def test_all_databases_must_be_said() -> None:
    assert caller_of({"authorizer": {"lambda": {**CLAIMS, "sldb_databases": "*"}}}).databases is None


@pytest.mark.parametrize(
    "authorizer",
    [
        {},
        [],
        "ada",
        {"lambda": None},
        {"lambda": {}},
        {"lambda": {"sldb_databases": "*", "sldb_scope": "write"}},
        {"lambda": {**CLAIMS, "sldb_name": ""}},
        {"lambda": {**CLAIMS, "sldb_name": "a b"}},
        {"lambda": {**CLAIMS, "sldb_name": 4}},
        {"lambda": {**CLAIMS, "sldb_databases": ["*"]}},
        {"jwt": {}},
        {"iam": {}, "lambda": {}},
        {"principalId": "ada"},
    ],
)
def test_an_authorizer_that_names_no_caller_lets_nobody_pass(authorizer: object) -> None:
    with pytest.raises(SldbError) as caught:
        caller_of({"authorizer": authorizer})
    assert caught.value.code == "forbidden"

"""What is said of a front's refusals: what it did not accept, why, and what to do."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.aws.http import HttpReply
from sldb.targets.http_auth import HttpAuth
from sldb.targets.http_refusals import is_temporary, refusal

NAME = "https://abc.execute-api.eu-west-1.amazonaws.com"
TOKEN, KEY, IAM = HttpAuth("token", "t0ken"), HttpAuth("key", "k3y"), HttpAuth("iam")


def reply(status: int, message: str = "", **headers: str) -> HttpReply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(status, named, json.dumps({"message": message}).encode())


EXPIRED = 'Bearer scope="" error="invalid_token" error_description="the token has expired"'


@pytest.mark.parametrize(
    ("auth", "answer", "says", "hint"),
    [
        (TOKEN, reply(401, "Unauthorized", www_authenticate=EXPIRED), "token (the token has expired)", "SLDB_TOKEN"),
        (TOKEN, reply(403, "Forbidden"), "does not accept the token", "expired, revoked"),
        (HttpAuth("token"), reply(401, "Unauthorized"), "wants a token or an API key", "SLDB_TOKEN"),
        (KEY, reply(403, "Forbidden"), "does not accept the API key", "SLDB_API_KEY"),
        (HttpAuth("key"), reply(403, "Forbidden"), "wants a token or an API key", "SLDB_API_KEY"),
        (KEY, reply(403, "Missing Authentication Token"), "no such route", f"{NAME}/sldb"),
        (KEY, reply(429, "Limit Exceeded"), "quota", "operator"),
        (KEY, reply(429, "Too Many Requests"), "too many requests", "later"),
        (IAM, reply(403, "Forbidden"), "403: Forbidden", "execute-api:Invoke"),
        (IAM, reply(403, "Signature expired: 2026 is now earlier than"), "Signature expired", "clock"),
        (IAM, reply(403, "The security token included in the request is expired"), "is expired", "--profile"),
        (TOKEN, reply(500, "Internal Server Error", apigw_requestid="R1="), "500 (request R1=)", "log"),
        (TOKEN, reply(404, "Not Found"), "answered 404", "address"),
        (TOKEN, HttpReply(413, {}, b""), "too large", "split"),
    ],
)
def test_what_is_said(auth: HttpAuth, answer: HttpReply, says: str, hint: str) -> None:
    error = refusal(NAME, auth, answer)
    assert says in error.message
    assert hint in error.hint
    assert error.exit_code == (1 if answer.status == 413 else 3)


@given(st.sampled_from([TOKEN, KEY, IAM]), st.integers(300, 599), st.binary(max_size=300), st.text(max_size=300))
def test_any_answer_is_an_error_without_the_secret(auth: HttpAuth, status: int, body: bytes, header: str) -> None:
    answer = HttpReply(status, {"www-authenticate": header, "x-amzn-requestid": header}, body)
    error = refusal(NAME, auth, answer)
    assert error.message.isprintable()
    assert len(error.message) < 500
    assert isinstance(is_temporary(answer), bool)


def test_what_may_succeed_a_moment_later() -> None:
    assert [status for status in range(200, 600) if is_temporary(reply(status))] == [429, 500, 502, 503, 504]
    assert not is_temporary(reply(429, "Limit Exceeded"))

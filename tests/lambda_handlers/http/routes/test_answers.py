"""HTTP over the service: bugs, the log, events."""

from __future__ import annotations

import json

import pytest

from lambda_handlers.http.routes import front
from lambda_handlers.service import Service


def event(body: object, path: str = "/main/query", **more: object) -> dict[str, object]:
    return {
        "rawPath": path,
        "requestContext": {"http": {"method": "POST"}, **more},
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(body),
    }


def test_a_bug_is_a_response_and_leaves_its_traceback_in_the_log(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(front, "_respond", fail)
    response = service.handle(event({"query": "SELECT 1"}))
    assert (response["statusCode"], json.loads(response["body"])["error"]["code"]) == (500, "internal")
    shown = capsys.readouterr()
    assert "ZeroDivisionError" in shown.out + shown.err


def test_an_authorizer_without_claims_reaches_nothing(service: Service) -> None:
    response = service.handle(event({"query": "SELECT 1"}, authorizer={"lambda": {}}))
    assert (response["statusCode"], json.loads(response["body"])["error"]["code"]) == (403, "forbidden")


def test_the_claims_are_the_callers(service: Service) -> None:
    claims = {"sldb_name": "ada", "sldb_databases": "orders", "sldb_scope": "write"}
    response = service.handle(event({"query": "CREATE TABLE t (a)"}, "/query", authorizer={"lambda": claims}))
    assert (response["statusCode"], json.loads(response["body"])["database"]) == (200, "orders")
    assert service.handle(event({"query": "SELECT 1"}, authorizer={"lambda": claims}))["statusCode"] == 403


def test_a_request_has_one_line_in_the_log(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.handle(event({"query": "SELECT secret"}))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 1
    assert not any("secret" in line for line in lines)

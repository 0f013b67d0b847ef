"""HTTP over the service: bugs, the log, events."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from lambda_handlers.access.callers import KEY, Document, Entry
from lambda_handlers.http.routes import front
from lambda_handlers.service import Service
from tests.fakes.databases.service import container
from tests.fakes.gateway import Event, http_event, rest_event
from tests.fakes.stores.faulty import FaultyStore, lose_request
from tests.fakes.stores.memory import memory_store

ENTRY = Entry("ada", None, False, 0)


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


class Site:
    """A service that logs, with a list of callers."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.store = FaultyStore(memory_store())
        self.service = container(self.store, log_level="info")
        self.write(Document().with_entry("key:k1", ENTRY))

    def write(self, document: Document) -> None:
        self.store.put(KEY, document.encode())

    def line(self, event: Event) -> dict[str, Any]:
        """Return the line of the log for an event, after its values are looked for."""
        self._capsys.readouterr()
        self.service.handle(event)
        shown = self._capsys.readouterr()
        (text,) = (shown.out + shown.err).splitlines()
        assert not [
            secret for secret in ("a-value", "the-secret-of-the-key", "k1") if re.search(rf"\b{secret}\b", text)
        ]
        return dict(json.loads(text))


@pytest.fixture
def site(capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    site = Site(capsys)
    with closing(site.service):
        yield site


def test_the_line_of_a_request_has_its_front_and_its_caller(site: Site) -> None:
    body = {"query": "SELECT 'a-value', ?", "params": ["a-value"]}
    line = site.line(rest_event("key", body=body))
    assert (line["front"], line["caller"], line["status"]) == ("key", "ada", 200)
    claims = {"sldb_name": "bob", "sldb_databases": "*", "sldb_scope": "read"}
    line = site.line(http_event("token", {"lambda": claims}, body=body))
    assert (line["front"], line["caller"]) == ("token", "bob")
    assert site.line(http_event(None, body=body))["front"] is None


@pytest.mark.parametrize(
    ("changes", "reason", "caller"),
    [({"revoked_ms": 1}, "revoked", "ada"), ({"expires_ms": 1}, "expired", "ada"), (None, "unknown", None)],
)
def test_the_line_of_a_refusal_says_why(
    site: Site, changes: dict[str, int] | None, reason: str, caller: str | None
) -> None:
    site.write(Document() if changes is None else Document().with_entry("key:k1", replace(ENTRY, **changes)))
    line = site.line(rest_event("key", body={"query": "SELECT 'a-value'"}))
    want = {"status": 403, "code": "forbidden", "front": "key", "reason": reason, "caller": caller}
    assert {name: line[name] for name in want} == want


def test_the_line_of_an_event_without_its_identity(site: Site) -> None:
    line = site.line(http_event("token", body={"query": "SELECT 'a-value'"}))
    assert (line["front"], line["reason"], line["status"]) == ("token", "unidentified", 403)
    line = site.line(http_event("other", body={"query": "SELECT 'a-value'"}))
    assert (line.get("front"), line["reason"], line["status"]) == (None, "unknown_front", 403)


def test_a_list_of_callers_that_cannot_be_read_is_an_error_of_the_store(site: Site) -> None:
    site.store.plan("get_with_tag", lose_request)
    response = site.service.handle(rest_event("key"))
    error = json.loads(response["body"])["error"]
    assert (response["statusCode"], error["code"], error["applied"]) == (503, "store_error", "no")
    assert response["headers"]["retry-after"] == "1"


def test_a_bug_while_the_caller_is_looked_for_is_a_response(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(site.store, "get_with_tag", fail)
    line = site.line(rest_event("key"))
    assert (line["status"], line["code"], line["level"]) == (500, "internal", "error")
    assert "ZeroDivisionError" in line["traceback"]


def test_the_copy_of_the_list_lives_as_long_as_the_container(site: Site) -> None:
    for _ in range(5):
        site.service.handle(rest_event("key"))
    assert [key for verb, key in site.store.calls if verb in ("get_with_tag", "info")].count(KEY) == 1

"""`sldb token`, in this process, over emulated services and a stack whose outputs name them."""

from __future__ import annotations

import io
import json
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from lambda_handlers.access.tokens import read_token
from lambda_handlers.wire import SldbError
from sldb.access.stack_access import StackAccess
from sldb.cli import streams
from sldb.stack.account import Account
from sldb.stack.state import StackState
from tests.sldb.cli.in_process import Done, Sldb, forget_settings, in_process

ALL = ("token", "key", "iam", "jwt")
OUTPUTS = {"token": "TokenApiId", "key": "KeyApiId", "iam": "IamApiId", "jwt": "JwtApiId"}
MINUTES_LATER = "within a minute"


@pytest.fixture(scope="module")
def session(s3_url: str) -> Any:
    return boto3.Session("k", "s", region_name="us-east-1")


@pytest.fixture
def access(session: Any, s3_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StackAccess:
    for name in ("SLDB_STACK", "AWS_PROFILE", "SLDB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLDB_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
    forget_settings(monkeypatch)
    account = Account(session, "123456789012", "us-east-1")
    name = f"tokens-{uuid.uuid4().hex}"
    account.s3.create_bucket(Bucket=name)
    outputs = {
        "DataBucket": name,
        "TokenSecretArn": account.secrets.create_secret(Name=name, SecretString="s" * 64)["ARN"],
        "KeyUsagePlanId": account.rest_apis.create_usage_plan(name=name)["id"],
        **{OUTPUTS[kind]: f"{kind}api" for kind in ALL},
    }
    state = StackState("id", "CREATE_COMPLETE", parameters={"ExistingBucket": name}, outputs=outputs)
    return StackAccess(account, "test-db", state)


@pytest.fixture
def sldb(access: StackAccess, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Sldb:
    monkeypatch.setattr("sldb.access.stack_access.open_access", lambda _options, _stack: access)
    monkeypatch.setattr("sldb.cli.run.Run.client", client_of("main", "orders"))
    return in_process(capsys)


def client_of(*databases: str) -> Callable[..., Any]:
    class Client:
        def database_names(self) -> list[str]:
            return list(databases)

        def close(self) -> None:
            pass

    return lambda _run: Client()


def rows(done: Done) -> list[dict[str, Any]]:
    assert done.status == 0, done.err
    found: list[dict[str, Any]] = json.loads(done.out)
    return found


def test_the_token_stands_alone_on_standard_output(sldb: Sldb) -> None:
    done = sldb("token", "create", "ci")
    assert done.status == 0
    token = done.out.removesuffix("\n")
    assert read_token(token).claims.name == "ci"
    assert token not in done.err
    assert "ci may read and write the database main, at http" in done.err
    assert "_execute-api/tokenapi" in done.err
    assert "It never expires" in done.err


def test_a_format_of_the_environment_does_not_change_that(sldb: Sldb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLDB_FORMAT", "json")
    assert read_token(sldb("token", "create", "ci").out.strip())


def test_a_format_for_programs(sldb: Sldb) -> None:
    (row,) = rows(sldb("token", "create", "ci", "--read-only", "--expires", "30d", "--format", "json"))
    assert read_token(row["secret"]).claims.token_id == row["id"]
    assert (row["name"], row["kind"], row["databases"], row["scope"]) == ("ci", "token", "main", "read")
    assert row["address"].endswith("/_execute-api/tokenapi")


@pytest.mark.parametrize(
    ("words", "databases"),
    [
        ((), "main"),
        (("--database", "orders"), "orders"),
        (("--database", "orders", "--database", "main"), "main orders"),
        (("--all-databases",), "*"),
    ],
)
def test_the_databases_of_a_caller(sldb: Sldb, words: tuple[str, ...], databases: str) -> None:
    assert sldb("token", "create", "ci", *words).status == 0
    assert [row["databases"] for row in rows(sldb("token", "list", "--format", "json"))] == [databases]


def test_the_database_of_the_command_is_the_default(sldb: Sldb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLDB_DATABASE", "orders")
    assert sldb("token", "create", "by-variable").status == 0
    assert sldb("--database", "main", "token", "create", "by-option").status == 0
    assert sldb("--database", "main", "token", "create", "by-own", "--database", "orders").status == 0
    found = {row["name"]: row["databases"] for row in rows(sldb("token", "--format", "json"))}
    assert found == {"by-variable": "orders", "by-option": "main", "by-own": "orders"}


def test_a_database_that_does_not_exist_is_a_note(sldb: Sldb) -> None:
    done = sldb("token", "create", "ci", "--database", "order")
    assert (done.status, "no database order yet" in done.err, "orders" in done.err) == (0, True, True)


def test_a_name_that_was_revoked_a_short_time_ago_is_a_note(sldb: Sldb, monkeypatch: pytest.MonkeyPatch) -> None:
    """What belongs to a caller, belongs to its name: the next one has it."""
    assert "earlier" not in sldb("token", "create", "ci").err
    assert sldb("token", "revoke", "ci", "--yes").status == 0
    assert "note: an earlier ci was revoked" in sldb("token", "create", "ci").err
    assert sldb("token", "revoke", "ci", "--yes").status == 0
    assert "earlier" not in sldb("token", "create", "other").err
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_401)
    assert "earlier" not in sldb("token", "create", "ci").err


def test_databases_that_cannot_be_listed_are_no_error(sldb: Sldb, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_run: object) -> Any:
        raise SldbError("store_error", "not allowed")

    monkeypatch.setattr("sldb.cli.run.Run.client", refused)
    done = sldb("token", "create", "ci")
    assert (done.status, "could not be checked: not allowed" in done.err) == (0, True)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("ci", "--key", "--principal", "arn:aws:iam::123456789012:role/r"), 2),
        (("ci", "--all-databases", "--database", "main"), 2),
        (("ci", "--principal", "root"), 2),
        (("ci", "--subject", ""), 2),
        (("c i",), 2),
        (("ci", "--database", "No"), 2),
        (("ci", "--expires", "yesterday"), 2),
        (("ci", "--local", "dir"), 2),
        (("ci", "--target", "https://db.example"), 2),
        (("taken",), 1),
    ],
)
def test_what_is_refused_makes_nothing(sldb: Sldb, words: tuple[str, ...], status: int) -> None:
    assert sldb("token", "create", "taken").status == 0
    done = sldb("token", "create", *words)
    assert (done.status, done.out) == (status, ""), done.err
    assert [row["name"] for row in rows(sldb("token", "list", "--format", "json"))] == ["taken"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("token", ()), ("key", ("--key",)), ("iam", ("--principal", "arn:aws:iam::123456789012:role/r")),
     ("jwt", ("--subject", "auth0|1"))],
)  # fmt: skip
def test_a_stack_without_that_api_names_the_deployment(
    sldb: Sldb, access: StackAccess, kind: str, words: tuple[str, ...]
) -> None:
    del access.state.outputs[OUTPUTS[kind]]  # type: ignore[attr-defined]
    done = sldb("token", "create", "ci", *words)
    others = ",".join([*(each for each in ("token", "key", "jwt", "iam") if each != kind), kind])
    assert (done.status, done.out) == (2, "")
    assert f"`sldb deploy --api {others}" in done.err


def test_an_api_key(sldb: Sldb, access: StackAccess) -> None:
    done = sldb("token", "create", "partner", "--key")
    (row,) = rows(sldb("token", "list", "--format", "json"))
    found = access.account.rest_apis.get_api_key(apiKey=row["id"], includeValue=True)
    assert (done.out, row["kind"]) == (f"{found['value']}\n", "key")
    assert "SLDB_API_KEY" in done.err
    assert "/_execute-api/keyapi/sldb" in done.err
    assert sldb("token", "revoke", "partner", "--yes").status == 0
    with pytest.raises(access.account.rest_apis.exceptions.NotFoundException):
        access.account.rest_apis.get_api_key(apiKey=row["id"])


def test_principals_and_subjects_print_nothing_to_keep(sldb: Sldb) -> None:
    arn = "arn:aws:iam::123456789012:role/teams/bi"
    done = sldb("token", "create", "bi", "--principal", arn, "--read-only", "--all-databases")
    assert (done.status, done.out) == (0, "")
    assert "bi may read all databases" in done.err
    assert sldb("token", "create", "ada", "--subject", "auth0|ada").out == ""
    found = [(row["kind"], row["id"], row["scope"]) for row in rows(sldb("token", "list", "--format", "json"))]
    assert found == [
        ("principal", "arn:aws:iam::123456789012:role/bi", "read"),
        ("subject", "auth0|ada", "write"),
    ]


def test_a_token_that_cannot_be_printed_is_revoked(sldb: Sldb, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(streams, "data_out", Full)
        patch.setattr("sldb.cli.errors._give_up_output", lambda: None)  # it is no stream of the system here
        done = sldb("token", "create", "ci")
    assert (done.status, "is revoked" in done.err) == (1, True)
    assert [row["state"] for row in rows(sldb("token", "list", "--all", "--format", "json"))] == ["revoked"]


def test_the_list(sldb: Sldb) -> None:
    assert "no callers yet" in sldb("token").err
    sldb("token", "create", "ci", "--read-only")
    sldb("token", "create", "old")
    sldb("token", "revoke", "old", "--yes")
    shown = sldb("token", "list").out
    assert ("ci" in shown, "old" in shown, "never" in shown) == (True, False, True)
    assert [row["state"] for row in rows(sldb("token", "list", "--all", "--format", "json"))] == ["active", "revoked"]


def test_revoking_asks(sldb: Sldb, monkeypatch: pytest.MonkeyPatch) -> None:
    sldb("token", "create", "ci")
    refused = sldb("token", "revoke", "ci")
    assert (refused.status, "--yes" in refused.err) == (2, True)
    monkeypatch.setattr(streams, "can_ask", lambda: True)
    for answer, status in (("n\n", 1), ("y\n", 0)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        done = sldb("token", "revoke", "ci")
        assert done.status == status
        assert "read and write the database main" in done.err
    assert MINUTES_LATER in done.err
    again = sldb("token", "revoke", "ci", "--format", "json")
    assert (json.loads(again.out)[0]["revoked"], "already" in again.err) == (False, True)
    assert sldb("token", "revoke", "other", "--yes").status == 1


def test_rotating_asks_if_it_ends_tokens(sldb: Sldb) -> None:
    sldb("token", "create", "ci")
    assert "stay valid" in sldb("token", "rotate").err
    refused = sldb("token", "rotate", "--now")
    assert (refused.status, "1 token (ci)" in refused.err) == (2, True)
    done = sldb("token", "rotate", "--now", "--yes", "--format", "json")
    assert json.loads(done.out) == [{"rotated": True, "ended": 1}]
    assert sldb("token", "list", "--format", "json").out.strip() == "[]"
    assert sldb("token", "create", "ci").status == 0

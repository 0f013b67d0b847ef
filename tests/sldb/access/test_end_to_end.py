"""Callers of the APIs, on the emulated AWS: `sldb deploy --api`, `sldb token`, and commands with what it has made.

Nothing is replaced: API Gateway, the authorizer and the query function run as deployed.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import boto3
import pytest

from lambda_handlers.shared.lock_holder import STACK_TAG
from sldb.cli.main import run as run_command
from tests.fakes.aws.emulated import emulated_aws, wheels_of
from tests.fakes.terminal.command import running, sldb
from tests.fakes.terminal.story import STORY, told
from tests.fakes.waiting import wait_until
from tests.sldb.access.stack_callers import Caller, Operator

pytestmark = [pytest.mark.network, pytest.mark.long, pytest.mark.timeout(300)]

KINDS = ("token", "key", "iam")
REVOKED_SECONDS = 120.0  # the bar is 60, of the clocks of AWS; here the machine may be busy, too
ENDLESS = "INSERT INTO slow WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0"


@pytest.fixture(scope="module")
def operator(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with emulated_aws(wheels=wheels_of(pytestconfig)) as aws:
        assert run_command(["deploy", "--api", ",".join(KINDS), "--yes"]) == 0
        yield Operator(tmp_path_factory.mktemp("operator"), aws)


@pytest.fixture(scope="module", autouse=True)
def gone(operator: Operator) -> list[Caller]:
    """Return callers of each kind that were served and then revoked, before the first test: it takes its time."""
    callers = [operator.caller(kind, f"gone-{kind}") for kind in KINDS]
    for caller in callers:
        caller.ok("query", "SELECT 1")
    for kind in KINDS:
        operator.run("token", "revoke", f"gone-{kind}", "--yes")
    return callers


def test_all_commands_over_an_api_say_what_they_say_over_a_directory(operator: Operator, tmp_path: Path) -> None:
    caller = operator.caller("token", "story", "--all-databases")
    local = told(tmp_path / "local", STORY, ("--local", str(tmp_path / "directory")))
    over_api = told(tmp_path / "api", STORY, ("--target", caller.address), caller.variables)
    for ours, theirs in zip(over_api, local, strict=True):
        assert ours == theirs
    history = json.loads(caller.ok("history", "--limit", "100", "--format", "json"))
    assert {line["caller"] for line in history} == {"story"}


@pytest.mark.parametrize("kind", KINDS)
def test_each_front_serves_its_callers_and_their_databases(operator: Operator, tmp_path: Path, kind: str) -> None:
    operator.run("databases", "create", f"of-{kind}")
    own = ("--database", f"of-{kind}")
    writes = operator.caller(kind, f"writes-{kind}", *own)
    reads = operator.caller(kind, f"reads-{kind}", "--read-only", *own)
    writes.ok("query", "CREATE TABLE t (a)", *own)
    writes.ok("import", "-", "--table", "t", "--input-format", "jsonl", *own, stdin='{"a": 1}\n')
    writes.ok("shell", *own, stdin="BEGIN;\nINSERT INTO t VALUES (2);\nCOMMIT;\n")
    for caller in (writes, reads):
        assert caller.ok("query", "SELECT * FROM t", "--format", "csv", *own).split() == ["a", "1", "2"]
        caller.ok("pull", str(tmp_path / f"{caller is writes}.sqlite"), *own)
    writes.ok("push", str(tmp_path / "True.sqlite"), "--yes", *own)
    assert json.loads(writes.ok("history", "--format", "json", *own))[0]["caller"] == f"writes-{kind}"
    refused = reads.run("query", "INSERT INTO t VALUES (3)", *own)
    assert (refused.returncode, "[forbidden]" in refused.stderr) == (1, True), refused.stderr
    other = writes.run("query", "SELECT 1", "--database", "main")
    assert (other.returncode, "[forbidden]" in other.stderr) == (1, True), other.stderr
    assert [each.returncode for each in (writes.run("doctor", *own), writes.run("status"))] == [0, 2]


WRONG = {
    "token": ("SLDB_TOKEN",),
    "key": ("SLDB_API_KEY",),
    "iam": ("AWS_SECRET_ACCESS_KEY",),
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_credentials_are_not_accepted(operator: Operator, kind: str) -> None:
    caller = operator.caller(kind, f"known-{kind}")
    wrong = {**caller.variables, **dict.fromkeys(WRONG[kind], "wrong-secret")}
    none = {name: value for name, value in caller.variables.items() if name not in WRONG[kind]}
    for variables in (wrong, none):
        done = sldb(caller.home, "--target", caller.address, "query", "SELECT 1", extra=variables)
        assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
        assert "wrong-secret" not in done.stderr


def test_a_principal_without_an_entry_has_no_rights(operator: Operator) -> None:
    known = operator.caller("iam", "listed")
    _, variables = operator.principal("unlisted")
    done = sldb(known.home, "--target", known.address, "query", "SELECT 1", extra=variables)
    assert (done.returncode, "[forbidden]" in done.stderr) == (1, True), done.stderr


def test_ctrl_c_stops_the_request_at_the_function(operator: Operator) -> None:
    caller = operator.caller("token", "impatient")
    caller.ok("query", "CREATE TABLE IF NOT EXISTS slow (a)")
    out_end, out = os.pipe()
    given = os.open(os.devnull, os.O_RDONLY)
    words, ec2 = ["--target", caller.address, "query", ENDLESS], boto3.client("ec2")
    with open(out_end, "rb") as said, running(caller.home, words, (given, out, out), caller.variables) as process:
        os.close(given)
        os.close(out)
        tagged = [{"Name": "tag-key", "Values": [STACK_TAG]}]
        wait_until(lambda: ec2.describe_security_groups(Filters=tagged)["SecurityGroups"], "that it has the lock")
        os.kill(process.pid, signal.SIGINT)
        assert b"the request was cancelled; nothing was applied" in said.read()
        assert process.wait(60) == 130


def test_a_revoked_caller_is_refused(gone: list[Caller]) -> None:
    for caller in gone:
        wait_until(partial(is_refused, caller), "refused", REVOKED_SECONDS)


def is_refused(caller: Caller) -> bool:
    """Return True if the API or the function does not accept the caller any more."""
    done = caller.run("query", "SELECT 1")
    assert done.returncode in (0, 3) or "[forbidden]" in done.stderr, done.stderr
    return done.returncode != 0


def test_a_rotation_keeps_tokens_and_one_at_once_ends_them(operator: Operator) -> None:
    before = operator.caller("token", "before")
    operator.run("token", "rotate", "--yes")
    after = operator.caller("token", "after")
    for caller in (before, after):
        caller.ok("query", "SELECT 1")
    operator.run("token", "rotate", "--now", "--yes")
    for caller in (before, after):
        wait_until(partial(is_refused, caller), "refused", REVOKED_SECONDS)
    operator.caller("token", "afterwards").ok("query", "SELECT 1")

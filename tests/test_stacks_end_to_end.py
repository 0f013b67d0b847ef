"""Several stacks in one account: whatever a command does, it does to the one that is named.

Four are deployed to the emulated AWS, two of them as traps: `three` has its function under another name, and `four` has
taken the name that the function of `three` would have. All commands of the command line are tried; one that is not
in the tables below fails the test, so that a new command has to say what it aims at.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from lambda_handlers.wire import STACK_COMMANDS
from sldb.cli import spec
from sldb.cli.main import sldb as group
from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.front.hooks import Hook, Proceed
from sldb.emulator.front.server import Emulator
from tests.fakes.aws.emulated import emulated_aws, hooked, wheels_of
from tests.fakes.databases import sqlite_files
from tests.fakes.terminal.in_process import run_command
from tests.fakes.terminal.pty import PLAIN, on_terminal

pytestmark = [pytest.mark.long, pytest.mark.network, pytest.mark.timeout(600)]

STACKS = {"test-db": "test-db-function", "two": "two-function", "three": "mine", "four": "three-function"}
Path_ = tuple[str, ...]

# What each command is called with, where it does not change what the next one needs.
AIMING: dict[Path_, tuple[str, ...]] = {
    ("deploy",): ("--plan", "--memory", "512"),
    ("destroy",): (),  # asks, and nobody is there
    ("migrate-storage",): ("efs", "--create-vpc"),  # as above
    ("status",): (),
    ("doctor",): (),
    ("cost",): (),
    ("logs",): (),
    ("insights",): (),
    ("queue",): (),
    ("queue", "status"): (),
    ("queue", "peek"): (),
    ("queue", "redrive"): ("--yes",),
    ("queue", "purge"): ("--yes",),
    ("query",): ("INSERT INTO t VALUES (1)",),
    ("restore",): ("--at", "1"),
    ("undo",): ("--yes",),
    ("redo",): (),
    ("shell",): (),
    ("import",): ("rows.csv", "--table", "imported"),
    ("export",): ("t",),
    ("dump",): (),
    ("history",): (),
    ("diff",): ("1",),
    ("branch",): ("--as", "copy"),
    ("databases",): (),
    ("databases", "list"): (),
    ("databases", "create"): ("made",),
    ("databases", "set"): ("main", "foreign_keys=on"),
    ("databases", "rename"): ("made", "renamed"),
    ("databases", "drop"): ("renamed", "--yes"),
    ("push",): ("pushed.sqlite", "--database", "pushed", "--create"),
    ("backup", "create"): ("backups",),
    ("backup", "restore"): ("backups", "--only", "main", "--as", "restored"),
    ("pull",): ("pulled.sqlite", "--yes"),
    ("result",): ("0d5c7f2e9b0a4b57",),
    ("migrate",): ("--dir", "migrations"),
    ("migrate", "status"): ("--dir", "migrations"),
    ("migrate", "up"): ("--dir", "migrations"),
    ("migrate", "rollback"): ("--dir", "migrations"),
    ("unlock",): (),
    ("token",): (),
    ("token", "list"): (),
    ("token", "create"): ("named",),
    ("token", "rotate"): ("--yes",),
    ("token", "revoke"): ("named", "--yes"),
}
WRITES = {
    *(("query",), ("shell",), ("import",), ("restore",), ("undo",), ("redo",), ("branch",), ("push",)),
    *(("databases", "create"), ("databases", "rename"), ("databases", "drop")),
    *(("migrate", "up"), ("migrate", "rollback")),
}
NOWHERE = {
    *(("config",), ("config", "path"), ("config", "init"), ("config", "set"), ("config", "unset")),
    *(("backup",), ("backup", "list"), ("backup", "verify")),
    *(("completion",), ("emulator",), ("emulator", "env"), ("migrate", "new"), ("serve",)),
    ("mcp",),  # it asks for nothing until an assistant does
}
STATUSES = {("destroy",): 2, ("migrate-storage",): 2, ("result",): 1}  # where it is not 0


def test_the_tables_have_every_command() -> None:
    assert set(AIMING) | NOWHERE == set(dict(spec.walk(group)))
    assert not set(AIMING) & NOWHERE
    assert set(STACK_COMMANDS) == {path[0] for path in AIMING}  # which messages complete


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str
    calls: list[Call]

    def touched(self) -> set[str]:
        """The stacks that anything was asked of."""
        return {stack for stack in STACKS for call in self.calls if stack in _meant(call)}

    def invoked(self) -> list[str]:
        return [call.path.split("/")[3] for call in self.calls if call.action == "Invoke"]


def _meant(call: Call) -> set[str]:
    """The stacks that a call names: by a function, a bucket, a log, a tag, or itself."""
    if call.service == "lambda":
        name = call.path.split("/")[3] if call.path.count("/") > 2 else ""
        function = name.removesuffix("-deadlock-fix")
        return {stack for stack, own in STACKS.items() if own == function}
    if call.service == "s3":
        bucket = call.path.split("/")[1]
        return {stack for stack in STACKS if bucket.startswith((f"{stack}-data-", f"{stack}-bundles-"))}
    if call.service == "cloudformation":
        given = call.form.get("StackName", "") + call.form.get("ChangeSetName", "")
        return {stack for stack in STACKS if given == stack or f"stack/{stack}/" in given}
    if call.service == "logs":
        return {stack for stack, own in STACKS.items() if f"/aws/lambda/{own}" in call.body.decode()}
    return {stack for stack in STACKS if stack in call.form.values()}


class Account:
    def __init__(self, aws: Emulator, directory: Path) -> None:
        self.aws = aws
        self.directory = directory

    def run(self, *arguments: str, stdin: str = "", hook: Hook | None = None) -> Ran:
        calls: list[Call] = []

        def watch(call: Call, proceed: Proceed) -> Answer:
            calls.append(call)
            return hook(call, proceed) if hook else proceed(call)

        with hooked(self.aws, watch):
            return Ran(*run_command(arguments, stdin), calls)

    def ok(self, *arguments: str, **options: Any) -> Ran:
        ran = self.run(*arguments, **options)
        assert ran.status == 0, ran.err
        return ran

    def txid(self, function: str) -> int:
        """The newest transaction, by the plain event: no client decides where it goes."""
        event = json.dumps({"query": "SELECT count(*) FROM t"})
        answer = boto3.client("lambda").invoke(FunctionName=function, Payload=event)
        return int(json.loads(answer["Payload"].read())["body"]["txid"])

    def all_txids(self) -> dict[str, int]:
        return {stack: self.txid(function) for stack, function in STACKS.items()}


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    directory = tmp_path_factory.mktemp("stacks")
    with (
        pytest.MonkeyPatch.context() as patch,
        emulated_aws(minute_seconds=3600, wheels=wheels_of(request.config)) as aws,
    ):
        patch.chdir(directory)
        account = Account(aws, directory)
        for stack, function in STACKS.items():
            options = ("--lock", "none", "--api", "token", "--queue", "fifo")
            account.ok("deploy", "--stack", stack, "--function", function, *options)
            invoke = boto3.client("lambda").invoke
            invoke(FunctionName=function, Payload=json.dumps({"query": "CREATE TABLE t (a)"}))
        sqlite_files.make(
            directory / "pushed.sqlite",
            sqlite_files.Recipe(4096, False, "none", 3, 10, 0, False, False, False, False, 0, 0),
        ).close()
        (directory / "rows.csv").write_text("a,b\n1,2\n")
        (directory / "migrations").mkdir()
        (directory / "migrations" / "20261126000000_one.sql").write_text(
            "-- migrate:up\nCREATE TABLE one (a);\n-- migrate:down\nDROP TABLE one;\n"
        )
        yield account


def call(account: Account, path: Path_, *options: str) -> Ran:
    stdin = "INSERT INTO t VALUES (1);\n" if path == ("shell",) else ""
    return account.run(*options, *path, *AIMING[path], stdin=stdin)


@pytest.mark.parametrize("options", [("--stack", "two"), ("--target", "lambda:two-function")])
def test_every_command_goes_to_the_stack_that_is_named_and_to_no_other(
    account: Account, options: tuple[str, ...]
) -> None:
    before = account.all_txids()
    for path in AIMING:
        ran = call(account, path, *options)
        assert ran.touched() == {"two"}, (path, ran.err)
        assert ran.status == STATUSES.get(path, 0), (path, ran.err)
        if path in WRITES:
            place = "stack two" if "--stack" in options else "function two-function"
            assert f" of {place}\n" in ran.err, (path, ran.err)
            assert "written to" not in ran.out
    after = account.all_txids()
    assert {stack for stack in STACKS if after[stack] != before[stack]} == {"two"}
    account.ok("--stack", "two", "databases", "drop", "copy", "--yes")


@pytest.mark.parametrize("path", AIMING, ids=" ".join)
def test_a_stack_that_does_not_exist_is_an_error_before_anything_is_sent(account: Account, path: Path_) -> None:
    ran = call(account, path, "--stack", "nope")
    assert set(ran.invoked()) <= {"nope-function"}  # which there is none
    assert ran.touched() == set()
    put = [each.path for each in ran.calls if each.service == "s3" and each.method == "PUT"]
    # A plan of CloudFormation reads the template from the bucket of bundles.
    assert not [each for each in put if not (path == ("deploy",) and each.startswith("/nope-bundles-"))]
    if path == ("deploy",):
        assert ran.status == 0  # that is what makes one
    else:
        assert ran.status == (1 if path == ("doctor",) else 3), ran.err
        told = ran.out if path == ("doctor",) else ran.err
        assert "there is no stack nope in us-east-1" in told
        assert "sldb deploy --stack nope" in told


@pytest.mark.parametrize(
    "options",
    [
        ("--local", "db", "--stack", "two"),
        ("--target", "local:db", "--stack", "test-db"),
        ("--target", "lambda:test-db-function", "--stack", "two"),
        ("--target", "lambda:three-function", "--stack", "three"),
        ("--stack", ""),
        ("--local", ""),
        ("--target", "lambda:"),
    ],
    ids=" ".join,
)
def test_what_contradicts_itself_is_a_usage_error_of_every_command(account: Account, options: tuple[str, ...]) -> None:
    before = account.all_txids()
    for path in AIMING:
        ran = call(account, path, *options)
        assert ran.status == 2, (path, ran.err)
        assert "contradict" in ran.err or "no such target" in ran.err or "is empty" in ran.err, (path, ran.err)
        assert not [each for each in ran.calls if each.service == "s3"], path
    assert account.all_txids() == before
    assert not (account.directory / "db").exists()


def test_what_aims_at_nothing_takes_no_harm_from_what_is_set(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLDB_TARGET", "local:db")
    monkeypatch.setenv("SLDB_STACK", "two")
    assert call(account, ("status",)).status == 2
    for arguments in (("config",), ("config", "path"), ("completion", "bash"), ("migrate", "new", "x", "--dir", "new")):
        assert account.ok(*arguments).calls == []


@pytest.mark.parametrize("stack", STACKS)
def test_the_environment_and_the_config_aim_as_the_option_does(
    account: Account, stack: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for _ in range(2):
        before = account.all_txids()
        monkeypatch.setenv("SLDB_STACK", stack)
        account.ok("query", "INSERT INTO t VALUES (1)")
        monkeypatch.delenv("SLDB_STACK")
        config = tmp_path / "config.toml"
        config.write_text(f'stack = "test-db"\n[profiles.p]\nstack = "{stack}"\n')
        monkeypatch.setenv("SLDB_CONFIG", str(config))
        account.ok("--use", "p", "query", "INSERT INTO t VALUES (1)")
        monkeypatch.delenv("SLDB_CONFIG")
        account.ok("query", "INSERT INTO t VALUES (1)", "--stack", stack)
        assert account.all_txids() == {name: rows + 3 * (name == stack) for name, rows in before.items()}


def test_a_query_pays_no_call_to_find_its_function(account: Account) -> None:
    for stack in ("test-db", "two", "four"):
        ran = account.ok("--stack", stack, "query", "SELECT 1")
        services = [each.service for each in ran.calls if each.access_key == account_key()]
        assert services == (["lambda"] if stack != "four" else ["lambda", "cloudformation", "lambda"])


def account_key() -> str:
    return os.environ["AWS_ACCESS_KEY_ID"]


def test_a_function_that_has_the_name_of_anothers_refuses_and_is_passed_over(account: Account) -> None:
    before = account.all_txids()
    ran = account.ok("--stack", "three", "query", "INSERT INTO t VALUES (1)")
    assert ran.invoked() == ["three-function", "mine"]
    assert "written to database main of stack three" in ran.err
    assert account.all_txids() == {**before, "three": before["three"] + 1}


def test_many_databases_at_once_look_the_function_up_once(account: Account) -> None:
    account.ok("--stack", "three", "databases", "create", "t-1")
    account.ok("--stack", "three", "databases", "create", "t-2")
    ran = account.ok("--stack", "three", "query", "--all-databases", "t-*", "SELECT 1")
    assert [each.action for each in ran.calls if each.service == "cloudformation"] == ["DescribeStacks"]
    for name in ("t-1", "t-2"):
        account.ok("--stack", "three", "databases", "drop", name, "--yes")


def old_function(call: Call, proceed: Proceed) -> Answer:
    """All functions as they were before they knew the field."""
    unknown = sorted({"create", "stack"} & set(json.loads(call.body))) if call.action == "Invoke" else []
    if unknown:
        error = {"code": "bad_request", "message": f"{unknown[0]}: got 'x', want one of …", "field": unknown[0]}
        return Answer(200, (), json.dumps({"statusCode": 400, "body": {"error": {**error, "hint": ""}}}).encode())
    return proceed(call)


@pytest.mark.parametrize(("stack", "asked"), [("test-db", 2), ("two", 2), ("three", 3), ("four", 3)])
def test_an_older_function_is_used_once_cloudformation_says_that_it_is_the_stacks(
    account: Account, stack: str, asked: int
) -> None:
    before = account.all_txids()
    ran = account.ok("--stack", stack, "query", "INSERT INTO t VALUES (1)", hook=old_function)
    assert len(ran.invoked()) == asked
    assert ran.invoked()[-1] == STACKS[stack]
    assert "stack" not in json.loads([each for each in ran.calls if each.action == "Invoke"][-1].body)
    assert account.all_txids() == {**before, stack: before[stack] + 1}
    plain = account.ok("--target", f"lambda:{STACKS[stack]}", "query", "SELECT 1", hook=old_function)
    assert plain.invoked() == [STACKS[stack]]
    both = ("--target", f"lambda:{STACKS[stack]}", "--stack", stack)
    assert account.ok(*both, "query", "SELECT 1", hook=old_function).invoked() == [STACKS[stack]] * 2
    wrong = account.run("--target", "lambda:two-function", "--stack", "test-db", "query", "SELECT 1", hook=old_function)
    assert (wrong.status, wrong.invoked(), "contradict" in wrong.err) == (2, ["two-function"], True)


def test_an_older_function_that_knows_no_field_of_ours_creates_nothing_by_mistake(account: Account) -> None:
    before = account.all_txids()
    for options in (("--stack", "three"), ("--target", "lambda:mine")):
        ran = account.run(*options, "--database", "tpyo", "query", "CREATE TABLE x (a)", hook=old_function)
        assert (ran.status, "is of an older version" in ran.err) == (2, True)
        assert f"sldb deploy {' '.join(options)} brings it up to date; --create allows it" in ran.err
    listed = account.ok("--stack", "three", "databases", "--format", "json").out
    assert "tpyo" not in [one["name"] for one in json.loads(listed)]
    account.ok("--stack", "three", "query", "INSERT INTO t VALUES (1)", hook=old_function)  # main needs no such word
    allowed = ("--database", "tpyo", "query", "--create", "CREATE TABLE x (a)")
    account.ok("--stack", "three", *allowed, hook=old_function)
    assert account.all_txids() == {**before, "three": before["three"] + 1}


def refusing(*actions: str) -> Hook:
    def hook(call: Call, proceed: Proceed) -> Answer:
        from sldb.emulator.calls.errors import AwsError, render

        if call.action in actions:
            return render(call, AwsError("AccessDenied", "no", 403))
        return proceed(call)

    return hook


def test_who_may_only_invoke_needs_nothing_else_and_is_told_where_that_does_not_do(account: Account) -> None:
    only_invoke = refusing("DescribeStacks", "GetFunctionConfiguration")
    account.ok("--stack", "two", "query", "SELECT 1", hook=only_invoke)
    before = account.all_txids()
    ran = account.run("--stack", "three", "query", "INSERT INTO t VALUES (1)", hook=only_invoke)
    assert ran.status == 3
    assert "--target lambda:NAME" in ran.err
    account.ok("--target", "lambda:mine", "query", "INSERT INTO t VALUES (1)", hook=only_invoke)
    ran = account.run("--stack", "nope", "query", "INSERT INTO t VALUES (1)", hook=only_invoke)
    assert (ran.status, "there is no function nope-function" in ran.err) == (3, True)
    assert account.all_txids() == {**before, "three": before["three"] + 1}


@pytest.mark.parametrize("command", [("status",), ("logs",), ("cost",), ("destroy",), ("unlock",)])
def test_a_function_that_is_not_there_has_no_stack(account: Account, command: Path_) -> None:
    ran = account.run("--target", "lambda:nope", *command)
    assert (ran.status, "there is no function nope in us-east-1" in ran.err) == (3, True)
    assert ran.touched() == set()


def test_deploy_ends_with_the_plain_command_for_the_stack(account: Account) -> None:
    for memory, options in (("1025", ""), ("1026", "--stack test-db ")):
        ran = account.ok("deploy", *options.split(), "--memory", memory, "--yes")
        assert f"sldb {options}token create NAME" in ran.err  # named is named: a variable may name another
        assert "next: " not in ran.err  # that is for a new stack


def test_a_machine_format_stays_as_it_is(account: Account) -> None:
    ran = account.ok("--stack", "two", "query", "INSERT INTO t VALUES (7) RETURNING a", "--format", "json")
    assert json.loads(ran.out) == [{"a": 7}]
    assert "written to database main of stack two\n" in ran.err
    for options in ((), ("--stack", "test-db"), ("--target", "lambda")):
        assert "written to" not in account.ok(*options, "query", "INSERT INTO t VALUES (7)").err
    for reading in ("SELECT 1", "SELECT * FROM t"):
        assert "written to" not in account.ok("--stack", "two", "query", reading).err
    assert "written to" not in account.ok("--stack", "two", "query", "DELETE FROM t", "--dry-run").err


def instead(action: str, function: str, answer: Answer) -> Hook:
    """Another answer to an action on a function."""

    def hook(call: Call, proceed: Proceed) -> Answer:
        return answer if call.action == action and call.path.split("/")[3] == function else proceed(call)

    return hook


def json_answer(body: object, status: int = 200, kind: str = "") -> Answer:
    return Answer(status, (("x-amzn-errortype", kind),) if kind else (), json.dumps(body).encode())


GONE = json_answer({"Message": "Function not found"}, 404, "ResourceNotFoundException")
OF_ANOTHER = json_answer(
    {
        "statusCode": 400,
        "body": {"error": {"code": "bad_request", "message": "m", "hint": "", "field": "stack", "stack": "one"}},
    }
)


@pytest.mark.parametrize(
    ("answer", "says"),
    [(GONE, "does not exist"), (OF_ANOTHER, "reports that it belongs to the stack one")],
    ids=["gone", "other"],
)
@pytest.mark.parametrize("stack", ["two", "three"])
def test_a_stack_whose_function_is_not_as_it_should_be(account: Account, stack: str, answer: Answer, says: str) -> None:
    function = STACKS[stack]
    ran = account.run("--stack", stack, "query", "SELECT 1", hook=instead("Invoke", function, answer))
    assert ran.status == 3
    assert f"the function {function} of the stack {stack} {says}" in ran.err
    assert f"sldb deploy --stack {stack}" in ran.err


def test_a_function_of_somebody_elses_that_has_the_name_is_passed_over(account: Account) -> None:
    before = account.all_txids()
    foreign = instead("Invoke", "three-function", json_answer("hello"))
    account.ok("--stack", "three", "query", "INSERT INTO t VALUES (1)", hook=foreign)
    assert account.all_txids() == {**before, "three": before["three"] + 1}
    settings = instead("GetFunctionConfiguration", "three-function", json_answer({"FunctionName": "three-function"}))
    account.ok("--stack", "three", "unlock", hook=settings)
    ran = account.run("--target", "lambda:three-function", "unlock", hook=settings)
    assert (ran.status, "not sldb's" in ran.err) == (3, True)
    ran = account.run(
        "--stack", "nope", "query", "SELECT 1", hook=instead("Invoke", "nope-function", json_answer("hi"))
    )
    assert (ran.status, "there is no stack nope" in ran.err) == (3, True)


def test_a_function_that_only_says_that_it_is_a_stacks_does_not_have_it_destroyed(account: Account) -> None:
    variables = {"SLDB_STACK": "two", "SLDB_STORE": "s3://bucket/databases"}
    answer = json_answer({"FunctionName": "copy", "Environment": {"Variables": variables}})
    ran = account.run(
        *("--target", "lambda:copy", "destroy", "--yes", "--delete-data"),
        hook=instead("GetFunctionConfiguration", "copy", answer),
    )
    assert (ran.status, "whose query function is two-function" in ran.err) == (3, True)
    assert account.txid("two-function") >= 0


def test_a_function_may_be_named_by_its_arn(account: Account) -> None:
    arn = "lambda:arn:aws:lambda:us-east-1:123456789012:function:two-function"
    for command in (("status",), ("query", "SELECT 1"), ("logs",), ("unlock",)):
        assert account.ok("--target", arn, *command).status == 0
        assert account.ok("--target", arn, "--stack", "two", *command).status == 0
        assert account.run("--target", arn, "--stack", "test-db", *command).status == 2


QUESTIONS = {
    "query": (("query", "DELETE FROM t"), "Database main of stack two:", "Go on?"),
    "drop": (("databases", "drop", "main"), "Database main of stack two:", "Type its name"),
    "push": (("push", "pushed.sqlite"), "Database main of stack two:", "Go on?"),
    "fleet": (("query", "DELETE FROM t", "--all-databases", "main"), "Database main of stack two:", "Go on?"),
    "destroy": (("destroy",), "Take down the stack two?", "stay."),
    "destroy with data": (("destroy", "--delete-data"), "ALL databases of the stack two", "Type the name"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_before_what_destroys_names_stack_and_database(account: Account, name: str) -> None:
    command, says, waits_for = QUESTIONS[name]
    account.ok("--stack", "two", "query", "INSERT INTO t VALUES (1)")
    before = account.all_txids()
    extra = {**PLAIN, **account.aws.environment()}
    shown = on_terminal(account.directory, "--stack", "two", *command, answers=[(waits_for, "n\n")], extra=extra)
    assert says in shown.text
    assert shown.status == 1
    assert account.all_txids() == before

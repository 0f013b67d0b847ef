"""The whole path: `sldb deploy` to the emulated AWS, then SQL through Lambda's runtime, the real bundle, S3 and EC2.

Nothing is replaced. Faults come in where the emulator lets a test stand between the function and AWS.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import signal
import subprocess
import threading
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lambda_handlers.shared.lock_holder import STACK_TAG, encode_tags, group_name
from lambda_handlers.storage.log.keys import streams_prefix, transactions_key
from lambda_handlers.storage.publishing import HEAD_EVERY
from sldb.cli.main import run as run_command
from sldb.client import Client, open_target
from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.front.hooks import Hook, Proceed, ReplyLost
from sldb.emulator.front.server import Emulator
from sldb.price import estimate
from sldb.shell.output import Output
from sldb.shell.session import Session
from sldb.shell.submission import submit
from tests.fakes.aws.emulated import emulated_aws, hooked, wheels_of
from tests.fakes.terminal.command import COMMAND, environment
from tests.fakes.waiting import wait_until

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]

# One kind in `make test`, whose other tests hold each kind to the contract of locks; all of them in `make paths`.
LOCK_KINDS = ("security-group", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("s3", "none")))
FUNCTION, DEADLOCK_FIX = "test-db-function", "test-db-function-deadlock-fix"


class Stack:
    """A deployed stack, and what a test does with it."""

    def __init__(self, aws: Emulator) -> None:
        self.aws = aws
        config = Config(retries={"total_max_attempts": 1}, read_timeout=120)
        self.functions = boto3.client("lambda", config=config)
        self.ec2 = boto3.client("ec2")
        self.s3 = boto3.client("s3")
        self.lock = "security-group"

    def deploy(self, *arguments: str) -> int:
        return run_command(["deploy", *arguments])

    def use_lock(self, kind: str) -> None:
        if kind != self.lock:
            assert self.deploy("--lock", kind) == 0
            self.lock = kind

    def invoke(self, event: object, function: str = FUNCTION) -> tuple[int, Any]:
        """Status and body; status 0 and Lambda's own error where the function gave no reply."""
        answer = self.functions.invoke(FunctionName=function, Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        return (0, payload) if "FunctionError" in answer else (payload["statusCode"], payload["body"])

    def run(self, query: str, **fields: Any) -> dict[str, Any]:
        status, body = self.invoke({"query": query, **fields})
        assert status == 200, body
        return body  # type: ignore[no-any-return]

    def new_table(self) -> str:
        name = f"t_{uuid.uuid4().hex[:8]}"
        self.run(f"CREATE TABLE {name} (a)")
        return name

    def rows(self, table: str) -> list[Any]:
        return [row[0] for row in self.run(f"SELECT a FROM {table} ORDER BY rowid")["rows"]]

    def locks(self) -> list[dict[str, Any]]:
        return self.ec2.describe_security_groups(Filters=[{"Name": "tag-key", "Values": [STACK_TAG]}])["SecurityGroups"]

    def take_lock(self, age_seconds: float = 0.0, database: str = "main") -> str:
        """A lock as a writer takes it that then dies; its id."""
        tags = encode_tags("test-db", database, "somebody", time.time() - age_seconds, "INSERT t")
        vpc = self.ec2.describe_vpcs(Filters=[{"Name": f"tag:{STACK_TAG}", "Values": ["test-db"]}])["Vpcs"][0]["VpcId"]
        group = self.ec2.create_security_group(
            GroupName=group_name("test-db", database),
            Description="lock",
            VpcId=vpc,
            TagSpecifications=[
                {"ResourceType": "security-group", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
            ],
        )
        return str(group["GroupId"])

    def kill_the_busy_container(self) -> None:
        busy = next(each for each in self.aws.containers(FUNCTION) if each.busy and not each.has_answered and each.pid)
        assert busy.pid is not None
        self.aws.kill_container(busy.pid)

    def hook(self, hook: Hook) -> AbstractContextManager[None]:
        """Stand between the functions and AWS from now on, once no container works for a reply that it has given."""
        wait_until(lambda: not any(each.has_answered for each in self.aws.containers(FUNCTION)), "work after replies")
        return hooked(self.aws, hook)


def is_commit(call: Call) -> bool:
    return call.service == "s3" and call.action == "PutObject" and "/0000/" in call.path


def once(applies: Callable[[Call], bool], then: Callable[[Call, Proceed], Answer]) -> Callable[[Call, Proceed], Answer]:
    """A hook for the first call only that it applies to."""
    waiting = [True]
    deciding = threading.Lock()

    def hook(call: Call, proceed: Proceed) -> Answer:
        with deciding:
            mine = waiting[0] and applies(call)
            if mine:
                waiting[0] = False
        return then(call, proceed) if mine else proceed(call)

    return hook


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    with emulated_aws(minute_seconds=3600, wheels=wheels_of(request.config)) as aws:
        stack = Stack(aws)
        assert stack.deploy() == 0
        yield stack


def test_a_deploy_without_changes_uploads_nothing_and_says_so(stack, capsys):
    uploads = []

    def watch(call, proceed):
        if call.action in ("PutObject", "CreateMultipartUpload"):
            uploads.append(call.path)
        return proceed(call)

    with stack.hook(watch):
        assert stack.deploy() == 0
    assert "up to date" in capsys.readouterr().err
    assert uploads == []


def test_the_command_line_writes_and_reads(stack, capsys):
    table = stack.new_table()
    assert run_command(["query", f"INSERT INTO {table} VALUES (:a)", "-p", "a:blob=@" + __file__]) == 0
    assert run_command(["query", f"INSERT INTO {table} VALUES (9007199254740993), (NULL), ('[red]')"]) == 0
    capsys.readouterr()
    assert run_command(["query", f"SELECT a FROM {table} WHERE rowid > 1", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"a": 9007199254740993}, {"a": None}, {"a": "[red]"}]
    assert run_command(["query", f"SELECT nope FROM {table}"]) == 1
    assert "no such column: nope" in capsys.readouterr().err


def test_what_a_warm_read_and_a_warm_write_ask_of_the_store(stack):
    stack.use_lock("none")
    table = stack.new_table()
    stack.run(f"INSERT INTO {table} VALUES (1)")
    seen: Counter[str] = Counter()

    def count(call, proceed):
        if call.service in ("s3", "ec2"):
            seen[call.action] += 1
        return proceed(call)

    with stack.hook(count):
        stack.run(f"SELECT * FROM {table}")
        assert seen == {"GetObject": 1}
        seen.clear()
        body = stack.run(f"UPDATE {table} SET a = 2")
    assert seen == {"PutObject": 1}
    assert (body["stats"]["store_requests"], body["stats"]["store_writes"]) == (1, 1)
    assert body["stats"]["bytes_out"] < 10_000
    # What the README's table calls a write with the lock `none`, but for the time that it takes here.
    as_there = {**body["stats"], "ms": 100, "memory_mb": 1024, "architecture": "aarch64"}
    assert round(estimate(as_there) * 1_000_000, 2) == 6.53
    assert body["stats"]["memory_mb"] >= 128


def test_a_write_has_its_reply_before_its_fold_is_written(stack):
    """Every 16th transaction has a fold: held back here until the client has the reply."""
    stack.use_lock("none")
    table = stack.new_table()
    has_reply, folds = threading.Event(), []

    def hold(call, proceed):
        if call.action == "PutObject" and "/0001/" in call.path:
            folds.append(has_reply.wait(60))
        return proceed(call)

    replies = []
    with stack.hook(hold):
        while not folds and len(replies) < 17:
            has_reply.clear()
            replies.append(stack.run(f"INSERT INTO {table} VALUES (1)", last=True))
            has_reply.set()
            wait_until(lambda: not any(each.busy for each in stack.aws.containers(FUNCTION)), "idle containers")
    assert folds == [True]
    stats = stack.run(f"SELECT count(*) FROM {table}")["stats"]
    assert stats["after_store_writes"] == 3
    assert stats["after_ms"] > 0
    reported = [reply["txid"] for reply in replies[1:] if "after_ms" in reply["stats"]]
    assert {later - earlier for earlier, later in pairwise(reported)} <= {HEAD_EVERY}  # once for each head


def test_a_last_write_has_its_reply_before_its_lock_is_released(stack):
    """The release is held back here until the client has the reply; the next write finds the lock free."""
    stack.use_lock("security-group")
    table = stack.new_table()
    has_reply, released = threading.Event(), []

    def hold(call, proceed):
        if call.action == "DeleteSecurityGroup":
            released.append(has_reply.wait(60))
        return proceed(call)

    with stack.hook(hold):
        stack.run(f"INSERT INTO {table} VALUES (1)", last=True)
        has_reply.set()
        wait_until(lambda: not any(each.busy for each in stack.aws.containers(FUNCTION)), "idle containers")
    assert released == [True]
    stats = stack.run(f"INSERT INTO {table} VALUES (2)")["stats"]
    assert stats["after_ms"] > 0
    assert stack.rows(table) == [1, 2]


def test_what_destroys_is_told_and_refused(stack, capsys):
    table = stack.new_table()
    stack.run(f"INSERT INTO {table} VALUES (1), (2)")
    delete = f"WITH x AS (SELECT 2) DELETE FROM {table} WHERE a IN x"
    assert run_command(["query", delete, "--dry-run", "--stats"]) == 0
    told = capsys.readouterr().err
    assert f"  {table}: 1 deleted" in told
    assert " per million" in told
    status, body = stack.invoke({"query": delete, "careful": True})
    assert (status, body["error"]["code"]) == (428, "unconfirmed")
    assert body["error"]["message"] == f"this deletes 1 of 2 rows of {table}"
    assert stack.rows(table) == [1, 2]


def test_a_dump_of_sqlite3_runs_as_it_is(stack):
    table = f"t_{uuid.uuid4().hex[:8]}"
    dump = f"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE {table} (a);\nCOMMIT;\n"
    stack.run(dump.replace("COMMIT", f"INSERT INTO {table} VALUES(7);\nCOMMIT"))
    assert stack.rows(table) == [7]


def test_many_databases_are_asked_side_by_side(stack, capsys):
    for letter in "ab":
        stack.run(f"CREATE TABLE fleet (x); INSERT INTO fleet VALUES ('{letter}')", database=f"fleet-{letter}")
    capsys.readouterr()
    assert run_command(["query", "SELECT x FROM fleet", "--all-databases", "fleet-*", "--format", "csv"]) == 0
    assert capsys.readouterr().out == "_database,x\nfleet-a,a\nfleet-b,b\n"


@pytest.mark.long
def test_a_running_write_is_cancelled_by_another_container_and_frees_its_lock(stack):
    stack.use_lock("security-group")
    table = stack.new_table()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0"
    answers = []

    def insert():
        event = {"query": f"INSERT INTO {table} {endless}", "request_id": "endless", "attempt": "a"}
        answers.append(stack.invoke(event))

    thread = threading.Thread(target=insert)
    thread.start()
    wait_until(stack.locks, "that it runs: it has the lock")
    cancel = {"action": "cancel", "arguments": {"request_id": "endless", "attempt": "a"}}
    status, body = stack.invoke(cancel)
    thread.join()
    assert (status, body["state"]) == (200, "not_applied")
    status, body = answers[0]
    assert (status, body["error"]["code"], body["error"]["applied"]) == (499, "cancelled", "no")
    assert stack.locks() == []
    assert stack.rows(table) == []


@pytest.mark.long
@pytest.mark.parametrize("doing", ["query", "fleet", "import", "migrate"])
def test_ctrl_c_cancels_a_write_at_the_function_and_frees_its_lock(stack, tmp_path, doing):
    stack.use_lock("security-group")
    table = stack.new_table()
    stack.run(
        f"CREATE VIEW endless_{table} AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT i FROM n;"
        f"CREATE TABLE loaded_{table} (a); CREATE TRIGGER slow_{table} AFTER INSERT ON loaded_{table} BEGIN "
        f"INSERT INTO {table} SELECT i FROM endless_{table} WHERE i < 0; END"
    )
    insert = f"INSERT INTO {table} SELECT i FROM endless_{table} WHERE i < 0"
    (tmp_path / "rows.csv").write_text("a\n1\n")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "20260101000000_slow.sql").write_text(f"-- migrate:up\n{insert};\n-- migrate:down\n")
    arguments = {
        "query": ["query", insert],
        "fleet": ["query", insert, "--all-databases", "main", "--yes"],
        "import": ["import", "rows.csv", "--table", f"loaded_{table}"],
        "migrate": ["migrate", "up", "--dir", "migrations"],
    }
    process = subprocess.Popen(
        [*COMMAND, *arguments[doing]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(tmp_path, stack.aws.environment()),
    )
    wait_until(stack.locks, "that it runs: it has the lock")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    said = b"stopped: applied in 0 of 1 database" if doing == "fleet" else b"nothing was applied [cancelled]"
    assert said in stderr
    assert stack.locks() == []
    assert stack.rows(table) == []
    stack.run(f"INSERT INTO {table} VALUES (1)")
    assert stack.rows(table) == [1]


@pytest.mark.long
def test_rows_that_do_not_fit_into_a_reply(stack, capsys):
    """40 MB of them come by way of an object of the store; whoever reads the command's output does not notice."""
    series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 40000)"
    capsys.readouterr()
    query = f"{series} SELECT i, hex(zeroblob(500)) AS zeros FROM n"
    assert run_command(["query", query, "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "i,zeros"
    assert lines[1:] == [f"{number},{'0' * 1000}" for number in range(1, 40_001)]
    body = stack.run(query)
    assert body["rows_count"] == 40_000
    bucket = next(each["Name"] for each in stack.s3.list_buckets()["Buckets"] if "-data-" in each["Name"])
    assert f"/{bucket}/databases/_replies/" in body["rows_url"]
    with urllib.request.urlopen(body["rows_url"]) as answer:  # with nothing but the URL
        assert gzip.decompress(answer.read()).count(b"\n") == 40_000
    rules = stack.s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert {"Prefix": "databases/_replies/"} in [rule["Filter"] for rule in rules]
    assert run_command(["databases", "--format", "csv"]) == 0
    assert "_replies" not in capsys.readouterr().out


def test_a_transaction_over_several_requests_has_its_key_and_its_objects_in_the_bucket(stack):
    table = stack.new_table()
    token = stack.run(f"INSERT INTO {table} VALUES (0)", transaction={"begin": True})["transaction"]["token"]
    blob = {"$blob": base64.b64encode(random.Random(1).randbytes(100_000)).decode()}
    insert = {"query": f"INSERT INTO {table} VALUES (length(?))", "params": [blob]}
    token = stack.run(**insert, transaction={"token": token})["transaction"]["token"]
    assert len(token) < 200  # the transaction is an object
    for _ in range(2):
        status, body = stack.invoke({"transaction": {"token": token, "end": "commit"}})
        assert (status, body["transaction"]) == (200, {"ended": "commit"})
    assert stack.rows(table) == [0, 100_000]
    bucket = next(each["Name"] for each in stack.s3.list_buckets()["Buckets"] if "-data-" in each["Name"])
    for prefix, may_read in ((transactions_key(), False), (streams_prefix(), True)):
        (found,) = stack.s3.list_objects_v2(Bucket=bucket, Prefix=f"databases/{prefix}")["Contents"]
        if may_read:
            assert stack.s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
        else:
            with pytest.raises(ClientError, match="AccessDenied"):
                stack.s3.get_object(Bucket=bucket, Key=found["Key"])


@pytest.mark.parametrize("shape", [pytest.param("direct", marks=pytest.mark.long), "http"])
def test_every_reply_fits_into_lambdas_limit(stack, shape):
    """Around the size where rows leave it, in the text that grows most on its way."""
    for count in (2_000, 10_000, 14_000, 18_000, 22_000, 40_000):
        row = '\'"\\"\\"\\"\\"\\"\\"\\"\\"\\é漢\' AS t'
        series = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {count})"
        event = {"query": f"{series} SELECT {row}, i FROM n"}
        if shape == "http":
            event = {"httpMethod": "POST", "path": "/", "requestContext": {}, "body": json.dumps(event)}
        status, body = stack.invoke(event)
        assert status == 200
        body = json.loads(body) if shape == "http" else body
        assert body.get("rows_count", len(body.get("rows", ()))) == count


@pytest.mark.parametrize("kind", LOCK_KINDS)
def test_eight_writers_at_once(stack, kind):
    """Every acknowledged row is there exactly once, and no other."""
    stack.use_lock(kind)
    table = stack.new_table()
    acknowledged, refused = [], []

    def write(writer: int) -> None:
        for number in range(2):
            value = writer * 100 + number
            status, body = stack.invoke(
                {"query": f"INSERT INTO {table} VALUES ({value})", "request_id": uuid.uuid4().hex}
            )
            if status == 200:
                acknowledged.append(value)
            else:
                refused.append((value, body["error"]["code"]))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(stack.rows(table)) == sorted(acknowledged)
    assert {code for _, code in refused} <= {"lock_timeout", "conflict"}
    assert len(acknowledged) + len(refused) == 16
    assert acknowledged
    assert stack.run("PRAGMA integrity_check")["rows"] == [["ok"]]
    assert stack.locks() == []


@pytest.mark.parametrize("kind", LOCK_KINDS[:2])
def test_a_writer_whose_lock_was_broken_cannot_overwrite(stack, kind, capsys):
    """Its lock is broken, and another writer commits, between its last look and its commit."""
    stack.use_lock(kind)
    table = stack.new_table()

    def break_in(call, proceed):
        assert run_command(["unlock", "--yes"]) == 0
        stack.run(f"INSERT INTO {table} VALUES ('the other')")
        return proceed(call)

    with stack.hook(once(is_commit, break_in)):
        body = stack.run(f"INSERT INTO {table} VALUES ('the broken')")
    assert stack.rows(table) == ["the other", "the broken"]
    assert body["txid"] == stack.run("SELECT 1")["txid"]
    assert stack.locks() == []


@pytest.mark.parametrize("kind", LOCK_KINDS)
@pytest.mark.parametrize("applied", [False, True], ids=["before its commit", "after its commit"])
def test_a_container_that_is_killed(stack, kind, applied, capsys):
    """The transaction is there entirely or not at all, and the same request id sent again applies it once."""
    stack.use_lock(kind)
    table = stack.new_table()
    event = {"query": f"INSERT INTO {table} VALUES (1) RETURNING a", "request_id": uuid.uuid4().hex}

    def kill(call, proceed):
        if applied:
            proceed(call)
        stack.kill_the_busy_container()
        raise ReplyLost

    with stack.hook(once(is_commit, kill)):
        status, error = stack.invoke(event)
    assert (status, error["errorType"]) == (0, "Runtime.ExitError")
    assert stack.rows(table) == ([1] if applied else [])
    assert len(stack.locks()) == (kind == "security-group")
    if kind != "none":
        assert run_command(["unlock", "--yes"]) == 0
        assert f"INSERT {table}" in capsys.readouterr().err
    assert stack.run(**event)["rows"] == [[1]]
    assert stack.rows(table) == [1]
    assert stack.run(f"INSERT INTO {table} VALUES (2)")["txid"] == stack.run("SELECT 1")["txid"]


@pytest.mark.long
@pytest.mark.parametrize("applied", [False, True], ids=["before its commit", "after its commit"])
def test_a_transaction_of_the_shell_outlives_its_container(stack, applied):
    """What was shown is what another container commits, once, beside a commit of another client."""
    stack.use_lock("none")
    table = stack.new_table()
    session = Session(Client(open_target("lambda")), Output(io.StringIO(), io.StringIO(), format="jsonl", timing=False))
    submit(session, f"BEGIN; INSERT INTO {table} VALUES (random()); SELECT a FROM {table};")
    stack.run(f"CREATE TABLE {table}_beside (a)")

    def kill(call, proceed):
        if applied:
            proceed(call)
        stack.kill_the_busy_container()
        raise ReplyLost

    with stack.hook(once(is_commit, kill)):
        submit(session, "COMMIT;")
    assert session.transaction is None
    shown = json.loads(session.output.out.getvalue().splitlines()[-1])
    session.close()
    assert stack.rows(table) == [shown["a"]]


def test_an_asynchronous_invocation_that_lambda_repeats_is_applied_once(stack, monkeypatch):
    """Its container is killed when the commit is there; Lambda tries again, by itself and with the same id."""
    stack.use_lock("none")
    table = stack.new_table()
    monkeypatch.setattr(stack.aws._functions, "_minute_seconds", 0.2)

    def kill(call, proceed):
        proceed(call)
        stack.kill_the_busy_container()
        raise ReplyLost

    with stack.hook(once(is_commit, kill)):
        event = json.dumps({"query": f"INSERT INTO {table} VALUES (1)"})
        invoked = stack.functions.invoke(FunctionName=FUNCTION, Payload=event, InvocationType="Event")
        request_id = invoked["ResponseMetadata"]["RequestId"]
        ends = f"END RequestId: {request_id}"
        wait_until(lambda: sum(line == ends for line in stack.aws.log(FUNCTION)) == 2, "a second invocation's end")
    assert stack.rows(table) == [1]
    status, body = stack.invoke({"action": "result", "arguments": {"request_id": request_id}})
    assert (status, body["state"]) == (200, "applied")


@pytest.mark.parametrize("applied", [False, True])
def test_the_command_line_finds_out_what_became_of_a_write_that_lambda_stopped(stack, capsys, applied):
    """The function's time is up while its commit is on the way, and the client is told for certain."""
    stack.use_lock("none")
    table = stack.new_table()
    capsys.readouterr()

    def set_timeout(seconds):
        stack.functions.update_function_configuration(FunctionName=FUNCTION, Timeout=seconds)

    def stall(call, proceed):
        set_timeout(60)  # for the invocation that finds out
        if applied:
            proceed(call)
        wait_until(lambda: not any(each.busy for each in stack.aws.containers(FUNCTION)), "the function's end")
        raise ReplyLost

    set_timeout(3)
    try:
        with stack.hook(once(is_commit, stall)):
            status = run_command(["query", f"INSERT INTO {table} VALUES (1) RETURNING a", "--format", "csv"])
    finally:
        set_timeout(60)
    shown = capsys.readouterr()
    assert stack.rows(table) == ([1] if applied else [])
    assert (status, shown.out) == ((0, "a\n1\n") if applied else (1, ""))
    assert ("had not been applied" in shown.err) != applied


@pytest.mark.parametrize("kind", LOCK_KINDS[:2])
def test_a_function_of_sqlites_that_does_not_look_at_the_clock(stack, kind, capsys):
    """Its caller is told in time, its lock is free, and the next invocation finds a function that works."""
    stack.use_lock(kind)
    table = stack.new_table()
    stuck = "SELECT instr(hex(zeroblob(20000000)), hex(zeroblob(100000)) || '1')"  # minutes
    stack.functions.update_function_configuration(FunctionName=FUNCTION, Timeout=4)
    try:
        status, body = stack.invoke({"query": f"INSERT INTO {table} VALUES (1); {stuck}"})
        assert (status, body["error"]["code"]) == (408, "query_timeout")
    finally:
        stack.functions.update_function_configuration(FunctionName=FUNCTION, Timeout=60)
    assert stack.locks() == []
    assert stack.run(f"INSERT INTO {table} VALUES (2)")["stats"]["lock_wait_ms"] < 5000
    assert stack.rows(table) == [2]


@pytest.mark.long
@pytest.mark.parametrize("memory", [256])
def test_requests_that_want_too_much_leave_a_function_that_works(stack, memory):
    """In the real process, with a limit of memory at which it would be killed."""
    stack.use_lock("security-group")
    table = stack.new_table()
    series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    attempts = {
        f"{series} SELECT count(*) FROM n": "query_timeout",
        f"{series} INSERT INTO {table} SELECT randomblob(1000) FROM n": "query_timeout",
        f"{series} SELECT i FROM n ORDER BY -i": "query_timeout",
        "SELECT zeroblob(1000000000)": "too_large",
        "SELECT length(replace(hex(zeroblob(40000000)), '0', 'xxxxxxxxxx'))": "too_large",
        f"UPDATE {table} SET a = (SELECT group_concat(hex(zeroblob(1000000))) FROM ({series} SELECT i FROM n))": "",
        "SELECT json(replace(hex(zeroblob(500000)), '00', '['))": "sql_error",
        "SELECT " + "+".join(["1"] * 5000): "sql_error",
        "SELECT 1;" * 100_000: "too_large",
    }
    stack.run(f"INSERT INTO {table} VALUES (1)")
    stack.functions.update_function_configuration(FunctionName=FUNCTION, MemorySize=memory)
    try:
        for query, code in attempts.items():
            ends_by_itself = code not in ("", "query_timeout")  # however busy the machine is
            status, body = stack.invoke({"query": query, "timeout": 50 if ends_by_itself else 2})
            assert status >= 400, (query[:80], status, str(body)[:300])  # 0: the process was killed
            assert body["error"]["code"] in ([code] if code else ["too_large", "query_timeout"]), query[:80]
            assert stack.locks() == []
            assert stack.rows(table) == [1]
    finally:
        stack.functions.update_function_configuration(FunctionName=FUNCTION, MemorySize=1024)


def test_a_lost_answer_to_the_lock(stack):
    stack.use_lock("security-group")
    table = stack.new_table()

    def lose(call, proceed):
        proceed(call)
        raise ReplyLost

    with stack.hook(once(lambda call: call.action == "CreateSecurityGroup", lose)):
        stack.run(f"INSERT INTO {table} VALUES (1)")
    assert stack.rows(table) == [1]
    assert stack.locks() == []


@pytest.mark.parametrize("kind", LOCK_KINDS)
def test_a_lost_answer_to_the_commit(stack, kind):
    stack.use_lock(kind)
    table = stack.new_table()

    def lose(call, proceed):
        proceed(call)
        raise ReplyLost

    with stack.hook(once(is_commit, lose)):
        body = stack.run(f"INSERT INTO {table} VALUES (1)")
    assert stack.rows(table) == [1]
    assert body["txid"] == stack.run("SELECT 1")["txid"]


def test_a_store_that_refuses_the_commit(stack):
    """Nothing is applied, the reply says so, and the lock is free again."""
    stack.use_lock("security-group")
    table = stack.new_table()

    def refuse(call, proceed):
        return Answer(403, (), b"<Error><Code>AccessDenied</Code></Error>") if is_commit(call) else proceed(call)

    with stack.hook(refuse):
        status, body = stack.invoke({"query": f"INSERT INTO {table} VALUES (1)"})
    assert (status, body["error"]["code"], body["error"]["applied"]) == (503, "store_error", "no")
    assert stack.rows(table) == []
    assert stack.locks() == []


def test_the_deadlock_function_frees_old_locks_only(stack):
    stack.use_lock("security-group")
    young, old = stack.take_lock(age_seconds=5, database="young"), stack.take_lock(age_seconds=1000, database="old")
    status, body = stack.invoke({}, DEADLOCK_FIX)
    assert status == 200
    assert (body["checked"], [lock["lock_id"] for lock in body["freed"]]) == (2, [old])
    assert [lock["GroupId"] for lock in stack.locks()] == [young]
    stack.ec2.delete_security_group(GroupId=young)


def test_a_lock_that_was_taken_again_meanwhile_stays(stack):
    """The old lock goes, and a new one of its name comes, between the function's look and its delete."""
    stack.use_lock("security-group")
    old, fresh = stack.take_lock(age_seconds=1000), []

    def replace(call, proceed):
        stack.ec2.delete_security_group(GroupId=old)
        fresh.append(stack.take_lock())
        return proceed(call)

    deletes = once(lambda call: call.action == "DeleteSecurityGroup" and call.access_key != "emulator", replace)
    with stack.hook(deletes):
        status, _ = stack.invoke({}, DEADLOCK_FIX)
    assert status == 200
    assert [lock["GroupId"] for lock in stack.locks()] == fresh
    stack.ec2.delete_security_group(GroupId=fresh[0])


def test_a_waiting_writer_frees_an_old_lock(stack):
    stack.use_lock("security-group")
    table = stack.new_table()
    stack.take_lock(age_seconds=1000)
    stack.run(f"INSERT INTO {table} VALUES (1)")
    assert stack.rows(table) == [1]


def test_a_lock_that_is_not_free_in_time(stack):
    stack.use_lock("security-group")
    table = stack.new_table()
    lock_id = stack.take_lock()
    status, body = stack.invoke({"query": f"INSERT INTO {table} VALUES (1)", "timeout": 1.5})
    assert (status, body["error"]["code"]) == (423, "lock_timeout")
    assert body["error"]["holder"]["lock_id"] == lock_id
    assert "INSERT t" in body["error"]["message"] + json.dumps(body["error"]["holder"])
    assert stack.rows(table) == []
    stack.ec2.delete_security_group(GroupId=lock_id)


def test_unlock_shows_the_holder_and_frees_it(stack, capsys):
    stack.use_lock("security-group")
    stack.take_lock(age_seconds=30)
    capsys.readouterr()
    assert run_command(["unlock"]) == 2  # asks for --yes where nobody can be asked
    assert len(stack.locks()) == 1
    assert run_command(["unlock", "--yes"]) == 0
    told = capsys.readouterr().err
    assert "INSERT t" in told
    assert "somebody" in told
    assert stack.locks() == []
    assert run_command(["unlock", "--yes"]) == 0


def test_the_query_function_may_delete_no_object(stack):
    """Least privilege, seen from its role: what a function of this role asks AWS itself."""
    rules = boto3.client("iam").get_role_policy
    roles = boto3.client("iam").list_roles()["Roles"]
    query = next(role["RoleName"] for role in roles if "QueryRole" in role["RoleName"])
    actions = json.dumps(rules(RoleName=query, PolicyName="data")["PolicyDocument"])
    assert "s3:PutObject" in actions
    assert "Delete" not in actions


def test_an_unconditional_write_of_a_commit_is_refused_by_the_bucket(stack):
    stack.new_table()
    bucket = next(each["Name"] for each in stack.s3.list_buckets()["Buckets"] if "-data-" in each["Name"])
    with pytest.raises(stack.s3.exceptions.ClientError, match="AccessDenied"):
        stack.s3.put_object(Bucket=bucket, Key="databases/main/0000/0000000000000001-0000000000000001.ltx", Body=b"x")


def test_the_log_has_a_line_for_each_request_and_no_value(stack):
    stack.run("SELECT 'a secret' AS s", request_id="for the log")
    lines = [json.loads(line) for line in stack.aws.log(FUNCTION) if line.startswith("{")]
    line = next(line for line in lines if line.get("request_id") == "for the log")
    assert (line["status"], line["database"]) == (200, "main")
    assert "a secret" not in json.dumps(lines)


@pytest.mark.long
def test_destroy_keeps_the_data_and_deploy_finds_it_again(stack, capsys):
    """Last: it takes the stack down."""
    stack.use_lock("none")
    table = stack.new_table()
    stack.run(f"INSERT INTO {table} VALUES ('kept')")
    assert run_command(["destroy", "--yes"]) == 0
    assert run_command(["query", "SELECT 1"]) == 3
    assert stack.deploy() == 0
    stack.lock = "security-group"
    assert stack.rows(table) == ["kept"]

"""The work of a stack's roles that no other story makes: a key of KMS and its exchange, old files, stale locks.

`make paths` counts the uses of rights here with those of all other stories (`tests/access/rights.py`).
"""

from __future__ import annotations

import base64
import json
import random
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import boto3
import pytest
from botocore.exceptions import ClientError

from lambda_handlers.log import Log
from lambda_handlers.settings import Settings
from lambda_handlers.shared.lock_holder import Holder, encode_held, encode_released, lock_key
from lambda_handlers.storage.log.keys import doubt_key, sweep_key, work_key, work_prefix
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from sldb.emulator.calls.call import DEFAULT_REGION
from sldb.emulator.front.server import Emulator
from tests.access.test_users import Account, cloudformation_acting_for
from tests.fakes.aws.emulated import emulated_aws, wheels_of
from tests.fakes.clock import Clock
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store
from tests.fakes.terminal.in_process import run_command
from tests.fakes.waiting import wait_until
from tests.sldb.commands import DATA_BUCKET
from tests.sldb.deploy.protection.test_deployed import let_logs_use

pytestmark = [pytest.mark.long, pytest.mark.network, pytest.mark.timeout(600)]

FUNCTION = "test-db-function"
READ, FIX = f"{FUNCTION}-read", f"{FUNCTION}-deadlock-fix"
DAY_SECONDS = 86_400.0


class Stack:
    def __init__(self, aws: Emulator) -> None:
        self.aws = aws
        self.functions, self.s3, self.sqs = boto3.client("lambda"), boto3.client("s3"), boto3.client("sqs")

    def ok(self, *arguments: str) -> str:
        status, out, err = run_command(arguments)
        assert status == 0, (arguments, err)
        return out

    def invoke(self, event: dict[str, Any], function: str = FUNCTION) -> tuple[int, Any]:
        answer = self.functions.invoke(FunctionName=function, Payload=json.dumps(event))
        reply = json.loads(answer["Payload"].read())
        return reply["statusCode"], reply["body"]

    def run(self, event: dict[str, Any], function: str = FUNCTION) -> dict[str, Any]:
        status, body = self.invoke(event, function)
        assert status == 200, body
        found: dict[str, Any] = body
        return found

    def maintain(self, database: str) -> dict[str, Any]:
        (report,) = self.run({"maintain": database}, FIX)["maintained"]
        found: dict[str, Any] = report
        assert "error" not in found, found
        return found

    def outputs(self) -> dict[str, str]:
        (stack,) = boto3.client("cloudformation").describe_stacks(StackName="test-db")["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    def put(self, key: str, body: bytes, written_at: float) -> None:
        """Put an object below databases/, dated as it was written."""
        self.s3.put_object(Bucket=DATA_BUCKET, Key=f"databases/{key}", Body=body, IfNoneMatch="*")
        with self.aws._moto.lock:
            stored = self.aws._moto.backend("s3", DEFAULT_REGION).get_object(DATA_BUCKET, f"databases/{key}")
            stored.last_modified = datetime.fromtimestamp(written_at, timezone.utc).replace(tzinfo=None)

    def keys(self, prefix: str) -> set[str]:
        found = self.s3.list_objects_v2(Bucket=DATA_BUCKET, Prefix=f"databases/{prefix}").get("Contents", [])
        return {each["Key"].removeprefix("databases/") for each in found}

    def forget(self) -> None:
        """End all containers: those to come remember nothing."""
        for each in self.aws.containers():
            if each.pid is not None:
                self.aws.kill_container(each.pid)

    def waiting(self, output: str) -> int:
        found = self.sqs.get_queue_attributes(QueueUrl=self.outputs()[output], AttributeNames=["All"])["Attributes"]
        return int(found["ApproximateNumberOfMessages"]) + int(found["ApproximateNumberOfMessagesNotVisible"])


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    with emulated_aws(minute_seconds=3600, wheels=wheels_of(request.config)) as aws:
        yield Stack(aws)


def key_of_ones_own() -> str:
    kms = boto3.client("kms")
    arn: str = kms.create_key()["KeyMetadata"]["Arn"]
    let_logs_use(kms, arn)
    return arn


def test_each_role_does_what_it_is_for(stack: Stack, tmp_path: Path) -> None:
    options = ("--queue", "fifo", "--readers", "--api", "token", "--tracing", "--yes")
    account = Account(stack.aws, tmp_path)
    with cloudformation_acting_for("deployer"):
        account.ok("deployer", "deploy", "--kms-key", key_of_ones_own(), *options)
    stack.ok("query", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    create = ("token", "create", "--database", "main")
    first, second, third = (account.ok("operator", *create, name).out.strip() for name in ("app", "other", "late"))
    asks = partial(ask, stack.aws.url, stack.outputs()["TokenApiId"])
    assert asks(first, "SELECT a FROM t") == [[1]]
    takes_a_message(stack)
    needs_its_policies_for_the_key(stack, account)
    gives_up_an_invocation(stack)
    is_cancelled_twice(stack)
    keeps_a_large_transaction(stack)
    frees_an_old_group(stack)
    removes_old_files(stack)

    stack.ok("deploy", "--kms-key", key_of_ones_own(), "--lock", "s3", "--yes")
    stack.forget()
    assert asks(second, "SELECT a FROM t ORDER BY a") == [[1], [2]]
    assert stack.run({"query": "SELECT count(*) FROM t"}, READ)["rows"] == [[2]]
    assert stack.run({"query": "SELECT hex(zeroblob(4000000))"}, READ)["rows_count"] == 1
    stack.ok("query", "INSERT INTO t VALUES (3)")
    stack.maintain("main")
    frees_an_old_object(stack)
    admits_nobody_without_a_list(stack, lambda: asks(third, "SELECT 1"))


def admits_nobody_without_a_list(stack: Stack, ask: Callable[[], Any]) -> None:
    for key in stack.keys("_access/"):
        stack.s3.delete_object(Bucket=DATA_BUCKET, Key=f"databases/{key}")
    stack.forget()
    with pytest.raises(HTTPError, match="403"):
        ask()


def ask(address: str, api: str, token: str, query: str) -> Any:
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    url = f"{address}/_execute-api/{api}/main/query"
    request = urllib.request.Request(url, json.dumps({"query": query}).encode(), headers)
    with urllib.request.urlopen(request) as response:
        return json.loads(response.read())["rows"]


def needs_its_policies_for_the_key(stack: Stack, account: Account) -> None:
    message = {"MessageBody": '{"query": "SELECT 1"}', "MessageGroupId": "main", "MessageDeduplicationId": "1"}

    url = stack.outputs()["QueueUrl"]

    def send() -> None:
        with account.acting_as("sender"):
            boto3.client("sqs").send_message(QueueUrl=url, **message)

    send()
    account.ok("operator", "token", "list")
    iam = boto3.client("iam")
    for role in ("operator", "sender"):
        named = iam.list_attached_user_policies(UserName=role)["AttachedPolicies"]
        (of_key,) = [each["PolicyArn"] for each in named if each["PolicyName"] == f"{role}-1"]
        iam.detach_user_policy(UserName=role, PolicyArn=of_key)
    account.refused("operator", "token", "list")
    with pytest.raises(ClientError, match="kms:GenerateDataKey"):
        send()


def takes_a_message(stack: Stack) -> None:
    stack.ok("query", "INSERT INTO t VALUES (2)", "--enqueue")

    def is_taken() -> bool:
        stack.aws.advance(60, if_idle=True)
        return stack.waiting("QueueUrl") == 0

    wait_until(is_taken, "the message is applied")


def gives_up_an_invocation(stack: Stack) -> None:
    """Without Lambda's repetitions, a minute and two minutes later."""
    on_failure = stack.functions.get_function_event_invoke_config(FunctionName=FUNCTION)["DestinationConfig"]
    stack.functions.put_function_event_invoke_config(
        FunctionName=FUNCTION, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": on_failure["OnFailure"]}
    )
    event = {"query": "INSERT INTO nowhere VALUES (1)", "asynchronous": True}
    stack.functions.invoke(FunctionName=FUNCTION, InvocationType="Event", Payload=json.dumps(event))
    wait_until(lambda: stack.waiting("FailedInvocationsUrl") == 1, "the invocation is given up")


def is_cancelled_twice(stack: Stack) -> None:
    """The second mark is put beside the first one."""
    for attempt in ("a", "b"):
        stack.run({"action": "cancel", "arguments": {"request_id": "x", "attempt": attempt}})


def keeps_a_large_transaction(stack: Stack) -> None:
    blob = {"$blob": base64.b64encode(random.Random(1).randbytes(100_000)).decode()}
    stack.run({"query": "SELECT 1", "transaction": {"begin": True}})  # it makes the key of transactions
    begun = stack.run({"query": "SELECT length(?)", "params": [blob], "transaction": {"begin": True}}, READ)
    assert len(begun["transaction"]["token"]) < 200  # it is an object


def frees_an_old_group(stack: Stack) -> None:
    tags = {
        "sldb:stack": "test-db",
        "sldb:database": "main",
        "CreateTime": str(time.time() - DAY_SECONDS),
        "Owner": "abc",
        "sldb:doing": "INSERT t",
    }
    group = boto3.client("ec2").create_security_group(
        GroupName="sldb-lock-test-db-main",
        Description="lock",
        VpcId=stack.outputs()["LockVpc"],
        TagSpecifications=[
            {"ResourceType": "security-group", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
        ],
    )
    assert [each["lock_id"] for each in stack.run({}, FIX)["freed"]] == [group["GroupId"]]


def frees_an_old_object(stack: Stack) -> None:
    now = time.time()
    holder = Holder("0" * 32, "old", "0" * 32, now - DAY_SECONDS, "INSERT t")
    stack.put(lock_key("old"), encode_held(holder), now - DAY_SECONDS)
    stack.put(lock_key("free"), encode_released("0" * 32, "free", now - DAY_SECONDS), now - DAY_SECONDS)
    stack.s3.delete_object(Bucket=DATA_BUCKET, Key=f"databases/{sweep_key()}")  # so that a sweep begins
    stack.put(doubt_key("main", 0), b"", now)
    assert [each["database"] for each in stack.run({}, FIX)["freed"]] == ["old"]
    assert lock_key("free") not in stack.keys("_locks/")
    assert stack.keys("_doubt-main/") == set()


def removes_old_files(stack: Stack) -> None:
    """The newest snapshot has no page map: there is time to begin with it, and in the next pass to end."""
    objects = {key: found for key, found in aged().items() if key.endswith((".ltx", ".pages"))}
    newest = max(key for key in objects if "/0009/" in key and key.endswith(".ltx")).removesuffix("ltx")
    last = max(key for key in objects if "/0000/" in key and key.endswith(".ltx")).removesuffix("ltx")
    del objects[f"{newest}pages"]
    for key, (body, written_at) in objects.items():
        stack.put(key, body, written_at)
    stack.put("old/uploads/u/1", b"part", time.time() - 2 * DAY_SECONDS)
    stack.put(work_key("old", 1), b"", time.time())
    whole = stack.functions.get_function_configuration(FunctionName=FIX)["Timeout"]
    stack.functions.update_function_configuration(FunctionName=FIX, Timeout=18)
    stack.maintain("old")
    left = {f"{newest}ltx", f"{newest}part.pages", f"{last}ltx", f"{last}pages"}
    assert {key for key in stack.keys("old/") if not key.endswith(".json")} == left
    stack.functions.update_function_configuration(FunctionName=FIX, Timeout=whole)
    stack.maintain("old")
    assert {f"{newest}pages", "old/atlas"} <= stack.keys("old/")
    assert f"{newest}part.pages" not in stack.keys("old/")
    assert stack.keys(work_prefix("old")) == set()


def aged() -> dict[str, tuple[bytes, float]]:
    """Return the objects of a database of two months ago, and when each was written."""
    clock, made = Clock(time.time() - 60 * DAY_SECONDS), memory_store()
    host, found = clock.host(), {}

    def note() -> None:
        for each in made.list_objects(""):
            found.setdefault(each.key, (made.get(each.key), clock.now()))

    service = container(made, host=host)
    run(service, "CREATE TABLE t (a)", database="old")
    note()
    for _ in range(2):
        for _ in range(3):
            clock.sleep(3600)
            run(service, "INSERT INTO t VALUES (randomblob(1000000))", database="old")
            note()
        clock.sleep(DAY_SECONDS)
        log = Log.of(Settings("memory://", lock="none", log_level="error"), host.now)
        Maintenance(made, host, log, 30).run(clock.now() + 600, "old")
        note()
    clock.sleep(45 * DAY_SECONDS)  # within the retention period
    run(service, "INSERT INTO t VALUES (randomblob(300000))", database="old")
    note()
    return found

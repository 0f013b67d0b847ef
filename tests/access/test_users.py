"""The policies of docs/access.md on users of the emulated AWS, which judges each of their calls: the commands of a role
work with its policy, and those of the next role are refused.

The deployer's user deploys and removes the stack. CloudFormation then acts with that user's rights, as AWS's does.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lambda_handlers.shared.lock_holder import encode_tags, group_name
from sldb.emulator.access import signatures
from sldb.emulator.access.principals import Credentials, Principal, Principals
from sldb.emulator.calls.call import Call
from sldb.emulator.front.server import Emulator
from tests.access.test_policies import BY_COMMANDS, ROLES, actions, policies
from tests.fakes.aws.emulated import emulated_aws, wheels_of
from tests.fakes.terminal.in_process import run_command

pytestmark = [pytest.mark.long, pytest.mark.network, pytest.mark.timeout(600)]

CLOUDFORMATION = "cloudformation"  # its access key in the emulator
READ = ("--target", "lambda:test-db-function-read")
REFUSED = "not authorized to perform"


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


class Account:
    def __init__(self, aws: Emulator, directory: Path) -> None:
        self.aws = aws
        self.directory = directory
        iam = boto3.client("iam")
        self._keys = {role: _user(iam, role) for role in ROLES}

    def run(self, role: str, *arguments: str, stdin: str = "") -> Ran:
        """Run a command of sldb with the access key of a role's user."""
        with self.acting_as(role):
            return Ran(*run_command(arguments, stdin))

    def ok(self, role: str, *arguments: str, stdin: str = "") -> Ran:
        ran = self.run(role, *arguments, stdin=stdin)
        assert ran.status == 0, (role, arguments, ran.err)
        return ran

    def refused(self, role: str, *arguments: str) -> None:
        ran = self.run(role, *arguments)
        assert (ran.status, REFUSED in ran.err) == (3, True), (role, arguments, ran.status, ran.err)

    @contextmanager
    def acting_as(self, role: str) -> Iterator[None]:
        key = self._keys[role]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
            patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
            patch.setattr(boto3, "DEFAULT_SESSION", None)
            yield


def _user(iam: Any, role: str) -> dict[str, str]:
    """Make a user with the policies of a role; return its access key."""
    iam.create_user(UserName=role)
    for number, document in enumerate(policies()[role]):
        made = iam.create_policy(PolicyName=f"{role}-{number}", PolicyDocument=json.dumps(document))
        iam.attach_user_policy(UserName=role, PolicyArn=made["Policy"]["Arn"])
    key: dict[str, str] = iam.create_access_key(UserName=role)["AccessKey"]
    return key


@contextmanager
def cloudformation_acting_for(role: str) -> Iterator[None]:
    """Let the emulated CloudFormation have the rights of a user; its calls are signed with its own key."""
    arn = boto3.client("iam").get_user(UserName=role)["User"]["Arn"]
    caller = Principal(arn, "", Credentials(CLOUDFORMATION, "", ""))
    find: Callable[[Principals, str], Principal | None] = Principals.find
    check: Callable[[Call, Credentials], None] = signatures.check
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Principals, "find", lambda self, key: caller if key == CLOUDFORMATION else find(self, key))
        patch.setattr(
            signatures, "check", lambda call, own: None if call.access_key == CLOUDFORMATION else check(call, own)
        )
        yield


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """With a stack that the deployer has deployed, and a table."""
    directory = tmp_path_factory.mktemp("access")
    with (
        pytest.MonkeyPatch.context() as patch,
        emulated_aws(minute_seconds=3600, wheels=wheels_of(request.config)) as aws,
        cloudformation_acting_for_later() as act_for,
    ):
        patch.chdir(directory)
        (directory / "rows.csv").write_text("a\n1\n2\n")
        account = Account(aws, directory)
        act_for("deployer")
        account.ok(
            "deployer",
            "deploy",
            "--queue",
            "fifo",
            "--readers",
            "--api",
            "token,key",
            "--alarms",
            "ops@example.com",
            "--dashboard",
        )
        account.ok("writer", "query", "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        yield account


@contextmanager
def cloudformation_acting_for_later() -> Iterator[Callable[[str], None]]:
    """Yield a function after whose call CloudFormation has the rights of a user."""
    from contextlib import ExitStack

    with ExitStack() as entered:
        yield lambda role: entered.enter_context(cloudformation_acting_for(role))


READS = [
    ("query", "SELECT * FROM t"),
    ("export", "t"),
    ("dump",),
    ("history",),
    ("diff", "1"),
    ("databases",),
    ("pull", "pulled.sqlite", "--yes"),
    ("query", "SELECT * FROM t", "--at", "1"),
]
WRITES = [
    ("query", "INSERT INTO t VALUES (2)"),
    ("import", "rows.csv", "--table", "t"),
    ("branch", "--as", "copy"),
    ("restore", "--at", "1"),
    ("undo", "--yes"),
    ("databases", "create", "made"),
    ("databases", "set", "main", "foreign_keys=on"),
    ("databases", "rename", "made", "renamed"),
    ("databases", "drop", "renamed", "--yes"),
    ("push", "pulled.sqlite", "--database", "pushed", "--create"),
]
OPERATES = [
    ("status",),
    ("logs",),
    ("logs", "--function", "read"),
    ("cost",),
    ("queue", "status"),
    ("queue", "peek"),
    ("queue", "redrive", "--failed", "--yes"),
    ("insights",),
    ("unlock",),
    ("token", "create", "app", "--read-only"),
    ("token", "list"),
    ("token", "revoke", "app", "--yes"),
    ("token", "create", "partner", "--key", "--database", "main"),
    ("token", "revoke", "partner", "--yes"),
    ("token", "rotate", "--yes"),
]


def test_a_reader_reads(account: Account) -> None:
    for command in READS:
        account.ok("reader", *READ, *command)
    assert account.ok("reader", *READ, "shell", stdin="SELECT a FROM t;\n").out.strip().endswith("1")


def test_a_reader_gets_a_result_beyond_the_limit_of_a_reply(account: Account) -> None:
    found = account.ok("reader", *READ, "query", "SELECT hex(zeroblob(4000000)) AS h", "--format", "csv")
    assert found.out.count("0") == 8_000_000


def test_a_reader_is_told_that_it_may_not_write(account: Account) -> None:
    for command in (("query", "INSERT INTO t VALUES (2)"), ("restore", "--at", "1"), ("branch", "--as", "b")):
        ran = account.run("reader", *READ, *command)
        assert ran.status == 1, (command, ran.err)
        assert "this function only reads" in ran.err
        assert "nothing was" in ran.err
        assert "query function of the stack" in ran.err


def test_a_reader_does_not_reach_the_query_function(account: Account) -> None:
    for command in (*READS[:2], *WRITES[:2], *OPERATES):
        account.refused("reader", *command)


def test_a_writer_reads_and_writes_and_does_not_operate(account: Account) -> None:
    account.ok("writer", *READ, *READS[0])
    for command in (*READS, *WRITES):
        account.ok("writer", *command)
    for command in OPERATES:
        account.refused("writer", *command)


def outputs() -> dict[str, str]:
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName="test-db")["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def dead_letter(number: str) -> str:
    """Put a message into the queue of dead letters; return its URL."""
    url = outputs()["DeadLettersUrl"]
    body = json.dumps({"query": "SELECT 1", "database": "main"})
    boto3.client("sqs").send_message(
        QueueUrl=url, MessageBody=body, MessageGroupId="main", MessageDeduplicationId=number
    )
    return url


def take_a_lock(database: str) -> None:
    tags = encode_tags("test-db", database, "somebody", time.time(), "INSERT t")
    boto3.client("ec2").create_security_group(
        GroupName=group_name("test-db", database),
        Description="lock",
        VpcId=outputs()["LockVpc"],
        TagSpecifications=[
            {"ResourceType": "security-group", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
        ],
    )


def test_a_sender_sends_and_no_more(account: Account) -> None:
    url = outputs()["QueueUrl"]
    with account.acting_as("sender"):
        sqs = boto3.client("sqs")
        message = {"MessageBody": '{"query": "SELECT 1"}', "MessageGroupId": "main", "MessageDeduplicationId": "2"}
        sqs.send_message(QueueUrl=url, **message)
        with pytest.raises(ClientError, match=REFUSED):
            sqs.receive_message(QueueUrl=url)
    account.refused("sender", *READS[0])


def test_an_operator_operates_and_does_not_deploy(account: Account) -> None:
    for command in (*READS[:2], *WRITES[:1], *OPERATES):
        account.ok("operator", *command)
    url = dead_letter("1")
    account.ok("operator", "queue", "peek")
    account.ok("operator", "queue", "redrive", "--yes", "--from", url)
    dead_letter("2")
    account.ok("operator", "queue", "purge", "--yes")
    take_a_lock("other")  # the message that was sent again may have that of main
    account.ok("operator", "unlock", "--database", "other", "--yes")
    findings = account.run("operator", "doctor").out.splitlines()
    assert len(findings) > 10
    refused = [line for line in findings if REFUSED in line]
    assert [line.split()[1] for line in refused] == ["permissions"]  # it is about deploying
    for command in (("deploy", "--memory", "512"), ("destroy", "--yes")):
        account.refused("operator", *command)


def test_the_reading_routes_of_an_api_go_to_the_function_that_only_reads(account: Account) -> None:
    token = account.ok("operator", "token", "create", "dashboard", "--database", "main").out.strip()
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName="test-db")["Stacks"]
    api = next(each["OutputValue"] for each in stack["Outputs"] if each["OutputKey"] == "TokenApiId")

    def post(path: str, query: str) -> tuple[int, dict[str, Any]]:
        headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        url = f"{os.environ['AWS_ENDPOINT_URL']}/_execute-api/{api}{path}"
        request = urllib.request.Request(url, json.dumps({"query": query}).encode(), headers)
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    for path in ("/main/read", "/read"):
        status, body = post(path, "SELECT 1")
        assert (status, body.get("rows")) == (200, [[1]]), body
        status, body = post(path, "DELETE FROM t")
        assert (status, body["error"]["code"]) == (403, "read_only")
        assert "this function only reads" in body["error"]["message"]  # not merely a read-only request
    status, body = post("/main/query", "INSERT INTO t VALUES (3)")
    assert status == 200, body


def test_status_of_the_function_that_only_reads_is_that_of_its_stack(account: Account) -> None:
    found = json.loads(account.ok("operator", *READ, "status", "--format", "json").out)
    assert found["stack"] == "test-db"
    names = [function["name"] for function in found["functions"]]
    assert names == [f"test-db-function{end}" for end in ("", "-deadlock-fix", "-read", "-authorizer")]
    assert {function["state"] for function in found["functions"]} == {"Active"}


def test_a_deployer_does_not_use_the_databases(account: Account) -> None:
    account.refused("deployer", "query", "SELECT 1")


def test_a_deployer_changes_and_removes_the_stack(account: Account) -> None:
    """Afterwards there is no stack."""
    account.ok("deployer", "deploy", "--plan", "--memory", "512")
    account.run("deployer", "status", "--drift")
    account.ok("deployer", "deploy", "--memory", "512")
    account.ok("deployer", "deploy", "--no-readers", "--api", "none", "--lock", "none", "--queue", "none", "--yes")
    ran = account.run("reader", *READ, "query", "SELECT 1")
    assert ran.status == 3
    assert "test-db-function-read" in ran.err
    account.ok("deployer", "destroy", "--yes")
    assert os.environ["AWS_ACCESS_KEY_ID"] == "emulator"


# Rights of an operator for stacks with other options than this one.
ELSEWHERE = {
    *("elasticfilesystem:DescribeFileSystems", "elasticfilesystem:DescribeMountTargets"),
    *("elasticfilesystem:DescribeBackupPolicy", "elasticfilesystem:DescribeAccessPoints"),
    *("kms:Decrypt", "kms:GenerateDataKey"),
    *("lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig"),
}


def test_no_right_of_a_role_is_without_a_use(account: Account) -> None:
    """The last test."""
    used = {
        role: {use.action for use in account.aws.uses if use.entity_arn.endswith(f":user/{role}")} for role in ROLES
    }
    for role in ROLES[:-1]:
        assert actions(role) - used[role] - ELSEWHERE == set()
    assert BY_COMMANDS - used["deployer"] == set()

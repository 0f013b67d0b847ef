"""The command `sldb unlock` against moto's EC2, S3, Lambda and CloudFormation."""

from __future__ import annotations

import functools
import io
import json
import time
import zipfile
from collections.abc import Iterator
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import boto3
import click.termui
import pytest
from moto import mock_aws

from lambda_handlers.shared.lock_holder import lock_key
from lambda_handlers.shared.sealed_json import seal
from lambda_handlers.wire import SldbError
from sldb.aws.options import AwsOptions
from sldb.cli import streams
from sldb.cli.main import run
from sldb.ops import lock_look
from sldb.ops.lock_look import FunctionLook
from sldb.ops.locks import StackLocks, stack_locks
from sldb.stack.ownership import DESCRIPTION, PARAMETERS
from sldb.targets.deployed_function import DeployedFunction

REGION = "eu-west-1"
TEMPLATE = {
    "Description": DESCRIPTION,
    "Parameters": {name: {"Type": "String", "Default": "x"} for name in sorted(PARAMETERS)},
    "Resources": {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/28"}}},
}


@functools.cache
def client(service: str) -> Any:
    """One for all tests: making one takes longer than most tests."""
    return boto3.client(service)  # type: ignore[call-overload]  # any of them


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "SLDB_TARGET", "SLDB_STACK", "SLDB_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield


def deploy(
    kind: str = "security-group",
    function: str = "test-db-function",
    stack: str = "test-db",
    store: str = "s3://data/databases",
) -> str:
    """A stack and a function that says how it works; the id of its VPC."""
    client("cloudformation").create_stack(
        StackName=stack,
        TemplateBody=json.dumps(TEMPLATE),
        Parameters=[{"ParameterKey": "FunctionName", "ParameterValue": function}],
    )
    vpc = client("ec2").create_vpc(CidrBlock="10.0.0.0/28")["Vpc"]["VpcId"]
    settings = {"SLDB_LOCK": kind, "SLDB_STORE": store, "SLDB_STACK": stack, "SLDB_VPC_ID": vpc}
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = client("iam").create_role(RoleName=f"r-{stack}", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as bundle:
        bundle.writestr("a.py", "")
    client("lambda").create_function(
        FunctionName=function,
        Runtime="python3.13",
        Role=role,
        Handler="a.b",
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": settings},
    )
    client("s3").create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": REGION})
    return vpc


def take(vpc: str, database: str = "main", stack: str = "test-db", between: str = "-", **tags: str) -> str:
    shown = {
        "CreateTime": str(time.time() - 300),
        "Owner": "abc123",
        "sldb:stack": stack,
        "sldb:database": database,
        "sldb:doing": "INSERT users",
    }
    group = client("ec2").create_security_group(
        GroupName=f"sldb-lock-{stack}{between}{database}",
        Description="lock",
        VpcId=vpc,
        TagSpecifications=[
            {
                "ResourceType": "security-group",
                "Tags": [{"Key": name, "Value": value} for name, value in {**shown, **tags}.items()],
            }
        ],
    )
    return str(group["GroupId"])


def groups() -> list[str]:
    found = client("ec2").describe_security_groups()["SecurityGroups"]
    return [group["GroupName"] for group in found if group["GroupName"].startswith("sldb-lock-")]


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(streams, "can_ask", lambda: True)
    monkeypatch.setattr(click.termui, "visible_prompt_func", lambda prompt="": text)


def test_locks_of_files_are_not_looked_for_in_s3(capsys: pytest.CaptureFixture[str]) -> None:
    deploy("s3", store="file:///mnt/sldb")
    assert run(["unlock", "--yes"]) == 0
    assert "in a file system, which frees the lock" in capsys.readouterr().err
    assert stack_locks(AwsOptions(), "test-db").held("main") is None


@pytest.mark.parametrize("unasked", ["--yes", "-y", "--force"])
def test_shows_the_holder_and_frees_it(capsys: pytest.CaptureFixture[str], unasked: str) -> None:
    lock_id = take(deploy())
    assert run(["unlock", unasked]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    for part in (lock_id, "abc123", "5 min ago", "INSERT users", "can no longer commit over another writer"):
        assert part in shown.err
    assert groups() == []


def test_only_the_lock_of_this_database_and_stack(capsys: pytest.CaptureFixture[str]) -> None:
    vpc = deploy()
    take(vpc, "main")
    take(vpc, "other")
    take(vpc, "main", stack="test-db2")
    assert run(["unlock", "--yes", "--database", "other"]) == 0
    assert sorted(groups()) == ["sldb-lock-test-db-main", "sldb-lock-test-db2-main"]


def test_a_lock_is_found_by_what_it_says_whatever_version_named_it(capsys: pytest.CaptureFixture[str]) -> None:
    vpc = deploy()
    take(vpc, "b-c")
    take(vpc, "b-c", between=".")
    take(vpc, "b-c", stack="test-db2")
    for left in (2, 1):
        assert run(["unlock", "--yes", "--database", "b-c"]) == 0
        assert len(groups()) == left
    assert groups() == ["sldb-lock-test-db2-b-c"]


def test_without_a_terminal_it_wants_yes(capsys: pytest.CaptureFixture[str]) -> None:
    take(deploy())
    assert run(["unlock"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert len(groups()) == 1


@pytest.mark.parametrize(("text", "status", "left"), [("y", 0, 0), ("n", 1, 1), ("", 1, 1)])
def test_asks_on_a_terminal(monkeypatch: pytest.MonkeyPatch, text: str, status: int, left: int) -> None:
    take(deploy())
    answer(monkeypatch, text)
    assert run(["unlock"]) == status
    assert len(groups()) == left


def test_nobody_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    deploy()
    assert run(["unlock"]) == 0
    assert "The lock of database main is free" in capsys.readouterr().err


def test_released_while_the_user_thinks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    vpc = deploy()
    lock_id = take(vpc)

    def release_and_agree(prompt: str = "") -> str:
        client("ec2").delete_security_group(GroupId=lock_id)
        take(vpc, Owner="somebody else")
        return "y"

    monkeypatch.setattr(streams, "can_ask", lambda: True)
    monkeypatch.setattr(click.termui, "visible_prompt_func", release_and_agree)
    assert run(["unlock"]) == 0
    assert "released in the meantime" in capsys.readouterr().err
    assert len(groups()) == 1  # that of somebody else


def test_a_lock_without_its_tags(capsys: pytest.CaptureFixture[str]) -> None:
    take(deploy(), CreateTime="soon", Owner="\u202eevil")
    assert run(["unlock", "--yes"]) == 0
    shown = capsys.readouterr().err
    assert "unknown time" in shown
    assert "\\u202eevil" in shown
    assert groups() == []


def test_the_stack_and_the_function_may_have_other_names() -> None:
    take(deploy(function="mine", stack="my-stack"), stack="my-stack")
    assert run(["unlock", "--yes", "--stack", "my-stack"]) == 0
    assert groups() == []
    assert run(["unlock", "--yes", "--target", "lambda:mine"]) == 0


@pytest.mark.parametrize(
    ("arguments", "says", "hint"),
    [
        (["--stack", "nope"], "there is no stack nope in eu-west-1", "sldb deploy --stack nope"),
        (["--target", "lambda:nope"], "there is no function nope in eu-west-1", "sldb deploy --stack NAME"),
        (["--stack", "nope", "--region", "eu-west-1"], "in eu-west-1", "sldb deploy --stack nope --region eu-west-1"),
    ],
)
def test_not_deployed(arguments: list[str], says: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    deploy()
    assert run(["unlock", *arguments]) == 3
    shown = capsys.readouterr().err
    assert says in shown
    assert hint in shown


def test_a_stack_without_locks(capsys: pytest.CaptureFixture[str]) -> None:
    deploy("none")
    assert run(["unlock", "--yes"]) == 0
    assert "without locks" in capsys.readouterr().err


def test_local_targets_need_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--local", "somewhere", "unlock"]) == 0
    assert "end with their process" in capsys.readouterr().err


HELD = {"owner": "abc123", "created_at": 1.0, "doing": "INSERT users", "database": "main"}
KEY = f"databases/{lock_key('main')}"


def put(body: dict[str, object] | bytes) -> None:
    data = body if isinstance(body, bytes) else seal(body, lock_key("main"))
    client("s3").put_object(Bucket="data", Key=KEY, Body=data)


def stored() -> Any:
    return json.loads(client("s3").get_object(Bucket="data", Key=KEY)["Body"].read())


def object_locks() -> StackLocks:
    return stack_locks(AwsOptions(region=REGION), "test-db")


def test_an_object_is_freed_as_the_function_frees_it(capsys: pytest.CaptureFixture[str]) -> None:
    deploy("s3")
    put(HELD)
    assert run(["unlock", "--yes"]) == 0
    shown = capsys.readouterr().err
    assert "abc123" in shown
    assert "INSERT users" in shown
    left = stored()
    assert (left["owner"], left["released"], left["database"]) == (None, "abc123", "main")
    assert run(["unlock"]) == 0
    assert "The lock of database main is free" in capsys.readouterr().err


@pytest.mark.parametrize("body", [b"no json", [], {"owner": None, "released": "x"}, {"owner": ""}])
def test_an_object_that_nobody_holds(body: object) -> None:
    deploy("s3")
    put(body)
    assert object_locks().held("main") is None


def test_no_object_is_no_lock() -> None:
    deploy("s3")
    assert object_locks().held("main") is None


def test_an_object_that_was_taken_again_stays() -> None:
    deploy("s3")
    put(HELD)
    locks = object_locks()
    held = locks.held("main")
    assert held is not None
    put({**HELD, "owner": "somebody else"})
    assert not locks.free(held)
    assert stored()["owner"] == "somebody else"


def test_our_own_earlier_try_counts_as_freed() -> None:
    deploy("s3")
    put(HELD)
    locks = object_locks()
    held = locks.held("main")
    assert held is not None
    assert locks.free(held)
    assert locks.free(held)


def test_the_bucket_is_gone() -> None:
    deploy("s3")
    client("s3").delete_bucket(Bucket="data")
    with pytest.raises(SldbError) as caught:
        object_locks().held("main")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("kind", ["security-group", "s3", "none"])
def test_a_client_that_waits_looks_at_the_lock(kind: str) -> None:
    vpc = deploy(kind)
    look = FunctionLook(DeployedFunction(AwsOptions(region=REGION), stack="test-db"))
    assert look("main") is None
    take(vpc, CreateTime=str(time.time() - 12))
    put({**HELD, "created_at": time.time() - 12})
    seen = look("main")
    if kind == "none":
        assert seen is None
        return
    assert seen is not None
    assert seen.holder.doing == "INSERT users"
    assert seen.age_seconds is not None
    assert 10 < seen.age_seconds < 100


def test_the_age_of_a_lock_is_by_the_clock_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    vpc, now = deploy(), time.time()
    take(vpc, CreateTime=str(now - 12))
    monkeypatch.setattr(lock_look.time, "time", lambda: now + 3600.0)
    look = FunctionLook(DeployedFunction(AwsOptions(region=REGION), stack="test-db"))
    look._note_date(SimpleNamespace(headers={"date": formatdate(now, usegmt=True)}))
    monkeypatch.setattr(FunctionLook, "_note_date", lambda *_, **__: None)
    seen = look("main")
    assert seen is not None
    assert seen.age_seconds == pytest.approx(12, abs=2)


def test_a_look_without_rights_is_an_error_to_its_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    look = FunctionLook(DeployedFunction(AwsOptions(region=REGION), function="missing"))
    with pytest.raises(SldbError):
        look("main")

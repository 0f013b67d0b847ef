"""`--tags`, `--untag` and `--permissions-boundary`: what the policies of an account may demand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_handlers.wire import SldbError
from sldb.deploy.tags import MAX_TAGS, Tags, for_locks
from tests.sldb.commands import BUNDLE_BUCKET, DATA_BUCKET, Commands

pytestmark = pytest.mark.long

FUNCTIONS = ("test-db-function", "test-db-function-deadlock-fix")


def stack(sldb: Commands) -> Any:
    return sldb.client("cloudformation").describe_stacks(StackName="test-db")["Stacks"][0]


def physical(sldb: Commands, logical_id: str) -> str:
    found = sldb.client("cloudformation").describe_stack_resource(StackName="test-db", LogicalResourceId=logical_id)
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


def as_dict(tags: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def tags_of_all(sldb: Commands) -> dict[str, dict[str, str]]:
    """By resource: everything of the stack and beside it that can have tags."""
    s3, logs, functions, iam = (sldb.client(name) for name in ("s3", "logs", "lambda", "iam"))
    ec2, events = sldb.client("ec2"), sldb.client("events")
    account = "arn:aws:{}:us-east-1:123456789012"
    found = {bucket: as_dict(s3.get_bucket_tagging(Bucket=bucket)["TagSet"]) for bucket in (DATA_BUCKET, BUNDLE_BUCKET)}
    for name in FUNCTIONS:
        found[name] = functions.list_tags(Resource=f"{account.format('lambda')}:function:{name}")["Tags"]
        group = f"{account.format('logs')}:log-group:/aws/lambda/{name}"
        found[f"log of {name}"] = logs.list_tags_for_resource(resourceArn=group)["tags"]
    for role in ("QueryRole", "DeadlockFixRole"):
        found[role] = as_dict(iam.list_role_tags(RoleName=physical(sldb, role))["Tags"])
    (vpc,) = ec2.describe_vpcs(VpcIds=[physical(sldb, "LockVpc")])["Vpcs"]
    found["LockVpc"] = as_dict(vpc["Tags"])
    rule = events.describe_rule(Name=physical(sldb, "DeadlockFixSchedule"))["Arn"]
    found["rule"] = as_dict(events.list_tags_for_resource(ResourceARN=rule)["Tags"])
    return found


def test_everything_gets_the_tags_and_keeps_its_own(sldb: Commands) -> None:
    ran = sldb.ok("deploy", "--tags", "team=data", "cost-center=a=b", "--tags=Name=ours", "more=x")
    assert "tags of all resources that can have tags: Name=ours, cost-center=a=b, more=x, team=data" in ran.err
    found = tags_of_all(sldb)
    assert len(found) == 10
    for resource, tags in found.items():
        assert tags["team"] == "data", resource
        assert tags["cost-center"] == "a=b", resource
    assert found["LockVpc"]["Name"] == "sldb-locks-test-db"
    assert {found[name]["sldb:stack"] for name in (DATA_BUCKET, BUNDLE_BUCKET, *FUNCTIONS)} == {"test-db"}
    environment = sldb.client("lambda").get_function_configuration(FunctionName=FUNCTIONS[0])["Environment"]
    of_locks = json.loads(environment["Variables"]["SLDB_LOCK_TAGS"])
    assert of_locks == {"Name": "ours", "team": "data", "cost-center": "a=b", "more": "x"}
    shown = json.loads(sldb.ok("status", "--format", "json").out)
    assert shown["tags"] == of_locks
    assert "team=data" in sldb.ok("status").out


def test_they_stay_change_and_go_and_those_of_others_stay(sldb: Commands) -> None:
    sldb.ok("deploy", "--tags", "team=data", "old=1")
    client = sldb.client("cloudformation")
    client.update_stack(
        StackName="test-db",
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": p["ParameterKey"], "UsePreviousValue": True} for p in stack(sldb)["Parameters"]],
        Capabilities=["CAPABILITY_IAM"],
        Tags=[*stack(sldb)["Tags"], {"Key": "theirs", "Value": "1"}],
    )
    client.get_waiter("stack_update_complete").wait(StackName="test-db", WaiterConfig={"Delay": 1})
    sldb.ok("deploy", "--memory", "2048")
    assert as_dict(stack(sldb)["Tags"]) == {"team": "data", "old": "1", "theirs": "1"}
    assert "up to date" in sldb.ok("deploy").err
    assert "up to date" in sldb.ok("deploy", "--tags", "team=data").err
    ran = sldb.ok("deploy", "--tags", "team=web", "--untag", "old", "never-there")
    assert "tags to be removed: old" in ran.err
    assert as_dict(stack(sldb)["Tags"]) == {"team": "web", "theirs": "1"}
    for resource, tags in tags_of_all(sldb).items():
        assert (tags["team"], tags["theirs"], tags.get("old")) == ("web", "1", None), resource
    sldb.ok("deploy", "--untag", "team", "theirs")
    assert stack(sldb)["Tags"] == []
    assert "up to date" in sldb.ok("deploy").err


def test_a_bucket_that_was_found_again_gets_them_too(sldb: Commands) -> None:
    for command in (("deploy",), ("destroy", "--yes"), ("deploy", "--tags", "team=data")):
        sldb.ok(*command)
    tags = as_dict(sldb.client("s3").get_bucket_tagging(Bucket=DATA_BUCKET)["TagSet"])
    assert tags == {"sldb:stack": "test-db", "team": "data"}


def test_a_plan_changes_no_tag(sldb: Commands) -> None:
    sldb.ok("deploy")
    assert "Tags" in sldb.ok("deploy", "--plan", "--tags", "team=data").err
    assert stack(sldb)["Tags"] == []


@pytest.mark.parametrize(
    ("word", "want"),
    [
        ("team", "KEY=VALUE"),
        ("=data", "a key"),
        ("aws:team=data", "does not begin with aws:"),
        ("AWS:team=data", "does not begin with aws:"),
        ("sldb:stack=other", "does not begin with aws: or sldb:"),
        ("k" * 129 + "=v", "a key of 1 to 128"),
        ("k=" + "v" * 257, "a value of 1 to 256"),
        ("k=", "a value of 1 to 256"),
        ("k=a;b", "a value"),
        ("k\u2028$=v", "a key"),
    ],
)
def test_a_tag_that_is_none(word: str, want: str) -> None:
    with pytest.raises(SldbError, match=want) as caught:
        Tags.choose({}, [word], [])
    assert caught.value.exit_code == 2


def test_tags_that_do_not_go_together() -> None:
    many = [f"k{number}=v" for number in range(MAX_TAGS)]
    assert len(Tags.choose({}, many, []).all) == MAX_TAGS
    for before, given, dropped, message in (
        ({"one": "more"}, many, [], "want at most"),
        ({"Team": "a"}, ["team=b"], [], "one key for IAM"),
        ({}, ["k=a", "k=b"], [], "one value for k"),
        ({}, ["k=a"], ["k"], "also given by --tags"),
    ):
        with pytest.raises(SldbError, match=message):
            Tags.choose(before, given, dropped)
    with pytest.raises(SldbError, match="--tags: the locks get them"):
        for_locks({f"k{number}": "v" * 256 for number in range(10)})


def test_what_is_aws_own_is_not_sent() -> None:
    tags = Tags.choose({"aws:servicecatalog:portfolio": "x"}, [], [])
    assert (tags.sent, tags.changed, for_locks(tags.all)) == (None, False, "")


def make_boundary(sldb: Commands, name: str = "boundary") -> str:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    made = sldb.client("iam").create_policy(PolicyName=name, PolicyDocument=json.dumps(document))
    return str(made["Policy"]["Arn"])


def boundaries(sldb: Commands) -> set[str | None]:
    iam = sldb.client("iam")
    roles = [iam.get_role(RoleName=physical(sldb, role))["Role"] for role in ("QueryRole", "DeadlockFixRole")]
    return {role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") for role in roles}


def test_a_boundary_stays_changes_and_goes(sldb: Commands) -> None:
    first, second = make_boundary(sldb), make_boundary(sldb, "path/second")
    ran = sldb.ok("deploy", "--permissions-boundary", first)
    assert f"permissions boundary of the roles: {first}" in ran.err
    assert boundaries(sldb) == {first}
    assert first in sldb.ok("status").out
    assert json.loads(sldb.ok("status", "--format", "json").out)["permissions_boundary"] == first
    sldb.ok("deploy", "--memory", "2048")
    assert boundaries(sldb) == {first}
    ran = sldb.ok("deploy", "--permissions-boundary", second)
    assert "PermissionsBoundary" in ran.err
    assert boundaries(sldb) == {second}
    sldb.ok("deploy", "--permissions-boundary", "none")
    assert boundaries(sldb) == {None}
    assert "boundary" not in sldb.ok("status").out


def test_a_boundary_that_is_not_there(sldb: Commands) -> None:
    ran = sldb("deploy", "--permissions-boundary", "arn:aws:iam::123456789012:policy/nope")
    assert ran.status == 1
    assert "does not exist or is not attachable" in ran.err
    assert sldb.buckets() == [BUNDLE_BUCKET]


@pytest.mark.parametrize("arn", ["boundary", "arn:aws:iam::123456789012:role/x", "arn:aws:iam::1:policy/x"])
def test_a_boundary_that_is_none(sldb: Commands, arn: str) -> None:
    ran = sldb("deploy", "--permissions-boundary", arn)
    assert ran.status == 2
    assert "--permissions-boundary" in ran.err

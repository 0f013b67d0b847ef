"""A stack or a bucket that only has the name of one of ours: no command changes it, or takes it for ours."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from sldb.deploy.template import template_text
from sldb.emulator.cloudformation.template import load
from sldb.stack.cloudformation import Stack
from sldb.stack.ownership import DESCRIPTION, PARAMETERS, is_ours
from sldb.stack.state import StackState
from tests.fakes.aws.cloudformation import template_in_s3
from tests.sldb.commands import BUNDLE_BUCKET, DATA_BUCKET, Commands

EARLIER = Path(__file__).with_name("earlier_template.yaml")  # as commit e2673fc deployed it
THEIRS = "their-data"
KEY = "databases/main/0000/0000000000000001-0000000000000001.ltx"


def their_template(**sections: Any) -> str:
    """Resources of somebody else, with an output that names a bucket of theirs."""
    document = {
        "Resources": {"Their": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "their-other"}}},
        "Outputs": {"DataBucket": {"Value": THEIRS}, "FunctionName": {"Value": "their-function"}},
    }
    return json.dumps({**document, **sections})


def make_bucket(sldb: Commands, name: str, *keys: str, stack: str | None = None) -> None:
    s3 = sldb.client("s3")
    s3.create_bucket(Bucket=name)
    if stack is not None:
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "sldb:stack", "Value": stack}]})
    for key in keys:
        s3.put_object(Bucket=name, Key=key, Body=b"precious")


def make_stack(sldb: Commands, template: str, **parameters: str) -> None:
    client = sldb.client("cloudformation")
    client.create_stack(
        StackName="test-db",
        TemplateBody=template,
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    client.get_waiter("stack_create_complete").wait(StackName="test-db", WaiterConfig={"Delay": 1})


def make_theirs(sldb: Commands, template: str | None = None) -> None:
    make_bucket(sldb, THEIRS, "photos/cat.jpg")
    make_stack(sldb, template or their_template())


def events(sldb: Commands) -> int:
    return len(sldb.client("cloudformation").describe_stack_events(StackName="test-db")["StackEvents"])


def has_everything(sldb: Commands) -> bool:
    objects = sldb.client("s3").list_objects_v2(Bucket=THEIRS)["KeyCount"]
    return (sldb.stack_status(), sldb.buckets(), objects) == ("CREATE_COMPLETE", [THEIRS, "their-other"], 1)


COMMANDS = [
    ("deploy", "--yes"),
    ("deploy", "--plan"),
    ("destroy", "--yes"),
    ("destroy", "--yes", "--delete-data"),
    ("unlock", "--yes"),
    ("status",),
    ("logs",),
    ("cost",),
]


def test_no_command_touches_a_stack_of_somebody_else(sldb: Commands) -> None:
    make_theirs(sldb)
    before = events(sldb)
    for command in COMMANDS:
        ran = sldb(*command)
        assert ran.status == 3, (command, ran.err)
        assert "the stack test-db is not sldb's" in ran.err, command
        assert "--stack" in ran.err, command
    assert has_everything(sldb)
    assert events(sldb) == before
    assert sldb.waiting_change_sets() == []


def test_doctor_says_whose_it_is_not_and_writes_nothing(sldb: Commands) -> None:
    make_theirs(sldb)
    ran = sldb("doctor", "--format", "json")
    assert ran.status == 1
    (stack,) = [row for row in json.loads(ran.out) if row["check"] == "stack"]
    assert stack["state"] == "fail"
    assert "not sldb's" in stack["says"]
    assert has_everything(sldb)


@pytest.mark.parametrize(
    ("description", "parameters", "tags", "ours"),
    [
        ("", (), {}, False),
        (DESCRIPTION, (), {}, False),
        ("", PARAMETERS, {}, False),
        (f"Like {DESCRIPTION}", PARAMETERS, {}, False),
        ("", (), {"sldb:stack": "test-db"}, False),
        ("", PARAMETERS, {"sldb:stack": "other"}, False),
        (DESCRIPTION, PARAMETERS - {"LockKind"}, {}, False),
        ("edited", PARAMETERS, {"sldb:stack": "test-db"}, True),
        (f"{DESCRIPTION} More.", PARAMETERS | {"More"}, {}, True),
    ],
)
def test_half_of_what_marks_ours_is_not_enough(
    description: str, parameters: Iterable[str], tags: dict[str, str], ours: bool
) -> None:
    given = dict.fromkeys(parameters, "x")
    state = StackState("id", "CREATE_COMPLETE", description=description, parameters=given, tags=tags)
    assert is_ours("test-db", state) is ours


@pytest.mark.parametrize("text", [EARLIER.read_text("utf-8"), template_text()], ids=["earlier", "this"])
def test_our_templates_have_both(text: str) -> None:
    template = load(text)
    assert (template.description or "").startswith(DESCRIPTION)
    assert set(template.parameters) >= PARAMETERS


def test_what_somebody_else_has_only_prepared_is_left_too(sldb: Commands) -> None:
    client = sldb.client("cloudformation")
    client.create_change_set(
        StackName="test-db", ChangeSetName="theirs", ChangeSetType="CREATE", TemplateBody=their_template()
    )
    for command in (("deploy", "--yes"), ("destroy", "--yes"), ("unlock", "--yes"), ("query", "SELECT 1")):
        ran = sldb(*command)
        assert (ran.status, "not sldb's" in ran.err) == (3, True), (command, ran.err)
    assert sldb.waiting_change_sets() == ["theirs"]


def test_what_we_have_only_prepared_is_ours(sldb: Commands) -> None:
    sldb.client("cloudformation").create_change_set(
        StackName="test-db",
        ChangeSetName=f"sldb-{uuid.uuid4().hex}",
        ChangeSetType="CREATE",
        TemplateBody=their_template(),
    )
    assert "there is no stack test-db" in sldb("unlock", "--yes").err
    sldb.ok("destroy", "--yes")
    assert sldb.stack_status() is None


def deploy_earlier(sldb: Commands, **parameters: str) -> None:
    make_bucket(sldb, BUNDLE_BUCKET)
    bundle = f"{'0' * 64}.zip"
    sldb.client("s3").put_object(Bucket=BUNDLE_BUCKET, Key=bundle, Body=empty_zip())
    make_stack(
        sldb,
        EARLIER.read_text("utf-8"),
        BundleBucket=BUNDLE_BUCKET,
        BundleKey=bundle,
        **sldb_platform(sldb),
        **parameters,
    )


def empty_zip() -> bytes:
    return b"PK\x05\x06" + bytes(18)


def sldb_platform(sldb: Commands) -> dict[str, str]:
    environment = sldb.aws.environment()
    return {"Runtime": environment["SLDB_RUNTIME"], "Architecture": environment["SLDB_ARCHITECTURE"]}


def test_a_stack_of_an_earlier_version_is_ours(sldb: Commands) -> None:
    deploy_earlier(sldb)
    sldb.client("s3").put_object(Bucket=DATA_BUCKET, Key="databases/main/note", Body=b"x")
    assert "CREATE_COMPLETE" in sldb.ok("status").out
    assert "The lock of database main is free" in sldb.ok("unlock").err
    sldb.ok("deploy", "--yes")
    assert sldb.stack_status() == "UPDATE_COMPLETE"
    sldb.ok("destroy", "--yes", "--delete-data")
    assert sldb.stack_status() is None
    assert sldb.buckets() == []


def test_an_output_that_was_changed_names_no_bucket_to_delete(sldb: Commands) -> None:
    make_bucket(sldb, THEIRS, "photos/cat.jpg")
    sldb.ok("deploy")
    client = sldb.client("cloudformation")
    output = "  DataBucket:\n    Value: !If [CreatesBucket, !Ref DataBucket, !Ref ExistingBucket]"
    assert output in template_text()
    edited = template_text().replace(output, f"  DataBucket:\n    Value: {THEIRS}")
    parameters = client.describe_stacks(StackName="test-db")["Stacks"][0]["Parameters"]
    client.update_stack(
        StackName="test-db",
        **template_in_s3(sldb.client("s3"), edited, BUNDLE_BUCKET),
        Parameters=parameters,
        Capabilities=["CAPABILITY_IAM"],
    )
    client.get_waiter("stack_update_complete").wait(StackName="test-db", WaiterConfig={"Delay": 1})
    assert f"s3://{DATA_BUCKET}" in sldb.ok("status").out
    sldb.ok("destroy", "--yes", "--delete-data")
    assert sldb.buckets() == [THEIRS]
    assert sldb.client("s3").list_objects_v2(Bucket=THEIRS)["KeyCount"] == 1


@pytest.mark.parametrize("stack", [None, "other"], ids=["no tag", "tag of another stack"])
def test_a_bucket_without_our_tag_is_neither_adopted_nor_deleted(sldb: Commands, stack: str | None) -> None:
    make_bucket(sldb, DATA_BUCKET, KEY, stack=stack)
    ran = sldb("deploy", "--yes")
    assert ran.status == 1
    assert (
        f"does not belong to the stack test-db: {'its tag sldb:stack names the stack other' if stack else 'it has no'}"
        in ran.err
    )
    assert "put-bucket-tagging" in ran.err
    assert sldb.stack_status() is None
    assert sldb("destroy", "--yes", "--delete-data").status == 1
    assert sldb.client("s3").list_objects_v2(Bucket=DATA_BUCKET)["KeyCount"] == 1


def test_the_hint_makes_a_bucket_ours(sldb: Commands) -> None:
    make_bucket(sldb, DATA_BUCKET, KEY)
    assert sldb("deploy", "--yes").status == 1
    tags = {"TagSet": [{"Key": "sldb:stack", "Value": "test-db"}]}  # as the hint says
    sldb.client("s3").put_bucket_tagging(Bucket=DATA_BUCKET, Tagging=tags)
    assert "found the data of an earlier stack" in sldb.ok("deploy", "--yes").err
    sldb.ok("destroy", "--yes", "--delete-data")
    assert sldb.buckets() == []


def adopt(sldb: Commands) -> None:
    for command in (("deploy",), ("destroy", "--yes"), ("deploy",)):
        sldb.ok(*command)


STRANGE_KEYS = ("photos/cat.jpg", "cat.jpg", "databases/cat.jpg", "databases/Main/x", "databases")


@pytest.mark.parametrize(
    "adopted", [pytest.param(False, id="made"), pytest.param(True, id="adopted", marks=pytest.mark.long)]
)
def test_a_bucket_that_holds_something_else_too_is_not_deleted(sldb: Commands, adopted: bool) -> None:
    adopt(sldb) if adopted else sldb.ok("deploy")
    s3 = sldb.client("s3")
    for each in (KEY, "databases/_probe", "doctor/x"):
        s3.put_object(Bucket=DATA_BUCKET, Key=each, Body=b"x", IfNoneMatch="*")
    for key in STRANGE_KEYS:
        s3.put_object(Bucket=DATA_BUCKET, Key=key, Body=b"x", IfNoneMatch="*")
        ran = sldb("destroy", "--yes", "--delete-data")
        assert ran.status == 1
        assert "not sldb's" in ran.err
        assert sldb.stack_status() == "CREATE_COMPLETE"  # before anything was deleted
        assert s3.list_objects_v2(Bucket=DATA_BUCKET)["KeyCount"] == 4
        s3.delete_object(Bucket=DATA_BUCKET, Key=key)
    sldb.ok("destroy", "--yes", "--delete-data")
    assert sldb.buckets() == []


def test_an_old_version_of_something_else_counts(sldb: Commands) -> None:
    sldb.ok("deploy", "--recoverable-days", "3")
    s3 = sldb.client("s3")
    s3.put_object(Bucket=DATA_BUCKET, Key="cat.jpg", Body=b"x")
    s3.delete_object(Bucket=DATA_BUCKET, Key="cat.jpg")
    assert "cat.jpg" in sldb("destroy", "--yes", "--delete-data").err
    assert DATA_BUCKET in sldb.buckets()


def test_what_comes_in_while_the_data_goes_stays(sldb: Commands) -> None:
    sldb.ok("deploy")
    s3 = sldb.client("s3")
    s3.put_object(Bucket=DATA_BUCKET, Key=KEY, Body=b"x", IfNoneMatch="*")

    def write_beside(call: Any, proceed: Any) -> Any:
        if call.action == "DeleteStack":
            s3.put_object(Bucket=DATA_BUCKET, Key="cat.jpg", Body=b"x")
        return proceed(call)

    sldb.aws.hooks.append(write_beside)
    ran = sldb("destroy", "--yes", "--delete-data")
    assert ran.status == 1
    assert "cat.jpg" in ran.err
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=DATA_BUCKET)["Contents"]] == ["cat.jpg"]


def test_tags_that_may_not_be_read_let_nothing_be_deleted(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.fail("GetBucketTagging", "AccessDenied", "no", times=1)
    ran = sldb("destroy", "--yes", "--delete-data")
    assert ran.status == 3
    assert "read the tags of the bucket" in ran.err
    assert sldb.stack_status() == "CREATE_COMPLETE"
    assert sldb.buckets() == [BUNDLE_BUCKET, DATA_BUCKET]
    sldb.ok("destroy", "--yes")
    sldb.fail("GetBucketTagging", "AccessDenied", "no", times=1)
    assert sldb("deploy", "--yes").status == 3  # nor adopted
    assert sldb.stack_status() is None


def test_a_stack_that_was_told_to_use_a_bucket_of_another_deletes_none(sldb: Commands) -> None:
    make_bucket(sldb, THEIRS, KEY, stack="other")
    sldb.ok("deploy")
    client = sldb.client("cloudformation")
    parameters = client.describe_stacks(StackName="test-db")["Stacks"][0]["Parameters"]
    given = [
        {**each, "ParameterValue": THEIRS} if each["ParameterKey"] == "ExistingBucket" else each for each in parameters
    ]
    client.update_stack(
        StackName="test-db",
        **template_in_s3(sldb.client("s3"), template_text(), BUNDLE_BUCKET),
        Parameters=given,
        Capabilities=["CAPABILITY_IAM"],
    )
    client.get_waiter("stack_update_complete").wait(StackName="test-db", WaiterConfig={"Delay": 1})
    for command in (("deploy", "--yes", "--memory", "2048"), ("destroy", "--yes", "--delete-data")):
        ran = sldb(*command)
        assert ran.status == 1
        assert "names the stack other" in ran.err
    sldb.ok("destroy", "--yes")
    assert sldb.client("s3").list_objects_v2(Bucket=THEIRS)["KeyCount"] == 1


def test_a_bucket_of_bundles_that_holds_something_else_stays(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.client("s3").put_object(Bucket=BUNDLE_BUCKET, Key="release.tar", Body=b"x")
    ran = sldb.ok("destroy", "--yes")
    assert f"{BUNDLE_BUCKET} stays: it has release.tar" in ran.err
    assert sldb.buckets() == [BUNDLE_BUCKET, DATA_BUCKET]


def test_a_bucket_of_bundles_of_another_stack_stays(sldb: Commands) -> None:
    make_bucket(sldb, BUNDLE_BUCKET, stack="other")
    assert "stays: it has the tag of the stack other" in sldb.ok("destroy", "--yes").err
    assert sldb.buckets() == [BUNDLE_BUCKET]


def test_a_group_of_somebody_else_in_the_vpc_is_no_lock(sldb: Commands) -> None:
    sldb.ok("deploy")
    ec2 = sldb.client("ec2")
    theirs = sldb.create_group("web", {"sldb:stack": "test-db"})
    assert sldb("destroy", "--yes").status == 1  # the VPC is in use
    assert len(ec2.describe_security_groups(GroupIds=[theirs])["SecurityGroups"]) == 1


class WithoutDescription:
    """A CloudFormation that leaves descriptions out of what it tells of a stack, as MiniStack does."""

    def __init__(self, parameters: Iterable[str], template: str) -> None:
        self._parameters = [{"ParameterKey": name, "ParameterValue": "x"} for name in parameters]
        self._template = template
        self.asked: list[str] = []

    def describe_stacks(self, **_given: Any) -> dict[str, Any]:
        self.asked.append("DescribeStacks")
        stack = {"StackId": "id", "StackStatus": "CREATE_COMPLETE", "CreationTime": datetime.now(timezone.utc)}
        return {"Stacks": [{**stack, "Parameters": self._parameters}]}

    def get_template(self, **_given: Any) -> dict[str, Any]:
        self.asked.append("GetTemplate")
        return {"TemplateBody": self._template}


@pytest.mark.parametrize(
    ("parameters", "template", "is_one_of_ours", "asked"),
    [
        (PARAMETERS, template_text(), True, ["DescribeStacks", "GetTemplate"]),
        (PARAMETERS, "Resources: {}", False, ["DescribeStacks", "GetTemplate"]),
        ({"FunctionName"}, template_text(), False, ["DescribeStacks"]),
    ],
)
def test_where_a_description_is_left_out_the_template_tells(
    parameters: Iterable[str], template: str, is_one_of_ours: bool, asked: list[str]
) -> None:
    client: Any = WithoutDescription(parameters, template)
    stack = Stack(client, "test-db")
    state = stack.describe()
    assert state is not None
    assert stack.is_ours(state) is is_one_of_ours
    assert client.asked == asked

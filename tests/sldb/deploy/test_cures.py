"""What is deleted behind CloudFormation's back: `sldb doctor` sees it, and what it says to do about it is followed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest

from sldb.aws.options import AwsOptions
from sldb.deploy import losses
from sldb.doctor import aws as doctor
from sldb.doctor.finding import Finding
from sldb.ops.status import deployed
from sldb.stack.account import Account, connect
from sldb.stack.bucket import Bucket
from sldb.stack.state import StackResource, StackState
from tests.fakes.aws.cloudformation import template_in_s3
from tests.fakes.waiting import wait_until
from tests.sldb.commands import BUNDLE_BUCKET, DATA_BUCKET, Commands, Ran

if TYPE_CHECKING:
    from sldb.emulator.calls.call import Answer, Call

pytestmark = pytest.mark.long

FUNCTION, FIX = "test-db-function", "test-db-function-deadlock-fix"
Lose = Callable[[Commands], None]


def physical(sldb: Commands, logical_id: str) -> str:
    found = sldb.client("cloudformation").describe_stack_resource(StackName="test-db", LogicalResourceId=logical_id)
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


def lose_function(name: str) -> Lose:
    return lambda sldb: sldb.client("lambda").delete_function(FunctionName=name)


def lose_role(logical_id: str) -> Lose:
    def lose(sldb: Commands) -> None:
        iam, role = sldb.client("iam"), physical(sldb, logical_id)
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            iam.delete_role_policy(RoleName=role, PolicyName=policy)
        iam.delete_role(RoleName=role)

    return lose


def lose_policy(logical_id: str, policy: str) -> Lose:
    return lambda sldb: sldb.client("iam").delete_role_policy(RoleName=physical(sldb, logical_id), PolicyName=policy)


def lose_vpc(sldb: Commands) -> None:
    sldb.client("ec2").delete_vpc(VpcId=physical(sldb, "LockVpc"))


def lose_targets(sldb: Commands) -> None:
    sldb.client("events").remove_targets(Rule=physical(sldb, "DeadlockFixSchedule"), Ids=["deadlock-fix"])


def lose_schedule(sldb: Commands) -> None:
    lose_targets(sldb)
    sldb.client("events").delete_rule(Name=physical(sldb, "DeadlockFixSchedule"))


def switch_off_schedule(sldb: Commands) -> None:
    sldb.client("events").disable_rule(Name=physical(sldb, "DeadlockFixSchedule"))


def lose_permission(sldb: Commands) -> None:
    statement = physical(sldb, "DeadlockFixSchedulePermission")
    sldb.client("lambda").remove_permission(FunctionName=FIX, StatementId=statement)


def lose_log_group(name: str) -> Lose:
    return lambda sldb: sldb.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")


def lose_bucket_policy(sldb: Commands) -> None:
    sldb.client("s3").delete_bucket_policy(Bucket=DATA_BUCKET)


def lose_settings(sldb: Commands) -> None:
    sldb.client("lambda").update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": {}})


def change_code(sldb: Commands) -> None:
    sldb.client("s3").put_object(Bucket=BUNDLE_BUCKET, Key="other.zip", Body=_zip())
    sldb.client("lambda").update_function_code(FunctionName=FUNCTION, S3Bucket=BUNDLE_BUCKET, S3Key="other.zip")


def _zip() -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("other.py", "")
    return buffer.getvalue()


LOSSES: dict[str, tuple[Lose, str]] = {
    "query function": (lose_function(FUNCTION), "the function test-db-function is gone"),
    "deadlock function": (lose_function(FIX), "the function test-db-function-deadlock-fix is gone"),
    "query role": (lose_role("QueryRole"), "the role .* is gone"),
    "policy data": (lose_policy("QueryRole", "data"), "the policy data of the role .* is gone"),
    "vpc": (lose_vpc, "the VPC of the locks, vpc-.* is gone"),
    "schedule": (lose_schedule, "the schedule .* is gone"),
    "targets": (lose_targets, "the schedule .* invokes nothing"),
    "switched off": (switch_off_schedule, "the schedule .* is switched off"),
    "permission": (lose_permission, "the right of the schedule to invoke .* is gone"),
    "query log": (lose_log_group(FUNCTION), "the log group .* is gone"),
    "bucket policy": (lose_bucket_policy, "the policy of the bucket .* is gone"),
    "settings": (lose_settings, "the function test-db-function has lost its settings"),
    "code": (change_code, "the function test-db-function runs other code than was deployed"),
}


def resources(sldb: Commands) -> list[Finding]:
    """What `sldb doctor` says of what the stack rests on."""
    account = connect(AwsOptions())
    return list(doctor.resources(account, "test-db", deployed(account, "test-db")))


def states(sldb: Commands) -> set[str]:
    return {finding.state for finding in resources(sldb)}


def follow(sldb: Commands, hint: str) -> list[Ran]:
    """Run every sldb command that a hint names in backquotes, in its order."""
    found = re.findall(r"`sldb ([^`]+)`", hint)
    assert found, hint
    return [sldb(*command.split(), *(["--yes"] if command.startswith("destroy") else [])) for command in found]


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_lost_is_seen_and_the_hint_cures_it(sldb: Commands, name: str) -> None:
    lose, says = LOSSES[name]
    sldb.ok("deploy")
    (fine,) = resources(sldb)
    assert (fine.state, fine.says) == ("ok", "all 15 are there")
    lose(sldb)
    found = resources(sldb)
    assert {finding.state for finding in found} == {"fail"}
    assert any(re.fullmatch(says, finding.says) for finding in found), found
    (ran,) = follow(sldb, found[0].next)
    assert ran.status == 0, ran.err
    assert re.search(says, ran.err)
    assert states(sldb) == {"ok"}
    stack = sldb.client("cloudformation").describe_stacks(StackName="test-db")["Stacks"][0]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    assert outputs["LockVpc"] == physical(sldb, "LockVpc")
    function = sldb.client("lambda").get_function_configuration(FunctionName=FUNCTION)
    assert function["Role"].endswith("/" + physical(sldb, "QueryRole"))
    assert function["Environment"]["Variables"]["SLDB_VPC_ID"] == physical(sldb, "LockVpc")
    assert function["Environment"]["Variables"]["SLDB_STORE"] == f"s3://{DATA_BUCKET}/databases"


def test_all_of_them_at_once(sldb: Commands) -> None:
    sldb.ok("deploy")
    for name in ("permission", "switched off", "query log", "vpc", "query function", "deadlock function"):
        LOSSES[name][0](sldb)
    for lose in (lose_policy("QueryRole", "locks"), lose_role("DeadlockFixRole"), lose_log_group(FIX)):
        lose(sldb)
    assert len(resources(sldb)) == 10
    ran = sldb.ok("deploy", "--memory", "2048")
    assert ran.err.count(" is gone: this repairs it") == 9
    assert states(sldb) == {"ok"}
    assert "up to date" in sldb.ok("deploy").err
    assert sldb.client("lambda").get_function_configuration(FunctionName=FUNCTION)["MemorySize"] == 2048


def test_a_change_while_something_is_gone_does_not_get_stuck(sldb: Commands) -> None:
    sldb.ok("deploy")
    LOSSES["query function"][0](sldb)
    sldb.ok("deploy", "--memory", "2048")
    assert sldb.stack_status() == "UPDATE_COMPLETE"


def test_a_plan_shows_what_is_gone_and_mends_nothing(sldb: Commands) -> None:
    sldb.ok("deploy")
    LOSSES["query function"][0](sldb)
    ran = sldb.ok("deploy", "--plan")
    assert "the function test-db-function is gone: this repairs it" in ran.err
    assert "+  QueryFunction  AWS::Lambda::Function  is missing, and created again" in ran.err
    assert "nothing was changed" in ran.err
    assert states(sldb) == {"fail"}
    assert sldb.waiting_change_sets() == []


@pytest.mark.parametrize("arguments", [["deploy"], ["deploy", "--yes"], ["deploy", "--memory", "2048"]], ids=" ".join)
@pytest.mark.parametrize("adopted", [False, True])
def test_lost_data_is_never_replaced_by_an_empty_bucket_in_silence(
    sldb: Commands, arguments: list[str], adopted: bool
) -> None:
    sldb.ok("deploy")
    if adopted:
        sldb.ok("destroy", "--yes")
        sldb.ok("deploy")
    sldb.client("s3").delete_bucket(Bucket=DATA_BUCKET)
    ran = sldb(*arguments)
    assert ran.status == 1
    assert f"the data bucket {DATA_BUCKET} is gone, and with it every database" in ran.err
    assert DATA_BUCKET not in sldb.buckets()
    assert sldb.stack_status() == "CREATE_COMPLETE"
    assert any("every database that was in it" in finding.says for finding in resources(sldb))
    hint = next(line for line in ran.err.splitlines() if line.startswith("hint: "))
    assert sldb.ok(*re.findall(r"`sldb (deploy [^`]+)`", hint)[0].split()).status == 0
    assert DATA_BUCKET in sldb.buckets()
    assert states(sldb) == {"ok"}
    assert "up to date" in sldb.ok("deploy").err
    for name in (FUNCTION, FIX):  # a change, which ends the containers that have something of the old one
        found = sldb.client("lambda").get_function_configuration(FunctionName=name)
        assert re.fullmatch(r"20[0-9T:-]+Z", found["Environment"]["Variables"]["SLDB_BUCKET_MADE"])


def test_a_new_bucket_is_for_a_stack_that_has_none(sldb: Commands) -> None:
    sldb.ok("deploy")
    ran = sldb("deploy", "--new-bucket")
    assert ran.status == 2
    assert "that of test-db exists" in ran.err


def test_status_says_that_the_data_is_gone_and_goes_on(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.client("s3").delete_bucket(Bucket=DATA_BUCKET)
    shown = sldb.ok("status").out
    assert f"s3://{DATA_BUCKET} is gone" in shown
    assert "none yet" not in shown
    assert json.loads(sldb.ok("status", "--format", "json").out)["bucket_is_gone"] is True


def test_what_cloudformation_overlooks_is_said_and_the_hint_cures_it(sldb: Commands) -> None:
    """Not every type of resource can be looked at by CloudFormation."""
    sldb.ok("deploy")
    sldb.client("s3").put_object(Bucket=DATA_BUCKET, Key="databases/main/note.txt", Body=b"keep me")
    LOSSES["permission"][0](sldb)
    see_nothing(sldb)
    ran = sldb("deploy")
    assert ran.status == 1
    assert "CloudFormation does not detect it" in ran.err
    assert sldb.waiting_change_sets() == []
    sldb.aws.hooks.clear()
    assert [each.status for each in follow(sldb, ran.err)] == [0, 0]
    assert states(sldb) == {"ok"}
    kept = sldb.client("s3").get_object(Bucket=DATA_BUCKET, Key="databases/main/note.txt")
    assert kept["Body"].read() == b"keep me"


def see_nothing(sldb: Commands) -> None:
    """CloudFormation compares templates only, from now on."""

    def forget(call: Call, proceed: Callable[[Call], Answer]) -> Answer:
        if call.action == "CreateChangeSet":
            call.form.pop("DeploymentMode", None)
        return proceed(call)

    sldb.aws.hooks.append(forget)


def test_what_may_not_be_looked_for_is_no_loss(sldb: Commands) -> None:
    sldb.ok("deploy")
    for action, says in (("ListRolePolicies", "not allowed to look for the role"), ("ListStackResources", "list")):
        sldb.fail(action, "AccessDenied", "not authorized", times=99)
        assert states(sldb) == {"warn"}
        ran = sldb.ok("deploy")
        assert "it could not be checked whether all resources exist: " in ran.err
        assert says in ran.err
        assert "up to date" in ran.err
        sldb.aws.hooks.clear()


def get_stuck(sldb: Commands) -> None:
    """As an update by another tool does while something is in its way."""
    cloudformation = sldb.client("cloudformation")
    stack = cloudformation.describe_stacks(StackName="test-db")["Stacks"][0]
    others = [each for each in stack["Parameters"] if each["ParameterKey"] != "MemorySize"]
    cloudformation.update_stack(
        StackName="test-db",
        UsePreviousTemplate=True,
        Parameters=[*others, {"ParameterKey": "MemorySize", "ParameterValue": "3000"}],
        Capabilities=["CAPABILITY_IAM"],
    )
    wait_until(lambda: not str(sldb.stack_status()).endswith("_IN_PROGRESS"), "the end of the update")
    assert sldb.stack_status() == "UPDATE_ROLLBACK_FAILED"


def test_a_stack_that_is_stuck_half_way_back_gets_out(sldb: Commands) -> None:
    sldb.ok("deploy")
    LOSSES["query function"][0](sldb)
    get_stuck(sldb)
    stack = next(row for row in json.loads(sldb("doctor", "--format", "json").out) if row["check"] == "stack")
    assert stack["state"] == "fail"
    assert "UPDATE_ROLLBACK_FAILED" in stack["says"]
    assert sldb("deploy", "--plan").status == 1
    assert sldb.stack_status() == "UPDATE_ROLLBACK_FAILED"
    (ran,) = follow(sldb, stack["next"])
    assert ran.status == 0, ran.err
    assert sldb.stack_status() == "UPDATE_COMPLETE"
    assert states(sldb) == {"ok"}
    assert sldb.client("lambda").get_function_configuration(FunctionName=FUNCTION)["MemorySize"] == 1024


def test_so_does_one_of_which_nothing_is_gone_once_its_cause_is_mended(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.fail("UpdateFunctionConfiguration", "AccessDenied", "no", times=2)
    get_stuck(sldb)
    assert "up to date" in sldb.ok("deploy").err
    assert sldb.stack_status() == "UPDATE_ROLLBACK_COMPLETE"


def test_and_where_that_does_not_help_it_can_be_made_anew(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.fail("UpdateFunctionConfiguration", "AccessDenied", "no", times=99)
    get_stuck(sldb)
    ran = sldb("deploy")
    assert ran.status == 1
    assert "UPDATE_ROLLBACK_FAILED" in ran.err
    assert [each.status for each in follow(sldb, ran.err.splitlines()[-1])] == [0, 0]
    assert sldb.stack_status() == "CREATE_COMPLETE"


def force_status(sldb: Commands, status: str) -> None:
    """A state that only other tools leave."""
    stack = sldb.aws._cloudformation._stacks.existing("us-east-1", "test-db")
    stack.status = status


@pytest.mark.parametrize(
    "status",
    [
        *("UPDATE_FAILED", "IMPORT_ROLLBACK_FAILED", "DELETE_FAILED", "CREATE_FAILED", "ROLLBACK_FAILED"),
        *("ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"),
    ],
)
def test_from_every_state_the_hint_of_doctor_leads_out(sldb: Commands, status: str) -> None:
    sldb.ok("deploy")
    force_status(sldb, status)
    stack = next(row for row in json.loads(sldb("doctor", "--format", "json").out) if row["check"] == "stack")
    assert stack["state"] == ("warn" if status == "UPDATE_ROLLBACK_COMPLETE" else "fail")
    assert status in stack["says"]
    assert {each.status for each in follow(sldb, stack["next"])} == {0}
    assert states(sldb) == {"ok"}


@pytest.mark.parametrize("status", ["UPDATE_FAILED", "IMPORT_ROLLBACK_FAILED", "DELETE_FAILED"])
def test_and_so_does_the_hint_of_deploy(sldb: Commands, status: str) -> None:
    sldb.ok("deploy")
    force_status(sldb, status)
    ran = sldb("deploy")
    assert ran.status == 1
    follow(sldb, ran.err.splitlines()[-1])
    sldb.ok("deploy")
    assert sldb.stack_status() == "CREATE_COMPLETE"


def prepare_only(sldb: Commands) -> None:
    from sldb.deploy.template import template_text

    sldb.client("cloudformation").create_change_set(
        StackName="test-db",
        ChangeSetName="sldb-" + "0" * 32,
        ChangeSetType="CREATE",
        **template_in_s3(sldb.client("s3"), template_text()),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": "x"} for k in ("BundleBucket", "BundleKey")],
    )
    assert sldb.stack_status() == "REVIEW_IN_PROGRESS"


def test_a_stack_that_was_only_prepared_is_called_that_and_deploy_makes_it(sldb: Commands) -> None:
    prepare_only(sldb)
    rows = {row["check"]: row for row in json.loads(sldb("doctor", "--format", "json").out)}
    assert rows["stack"]["state"] == "fail"
    assert "prepared and never created" in rows["stack"]["says"]
    assert "commits" not in rows
    shown = sldb.ok("status").out
    assert "prepared and never created" in shown
    assert "`sldb deploy` creates it" in shown
    for command in (["logs"], ["cost"]):
        ran = sldb(*command)
        assert ran.status == 3, ran.err
        assert "is not deployed" in ran.err
    sldb.ok("deploy", "--plan")
    (ran,) = follow(sldb, rows["stack"]["next"])
    assert ran.status == 0, ran.err
    assert sldb.stack_status() == "CREATE_COMPLETE"


def test_and_destroy_takes_it_away(sldb: Commands) -> None:
    prepare_only(sldb)
    sldb.ok("destroy", "--yes")
    assert sldb.stack_status() is None


def test_the_bucket_keeps_deleted_objects_as_the_hint_says(sldb: Commands) -> None:
    sldb.ok("deploy", "--recoverable-days", "7")
    for status, days in (("Suspended", 7), ("Enabled", 0)):
        sldb.ok("deploy", "--recoverable-days", str(days))
        sldb.client("s3").put_bucket_versioning(Bucket=DATA_BUCKET, VersioningConfiguration={"Status": status})
        assert deleted(sldb)["state"] == "warn"
        sldb.ok("deploy", "--recoverable-days", str(days))
        assert deleted(sldb)["state"] == "ok"


def deleted(sldb: Commands) -> dict[str, Any]:
    return next(row for row in json.loads(sldb("doctor", "--format", "json").out) if row["check"] == "deleted")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sldb.targets.aws_lambda.BACKOFF_SECONDS", 0.0)


@pytest.mark.parametrize("name", ["the-data", "the-data-policy", "test-db-DataBucketPolicy-1A2B3C4D5E6F"])
def test_a_bucket_policy_is_looked_for_at_the_bucket_whatever_its_own_name_is(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class S3:
        def get_bucket_policy(self, Bucket: str) -> dict[str, str]:  # noqa: N803  boto3's name
            asked.append(Bucket)
            return {"Policy": "{}"}

    class CloudFormation:
        def resources(self) -> list[StackResource]:
            return [StackResource("DataBucketPolicy", "AWS::S3::BucketPolicy", name, "CREATE_COMPLETE")]

    account = Account(session=cast(Any, None), id="1", region="")
    account.__dict__["s3"] = S3()
    stack = cast(Any, CloudFormation())
    state = StackState("id", "CREATE_COMPLETE", parameters={"ExistingBucket": "the-data"})
    monkeypatch.setattr(Bucket, "exists", lambda _: True)
    assert losses.find_losses(account, stack, state).losses == ()
    assert asked == ["the-data"]

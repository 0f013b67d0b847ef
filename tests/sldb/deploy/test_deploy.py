"""`sldb deploy` against the emulated AWS."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sldb.emulator.calls.call import Answer, Call

from tests.fakes.aws.cloudformation import template_in_s3
from tests.sldb.commands import BUNDLE_BUCKET, DATA_BUCKET, Commands

# The command in a process of its own, with a bundle like that of the fixture.
DEPLOY = """
from sldb.cli.main import main
from sldb.deploy import bundle
bundle.fetch = lambda pins, platform, cache: []
main(["deploy", "--yes"])
"""


def calls_of(sldb: Commands) -> list[str]:
    """Every call that reaches AWS from now on, as service:action."""
    seen: list[str] = []

    def note(call: Call, proceed: Callable[[Call], Answer]) -> Answer:
        seen.append(f"{call.service}:{call.action}")
        return proceed(call)

    sldb.aws.hooks.append(note)
    return seen


def test_a_first_deployment_makes_everything(sldb: Commands) -> None:
    ran = sldb.ok("deploy")
    assert "This will create the stack test-db in us-east-1" in ran.err
    assert "CREATE_COMPLETE     QueryFunction" in ran.err
    assert ran.err.rstrip().endswith('next: sldb query "SELECT sqlite_version()"')
    assert ran.out == ""
    assert sldb.stack_status() == "CREATE_COMPLETE"
    assert sldb.buckets() == [BUNDLE_BUCKET, DATA_BUCKET]
    functions = {f["FunctionName"]: f for f in sldb.client("lambda").list_functions()["Functions"]}
    assert set(functions) == {"test-db-function", "test-db-function-deadlock-fix"}
    environment = functions["test-db-function"]["Environment"]["Variables"]
    assert environment["SLDB_STORE"] == f"s3://{DATA_BUCKET}/databases"
    assert environment["SLDB_VPC_ID"].startswith("vpc-")


@pytest.mark.long
def test_the_functions_use_the_endpoints_that_the_user_does(
    sldb: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def asks_for() -> tuple[str, str]:
        client = sldb.client("lambda")
        function = client.get_function_configuration(FunctionName="test-db-function")["Environment"]["Variables"]
        return function["AWS_USE_FIPS_ENDPOINT"], function["AWS_USE_DUALSTACK_ENDPOINT"]

    sldb.ok("deploy")
    assert asks_for() == ("false", "false")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_USE_FIPS_ENDPOINT", "True")
        sldb.ok("deploy")
        assert asks_for() == ("true", "false")
    sldb.ok("deploy", "--memory", "2048")  # somebody else, who says nothing of it
    assert asks_for() == ("true", "false")
    (tmp_path / "config").write_text("[default]\nuse_fips_endpoint = false\nuse_dualstack_endpoint = true\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    sldb.ok("deploy")
    assert asks_for() == ("false", "true")


def test_the_bucket_of_bundles_is_private_and_encrypted(sldb: Commands) -> None:
    sldb.ok("deploy")
    s3 = sldb.client("s3")
    block = s3.get_public_access_block(Bucket=BUNDLE_BUCKET)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    rules = s3.get_bucket_encryption(Bucket=BUNDLE_BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_a_second_deployment_finds_nothing_to_do(sldb: Commands) -> None:
    sldb.ok("deploy")
    calls = calls_of(sldb)
    ran = sldb.ok("deploy")
    assert "up to date" in ran.err
    assert not {"cloudformation:CreateChangeSet", "s3:PutObject", "s3:CreateBucket"} & set(calls)


def test_a_changed_setting_changes_only_that(sldb: Commands) -> None:
    sldb.ok("deploy", "--lock", "s3")
    before = keys_of(sldb)
    ran = sldb.ok("deploy", "--memory", "2048")
    assert "~  QueryFunction  AWS::Lambda::Function" in ran.err
    assert "DataBucket  AWS" not in ran.err
    assert set(keys_of(sldb)) - set(before) == {"versions/00000002.json"}  # bundle and template are there already
    found = sldb.client("lambda").get_function_configuration(FunctionName="test-db-function")
    assert found["MemorySize"] == 2048
    assert found["Environment"]["Variables"]["SLDB_LOCK"] == "s3"  # what is not given stays


@pytest.mark.long
def test_new_code_is_uploaded_and_the_functions_get_it(sldb: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    sldb.ok("deploy")
    before = sldb.client("lambda").get_function_configuration(FunctionName="test-db-function")["CodeSha256"]
    from sldb.deploy.bundle import archive

    real = archive._package_entries
    monkeypatch.setattr(
        archive, "_package_entries", lambda package: [*real(package), archive.Entry("lambda_handlers/new.py", b"")]
    )
    assert "~  QueryFunction" in sldb.ok("deploy").err
    after = sldb.client("lambda").get_function_configuration(FunctionName="test-db-function")["CodeSha256"]
    assert after != before
    assert sum(key.endswith(".zip") for key in keys_of(sldb)) == 2


def test_a_plan_changes_nothing(sldb: Commands) -> None:
    ran = sldb.ok("deploy", "--plan")
    assert "+  DataBucket" in ran.err
    assert "nothing was changed" in ran.err
    assert sldb.buckets() == []
    assert sldb.stack_status() is None
    sldb.ok("deploy")
    sldb.ok("deploy", "--plan", "--memory", "512")
    assert sldb.stack_status() == "CREATE_COMPLETE"
    assert sldb.waiting_change_sets() == []


def test_the_template_is_read_from_the_bucket_of_bundles_and_keeps_its_comments(sldb: Commands) -> None:
    sldb.ok("deploy")
    (key,) = (key for key in keys_of(sldb) if key.endswith(".template"))
    body = sldb.client("s3").get_object(Bucket=BUNDLE_BUCKET, Key=key)["Body"].read().decode()
    assert "# Deployed by" in body
    assert sldb.client("cloudformation").get_template(StackName="test-db")["TemplateBody"] == body


def keys_of(sldb: Commands) -> list[str]:
    return [each["Key"] for each in sldb.client("s3").list_objects_v2(Bucket=BUNDLE_BUCKET)["Contents"]]


def test_the_bucket_of_a_refused_plan_is_removed_unless_another_deployment_uses_it(sldb: Commands) -> None:
    sldb.fail("CreateChangeSet", "ValidationError", "no")
    assert sldb("deploy").status == 3
    assert sldb.buckets() == []

    def use(call: Call, proceed: Callable[[Call], Answer]) -> Answer:
        if call.action == "CreateChangeSet":
            sldb.client("s3").put_object(Bucket=BUNDLE_BUCKET, Key=f"{'0' * 64}.zip", Body=b"another's")
        return proceed(call)

    sldb.aws.hooks.append(use)
    sldb.ok("deploy", "--plan")
    assert keys_of(sldb) == [f"{'0' * 64}.zip"]


def test_permissions_are_shown_after_the_resources(sldb: Commands) -> None:
    lines = [line.split() for line in sldb.ok("deploy", "--plan").err.splitlines() if line.startswith("  +")]
    kinds = [("AWS::IAM::Role" in line or "AWS::S3::BucketPolicy" in line) for line in lines]
    assert kinds.index(True) > max(i for i, line in enumerate(lines) if "AWS::Lambda::Function" in line)


@pytest.mark.long
def test_without_terminal_nothing_is_replaced_unasked(sldb: Commands) -> None:
    sldb.ok("deploy")
    ran = sldb("deploy", "--function", "other")
    assert ran.status == 1
    assert "refused" in ran.err
    assert "--yes" in ran.err
    assert sldb.waiting_change_sets() == []
    ran = sldb.ok("deploy", "--function", "other", "--yes")
    assert "next: " not in ran.err  # that is for a new stack
    names = {f["FunctionName"] for f in sldb.client("lambda").list_functions()["Functions"]}
    assert names == {"other", "other-deadlock-fix"}


def test_a_plan_that_loses_the_data_is_refused_even_with_yes(sldb: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    sldb.ok("deploy")
    from sldb.deploy import preparation
    from sldb.deploy.template import template_text

    without = template_text().replace("-data-${AWS::AccountId}", "-elsewhere-${AWS::AccountId}")
    monkeypatch.setattr(preparation, "template_text", lambda _parameters: without)
    ran = sldb("deploy", "--yes")
    assert ran.status == 1
    assert "would replace DataBucket" in ran.err
    assert sldb.waiting_change_sets() == []
    assert sldb.stack_status() == "CREATE_COMPLETE"


def test_a_failure_names_its_reason_and_leaves_nothing_half_made(sldb: Commands) -> None:
    sldb.fail("CreateVpc", "VpcLimitExceeded", "The maximum number of VPCs has been reached.")
    ran = sldb("deploy")
    assert ran.status == 1
    assert "LockVpc" in ran.err.splitlines()[-2]
    assert "maximum number of VPCs" in ran.err.splitlines()[-2]
    assert "unused VPC" in ran.err.splitlines()[-1]
    assert sldb.stack_status() == "ROLLBACK_COMPLETE"
    assert sldb.buckets() == [BUNDLE_BUCKET]
    again = sldb.ok("deploy")
    assert "was never created (ROLLBACK_COMPLETE)" in again.err
    assert sldb.stack_status() == "CREATE_COMPLETE"


def test_a_stuck_stack_is_not_touched_by_a_plan(sldb: Commands) -> None:
    sldb.fail("CreateVpc", "VpcLimitExceeded", "The maximum number of VPCs has been reached.")
    sldb("deploy")
    assert sldb("deploy", "--plan").status == 1
    assert sldb.stack_status() == "ROLLBACK_COMPLETE"


@pytest.mark.long
def test_a_failed_update_goes_back_to_what_was(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.fail("UpdateFunctionConfiguration", "InvalidParameterValueException", "MemorySize is too large")
    ran = sldb("deploy", "--memory", "4096")
    assert ran.status == 1
    assert "MemorySize is too large" in ran.err
    assert sldb.stack_status() == "UPDATE_ROLLBACK_COMPLETE"
    sldb.ok("deploy", "--memory", "4096")
    assert sldb.stack_status() == "UPDATE_COMPLETE"


def test_what_another_stack_left_in_review_is_taken_over(sldb: Commands) -> None:
    from sldb.deploy.template import template_text

    sldb.client("cloudformation").create_change_set(
        StackName="test-db",
        ChangeSetName="left-behind",
        ChangeSetType="CREATE",
        **template_in_s3(sldb.client("s3"), template_text()),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": "x"} for k in ("BundleBucket", "BundleKey")],
    )
    assert sldb.stack_status() == "REVIEW_IN_PROGRESS"
    sldb.ok("deploy")
    assert sldb.stack_status() == "CREATE_COMPLETE"


def test_json_gives_the_outputs_on_standard_output(sldb: Commands) -> None:
    assert sldb.ok("deploy", "--format", "json", "--plan").out == ""
    printed = json.loads(sldb.ok("deploy", "--format", "json").out)
    assert printed["outputs"]["FunctionName"] == "test-db-function"
    assert printed["outputs"]["DataBucket"] == DATA_BUCKET
    assert json.loads(sldb.ok("deploy", "--format", "json").out) == printed  # which is up to date


@pytest.mark.long
def test_two_stacks_live_side_by_side(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.ok("deploy", "--stack", "second")
    names = {f["FunctionName"] for f in sldb.client("lambda").list_functions()["Functions"]}
    assert "second-function" in names
    assert "test-db-function" in names
    assert len(sldb.buckets()) == 4


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "credentials"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "region"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "127.0.0.1:1"),
        ({"AWS_PROFILE": "nobody"}, "nobody"),
    ],
)
def test_what_is_missing_is_said_with_exit_status_3(
    sldb: Commands, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], says: str
) -> None:
    for name, value in change.items():
        if value:
            monkeypatch.setenv(name, value)
        else:
            monkeypatch.delenv(name)
    for command in ("deploy", "status", "destroy"):
        ran = sldb(command)
        assert ran.status == 3, ran.err
        assert says in ran.err
        assert "hint: " in ran.err


def test_a_denied_permission_is_said_with_exit_status_3(sldb: Commands) -> None:
    words = "User: x is not authorized to perform: cloudformation:CreateChangeSet"
    sldb.fail("CreateChangeSet", "AccessDenied", words)
    ran = sldb("deploy")
    assert ran.status == 3
    assert "cloudformation:CreateChangeSet" in ran.err


def test_somebody_elses_deployment_is_a_conflict(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.fail("ExecuteChangeSet", "InvalidChangeSetStatus", "the stack is in UPDATE_IN_PROGRESS state")
    ran = sldb("deploy", "--memory", "2048")
    assert ran.status == 75
    assert sldb.waiting_change_sets() == []


@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_a_local_target_never_ends_in_an_account(sldb: Commands, command: str) -> None:
    ran = sldb("--local", "somewhere", command, "--yes")
    assert ran.status == 2
    assert "is for AWS" in ran.err
    assert sldb.stack_status() is None


@pytest.mark.parametrize("condition", [{}, {"IfMatch": '"0123"'}])
def test_the_bucket_takes_commits_with_their_condition_only(sldb: Commands, condition: dict[str, str]) -> None:
    sldb.ok("deploy")
    s3, key = sldb.client("s3"), "databases/main/0000/0000000000000001-0000000000000001.ltx"
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.put_object(Bucket=DATA_BUCKET, Key=key, Body=b"x", **condition)
    s3.put_object(Bucket=DATA_BUCKET, Key=key, Body=b"x", IfNoneMatch="*")
    s3.put_object(Bucket=DATA_BUCKET, Key="databases/_locks/main/lock.json", Body=b"x")


@pytest.mark.long
def test_of_two_deployments_at_once_one_is_told_to_come_again(sldb: Commands) -> None:
    raced: list[int] = []

    def be_overtaken(call: Call, proceed: Callable[[Call], Answer]) -> Answer:
        if call.action == "ExecuteChangeSet" and not raced:
            raced.append(0)
            raced.append(subprocess.run([sys.executable, "-c", DEPLOY], capture_output=True, check=False).returncode)
        return proceed(call)

    sldb.aws.hooks.append(be_overtaken)
    ran = sldb("deploy")
    assert raced == [0, 0]
    assert ran.status == 75, ran.err
    assert "deploy again" in ran.err
    assert sldb.stack_status() == "CREATE_COMPLETE"
    assert sldb.buckets() == [BUNDLE_BUCKET, DATA_BUCKET]

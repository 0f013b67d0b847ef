"""Resources that were deleted behind CloudFormation's back: what updates, roll-backs and drift-aware change sets do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sldb.emulator.cloudformation.plan import difference
from tests.fakes.aws.cloudformation import Stack, drifts, revert_drift, template

ALLOW = {"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"}
INLINE = {"PolicyName": "inline", "PolicyDocument": {"Version": "2012-10-17", "Statement": [ALLOW]}}


def body(aws: Any, *, timeout: int | None = None) -> dict[str, Any]:
    whole = template(aws, Vpc={"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.1.0.0/28"}})
    whole["Resources"]["Log"] = {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 30}}
    whole["Resources"]["Role"]["Properties"]["Policies"] = [INLINE]
    whole["Resources"]["Function"]["Properties"]["Environment"]["Variables"]["VPC"] = {"Ref": "Vpc"}
    if timeout is not None:
        whole["Parameters"]["Timeout"]["Default"] = timeout
    return whole


@pytest.fixture
def deployed(account: Any, wait: Any, aws: Any) -> Iterator[Stack]:
    stack = Stack(account, wait)
    assert stack.apply(body(aws), creates=True) == "CREATE_COMPLETE"
    yield stack
    if stack.describe()["StackStatus"] != "DELETE_COMPLETE":
        assert stack.delete() == "DELETE_COMPLETE"


def lose_function(stack: Stack) -> None:
    stack.account.client("lambda").delete_function(FunctionName=stack.physical("Function"))


def lose_role(stack: Stack) -> None:
    iam, name = stack.account.client("iam"), stack.physical("Role")
    iam.delete_role_policy(RoleName=name, PolicyName="inline")
    iam.delete_role(RoleName=name)


def lose_policy(stack: Stack) -> None:
    stack.account.client("iam").delete_role_policy(RoleName=stack.physical("Role"), PolicyName="inline")


def lose_rule(stack: Stack) -> None:
    events, name = stack.account.client("events"), stack.physical("Rule")
    events.remove_targets(Rule=name, Ids=["f"])
    events.delete_rule(Name=name)


def lose_targets(stack: Stack) -> None:
    stack.account.client("events").remove_targets(Rule=stack.physical("Rule"), Ids=["f"])


def lose_permission(stack: Stack) -> None:
    stack.account.client("lambda").remove_permission(
        FunctionName=stack.physical("Function"), StatementId=stack.physical("Permission")
    )


def lose_bucket(stack: Stack) -> None:
    stack.account.client("s3").delete_bucket(Bucket=stack.physical("Data"))


def lose_vpc(stack: Stack) -> None:
    stack.account.client("ec2").delete_vpc(VpcId=stack.physical("Vpc"))


def lose_log(stack: Stack) -> None:
    stack.account.client("logs").delete_log_group(logGroupName=stack.physical("Log"))


LOSSES: list[tuple[Callable[[Stack], None], str, str]] = [
    (lose_function, "Function", "DELETED"),
    (lose_role, "Role", "DELETED"),
    (lose_policy, "Role", "MODIFIED"),
    (lose_rule, "Rule", "DELETED"),
    (lose_targets, "Rule", "MODIFIED"),
    (lose_permission, "Permission", "DELETED"),
    (lose_bucket, "Data", "DELETED"),
    (lose_vpc, "Vpc", "DELETED"),
    (lose_log, "Log", "DELETED"),
]


@pytest.mark.parametrize(("lose", "logical_id", "drift"), LOSSES)
def test_a_drift_aware_change_set_makes_again_what_is_gone(
    deployed: Stack, aws: Any, lose: Callable[[Stack], None], logical_id: str, drift: str
) -> None:
    assert revert_drift(deployed, body(aws))["Status"] == "FAILED"  # nothing has drifted
    lose(deployed)
    assert deployed.prepare(body(aws))["Status"] == "FAILED"  # one that is not drift-aware sees nothing
    change_set = revert_drift(deployed, body(aws))
    assert drifts(change_set)[logical_id] == drift
    deployed.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert deployed.settled() == "UPDATE_COMPLETE"
    assert revert_drift(deployed, body(aws))["Status"] == "FAILED"
    function = deployed.account.client("lambda").get_function_configuration(FunctionName=deployed.physical("Function"))
    assert function["Role"].endswith("/" + deployed.physical("Role"))
    assert function["Environment"]["Variables"]["VPC"] == deployed.physical("Vpc")


def test_an_update_of_what_is_gone_fails_and_so_does_its_roll_back(deployed: Stack, aws: Any) -> None:
    lose_function(deployed)
    assert deployed.apply(body(aws, timeout=9)) == "UPDATE_ROLLBACK_FAILED"
    assert "was not found" in deployed.reason("Function", "UPDATE_FAILED")
    with pytest.raises(ClientError, match="can not be updated"):
        deployed.prepare(body(aws))
    deployed.client.continue_update_rollback(StackName=deployed.name)
    assert deployed.settled() == "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(ClientError, match="Role is not in UPDATE_FAILED state"):
        deployed.client.continue_update_rollback(StackName=deployed.name, ResourcesToSkip=["Role"])
    deployed.client.continue_update_rollback(StackName=deployed.name, ResourcesToSkip=["Function"])
    assert deployed.settled() == "UPDATE_ROLLBACK_COMPLETE"
    change_set = revert_drift(deployed, body(aws))
    deployed.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert deployed.settled() == "UPDATE_COMPLETE"


def test_only_a_failed_roll_back_can_be_continued(deployed: Stack) -> None:
    with pytest.raises(ClientError, match="can not be rolled back"):
        deployed.client.continue_update_rollback(StackName=deployed.name)


def test_parameters_are_texts_and_no_difference_to_numbers() -> None:
    written = {"Threshold": "54000", "ApiKeyRequired": "true", "Tags": [{"Key": "a", "Value": "1"}], "Gone": "1"}
    actual = {"Threshold": 54000.0, "ApiKeyRequired": True, "Tags": [{"Key": "a", "Value": 1}], "New": None}
    assert difference(written, actual) == ("Gone",)
    assert difference({"Threshold": "54000", "On": "true"}, {"Threshold": 54000.5, "On": False}) == ("Threshold", "On")

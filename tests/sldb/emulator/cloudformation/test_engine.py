"""Operations: events, roll-back, replacement and deletion."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.aws.cloudformation import Stack, error, summary, template


def test_resources_come_with_events_in_the_order_of_their_needs(deployed: Stack) -> None:
    events = deployed.events()
    assert events[0] == (deployed.name, "REVIEW_IN_PROGRESS")
    assert events[1] == (deployed.name, "CREATE_IN_PROGRESS")
    assert events[-1] == (deployed.name, "CREATE_COMPLETE")
    for name in ("Data", "Role", "Function", "Rule", "Permission"):
        assert [status for logical_id, status in events if logical_id == name] == [
            "CREATE_IN_PROGRESS",
            "CREATE_IN_PROGRESS",
            "CREATE_COMPLETE",
        ]
    done = [logical_id for logical_id, status in events if status == "CREATE_COMPLETE"]
    assert done.index("Role") < done.index("Function") < done.index("Rule") < done.index("Permission")
    times = [
        event["Timestamp"] for event in deployed.client.describe_stack_events(StackName=deployed.id)["StackEvents"]
    ]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == len(times)


def test_missing_code_rolls_the_creation_back(stack: Stack, aws: Any, account: Any) -> None:
    body = template(aws)
    body["Resources"]["Function"]["Properties"]["Code"] = {"S3Bucket": account.bucket(), "S3Key": "no.zip"}
    assert stack.apply(body, creates=True) == "ROLLBACK_COMPLETE"
    reason = stack.reason("Function", "CREATE_FAILED")
    assert reason.startswith(
        'Resource handler returned message: "Error occurred while GetObject. S3 Error Code: NoSuchKey'
    )
    assert stack.reason(stack.name, "ROLLBACK_IN_PROGRESS") == (
        "The following resource(s) failed to create: [Function]. Rollback requested by user."
    )
    events = stack.events()
    assert ("Role", "DELETE_COMPLETE") in events
    assert ("Rule", "CREATE_IN_PROGRESS") not in events
    with pytest.raises(ClientError):
        account.client("s3").head_bucket(Bucket=stack.physical("Data"))
    # What is left can only be deleted.
    with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        stack.prepare(template(aws))
    with pytest.raises(ClientError, match="already exists and cannot be created again"):
        stack.prepare(template(aws), creates=True)
    assert stack.delete() == "DELETE_COMPLETE"


def test_half_made_resource_is_removed(stack: Stack, aws: Any, account: Any) -> None:
    lifecycle = {"Rules": [{"Id": "a", "Status": "Enabled", "ExpirationInWeeks": 1}]}
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "half-made", "LifecycleConfiguration": lifecycle}}
    assert stack.apply(template(aws, Data=bucket), creates=True) == "ROLLBACK_COMPLETE"
    with pytest.raises(ClientError) as caught:
        account.client("s3").head_bucket(Bucket="half-made")
    assert error(caught)[0] == "404"


def test_bucket_that_exists_is_not_taken_over(stack: Stack, aws: Any, account: Any) -> None:
    taken = account.bucket()
    account.client("s3").put_object(Bucket=taken, Key="k", Body="precious")
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": taken}}
    assert stack.apply(template(aws, Data=bucket), creates=True) == "ROLLBACK_COMPLETE"
    assert f"{taken} already exists" in stack.reason("Data", "CREATE_FAILED")
    assert account.client("s3").get_object(Bucket=taken, Key="k")["Body"].read() == b"precious"


@pytest.mark.parametrize(("retain_except", "kept"), [(False, True), (True, False)])
def test_retained_resource_of_a_failed_creation(
    stack: Stack, aws: Any, account: Any, retain_except: bool, kept: bool
) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}
    body = template(aws, Data=bucket)
    body["Resources"]["Function"]["Properties"].update(Role="arn:aws:iam::123456789012:role/no", Code={"ZipFile": "x"})
    execute = {"RetainExceptOnCreate": retain_except}
    assert stack.apply(body, creates=True, execute=execute) == "ROLLBACK_COMPLETE"
    assert (("Data", "DELETE_SKIPPED") in stack.events()) is kept
    names = [each["Name"] for each in account.client("s3").list_buckets()["Buckets"]]
    assert (stack.physical("Data") in names) is kept


def test_replacement_and_removal(deployed: Stack, aws: Any, account: Any) -> None:
    old_role, old_rule = deployed.physical("Role"), deployed.physical("Rule")
    body = template(aws, Rule=None, Permission=None)
    body["Resources"]["Role"]["Properties"]["Path"] = "/other/"
    change_set = deployed.prepare(body)
    assert sorted(summary(change_set)) == [
        ("Modify", "Function", "False"),
        ("Modify", "Role", "True"),
        ("Remove", "Permission", None),
        ("Remove", "Rule", None),
    ]
    deployed.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert deployed.settled() == "UPDATE_COMPLETE"
    roles = [role["RoleName"] for role in account.client("iam").list_roles()["Roles"]]
    assert old_role not in roles
    assert deployed.physical("Role") != old_role
    assert old_rule not in [rule["Name"] for rule in account.client("events").list_rules()["Rules"]]
    function = account.client("lambda").get_function_configuration(FunctionName=deployed.physical("Function"))
    assert ":role/other/" in function["Role"]


def test_failed_update_is_taken_back(deployed: Stack, aws: Any, account: Any) -> None:
    body = template(aws, Extra={"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "extra"}})
    body["Resources"]["Function"]["Properties"].update(Timeout=7, Code={"S3Bucket": "no-such-bucket", "S3Key": "k"})
    body["Resources"]["Role"]["Properties"]["Description"] = "changed"
    # Three that succeed come before the one that fails.
    body["Resources"]["Function"]["DependsOn"] = ["Extra", "Role"]
    assert deployed.apply(body) == "UPDATE_ROLLBACK_COMPLETE"
    assert "NoSuchBucket" in deployed.reason("Function", "UPDATE_FAILED")
    name = deployed.physical("Function")
    assert account.client("lambda").get_function_configuration(FunctionName=name)["Timeout"] == 5
    assert account.invoke(name, 1) == 1
    assert account.client("iam").get_role(RoleName=deployed.physical("Role"))["Role"].get("Description", "") == ""
    groups = account.client("logs").describe_log_groups(logGroupNamePrefix="extra")["logGroups"]
    assert groups == []
    assert ("Extra", "DELETE_COMPLETE") in deployed.events()
    assert deployed.prepare(template(aws))["Status"] == "FAILED"  # it is as it was
    assert deployed.apply(template(aws), Timeout="8") == "UPDATE_COMPLETE"


def test_custom_name_cannot_be_replaced_by_itself(stack: Stack, aws: Any) -> None:
    body = template(aws)
    body["Resources"]["Role"]["Properties"]["RoleName"] = "named"
    made = stack.client.create_stack(
        StackName=stack.name, TemplateBody=json.dumps(body), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    stack.id = made["StackId"]
    assert stack.settled() == "CREATE_COMPLETE"
    body["Resources"]["Role"]["Properties"]["Path"] = "/other/"
    stack.client.update_stack(
        StackName=stack.name, TemplateBody=json.dumps(body), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    assert stack.settled() == "UPDATE_ROLLBACK_COMPLETE"
    assert "cannot update a stack when a custom-named resource requires replacing" in stack.reason(
        "Role", "UPDATE_FAILED"
    )


def test_deletion(deployed: Stack, account: Any) -> None:
    bucket, function = deployed.physical("Data"), deployed.physical("Function")
    assert deployed.delete() == "DELETE_COMPLETE"
    assert bucket not in [each["Name"] for each in account.client("s3").list_buckets()["Buckets"]]
    with pytest.raises(ClientError):
        account.client("lambda").get_function(FunctionName=function)
    with pytest.raises(ClientError, match=f"Stack with id {deployed.name} does not exist"):
        deployed.client.describe_stacks(StackName=deployed.name)
    deployed.client.delete_stack(StackName=deployed.name)  # what is gone can be deleted


def test_bucket_with_objects_stops_the_deletion(deployed: Stack, account: Any) -> None:
    bucket = deployed.physical("Data")
    account.client("s3").put_object(Bucket=bucket, Key="k", Body="1")
    assert deployed.delete() == "DELETE_FAILED"
    assert "The bucket you tried to delete is not empty" in deployed.reason("Data", "DELETE_FAILED")
    assert deployed.describe()["StackStatusReason"] == "The following resource(s) failed to delete: [Data]. "
    assert deployed.delete(RetainResources=["Data"]) == "DELETE_COMPLETE"
    assert account.client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"


def test_retained_bucket_stays(stack: Stack, aws: Any, account: Any) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    assert stack.apply(template(aws, Data=bucket), creates=True) == "CREATE_COMPLETE"
    name = stack.physical("Data")
    assert stack.delete() == "DELETE_COMPLETE"
    assert ("Data", "DELETE_SKIPPED") in stack.events()
    account.client("s3").head_bucket(Bucket=name)


def test_waiting_ends_with_the_operation(stack: Stack, aws: Any) -> None:
    change_set = stack.prepare(template(aws), creates=True)
    assert aws.wait_for_stacks(0) is False
    stack.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    aws.wait_for_stacks(60)
    assert stack.describe()["StackStatus"] == "CREATE_COMPLETE"
    assert aws.wait_for_stacks(0) is False

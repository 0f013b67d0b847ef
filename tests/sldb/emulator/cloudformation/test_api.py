"""Stacks and change sets over the API: their answers, and what a state forbids."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.aws.cloudformation import Stack, error, summary, template


def test_change_set_of_a_new_stack_shows_what_it_adds(stack: Stack, aws: Any) -> None:
    change_set = stack.prepare(template(aws), creates=True)
    assert stack.describe()["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert (change_set["Status"], change_set["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert sorted(summary(change_set)) == [
        ("Add", name, None) for name in ("Data", "Function", "Permission", "Role", "Rule")
    ]
    assert stack.events() == [(stack.name, "REVIEW_IN_PROGRESS")]
    stack.client.delete_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert stack.client.list_change_sets(StackName=stack.name)["Summaries"] == []
    assert stack.delete() == "DELETE_COMPLETE"


def test_outputs_parameters_and_resources_are_told(deployed: Stack) -> None:
    described = deployed.describe()
    bucket = deployed.physical("Data")
    assert [(o["OutputKey"], o["OutputValue"]) for o in described["Outputs"]] == [("Bucket", bucket)]
    assert described["Parameters"] == [{"ParameterKey": "Timeout", "ParameterValue": "5"}]
    assert described["Capabilities"] == ["CAPABILITY_IAM"]
    listed = deployed.client.list_stack_resources(StackName=deployed.name)["StackResourceSummaries"]
    assert {each["ResourceStatus"] for each in listed} == {"CREATE_COMPLETE"}
    body = deployed.client.get_template(StackName=deployed.name)["TemplateBody"]
    assert set(body["Resources"]) == {each["LogicalResourceId"] for each in listed}


def test_function_of_the_stack_runs_and_its_schedule_too(deployed: Stack, account: Any, aws: Any, wait: Any) -> None:
    name = deployed.physical("Function")
    assert account.invoke(name, {"a": 1}) == {"a": 1}
    configuration = account.client("lambda").get_function_configuration(FunctionName=name)
    assert configuration["Timeout"] == 5
    assert configuration["Environment"]["Variables"] == {"BUCKET": f"s3://{deployed.physical('Data')}/x"}
    wait(lambda: aws.log(name).count("ran") >= 2)  # ours, and the schedule's


def test_bucket_has_all_that_the_template_says(stack: Stack, aws: Any, account: Any) -> None:
    bucket = {
        "Type": "AWS::S3::Bucket",
        "Properties": {
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
            "PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "BlockPublicPolicy": "true"},
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "LifecycleConfiguration": {
                "Rules": [
                    {"Id": "a", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": "1"}}
                ]
            },
            "VersioningConfiguration": {"Status": "Enabled"},
        },
    }
    policy = {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {
            "Bucket": {"Ref": "Data"},
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:PutObject",
                        "Resource": {"Fn::Join": ["", [{"Fn::GetAtt": ["Data", "Arn"]}, "/*.ltx"]]},
                        "Condition": {"Null": {"s3:if-none-match": "true"}},
                    }
                ],
            },
        },
    }
    assert stack.apply(template(aws, Data=bucket, Policy=policy), creates=True) == "CREATE_COMPLETE"
    name, s3 = stack.physical("Data"), account.client("s3")
    rule = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert (block["BlockPublicAcls"], block["BlockPublicPolicy"]) == (True, True)
    assert s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
    lifecycle = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"][0]
    assert lifecycle["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=name, Key="1.ltx", Body="x")
    assert error(caught)[0] == "AccessDenied"
    without = {"Type": "AWS::S3::Bucket", "Properties": {}}
    assert stack.apply(template(aws, Data=without)) == "UPDATE_COMPLETE"
    s3.put_object(Bucket=name, Key="1.ltx", Body="x")
    with pytest.raises(ClientError):
        s3.get_bucket_lifecycle_configuration(Bucket=name)
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Suspended"


def test_same_again_is_no_change(deployed: Stack, aws: Any) -> None:
    change_set = deployed.prepare(template(aws))
    assert (change_set["Status"], change_set["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert change_set["StatusReason"] == (
        "The submitted information didn't contain changes. Submit different information to create a change set."
    )
    with pytest.raises(ClientError) as caught:
        deployed.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert error(caught)[0] == "InvalidChangeSetStatus"
    with pytest.raises(ClientError, match=r"No updates are to be performed\."):
        deployed.client.update_stack(
            StackName=deployed.name, TemplateBody=json.dumps(template(aws)), Capabilities=["CAPABILITY_IAM"]
        )


def test_change_of_a_parameter(deployed: Stack, aws: Any, account: Any) -> None:
    change_set = deployed.prepare(template(aws), Timeout="9")
    # What refers by GetAtt to something that changes may change with it, and so on.
    assert summary(change_set) == [
        ("Modify", "Function", "False"),
        ("Modify", "Rule", "False"),
        ("Modify", "Permission", "Conditional"),
    ]
    function = change_set["Changes"][0]["ResourceChange"]
    assert [detail["Target"]["Name"] for detail in function["Details"]] == ["Timeout"]
    deployed.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert deployed.settled() == "UPDATE_COMPLETE"
    name = deployed.physical("Function")
    assert account.client("lambda").get_function_configuration(FunctionName=name)["Timeout"] == 9
    after = deployed.events()[deployed.events().index((deployed.name, "UPDATE_IN_PROGRESS")) :]
    assert after == [
        (deployed.name, "UPDATE_IN_PROGRESS"),
        ("Function", "UPDATE_IN_PROGRESS"),
        ("Function", "UPDATE_COMPLETE"),
        (deployed.name, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        (deployed.name, "UPDATE_COMPLETE"),
    ]


def test_change_sets_of_an_older_state_are_gone_after_an_update(deployed: Stack, aws: Any) -> None:
    older = deployed.prepare(template(aws), Timeout="6")
    assert deployed.apply(template(aws), Timeout="7") == "UPDATE_COMPLETE"
    with pytest.raises(ClientError) as caught:
        deployed.client.execute_change_set(ChangeSetName=older["ChangeSetId"])
    assert error(caught)[0] == "ChangeSetNotFound"


def test_retried_execution_does_nothing_twice(stack: Stack, aws: Any) -> None:
    change_set = stack.prepare(template(aws), creates=True)
    for _ in range(2):
        stack.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"], ClientRequestToken="t")
    assert stack.settled() == "CREATE_COMPLETE"
    assert stack.events().count((stack.name, "CREATE_IN_PROGRESS")) == 1


def test_update_of_a_stack_that_is_not_there(stack: Stack, aws: Any) -> None:
    with pytest.raises(ClientError, match="does not exist") as caught:
        stack.prepare(template(aws))
    assert error(caught)[0] == "ValidationError"


def test_deletion_while_a_creation_runs_is_refused(stack: Stack, aws: Any, wait: Any) -> None:
    import threading

    go_on = threading.Event()

    def hold(call: Any, proceed: Any) -> Any:
        if call.action == "CreateRole":
            go_on.wait(20)
        return proceed(call)

    aws.hooks.append(hold)
    change_set = stack.prepare(template(aws), creates=True)
    stack.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    wait(lambda: ("Role", "CREATE_IN_PROGRESS") in stack.events())  # events can be read while it works
    with pytest.raises(ClientError, match="cannot be deleted while in status CREATE_IN_PROGRESS"):
        stack.client.delete_stack(StackName=stack.name)
    go_on.set()
    aws.hooks.clear()
    assert stack.settled() == "CREATE_COMPLETE"


@pytest.mark.long
def test_a_role_gets_a_boundary_and_loses_it(stack: Stack, aws: Any, account: Any) -> None:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    made = account.client("iam").create_policy(PolicyName="bound", PolicyDocument=json.dumps(document))["Policy"]["Arn"]

    def bounded(boundary: str | None) -> dict[str, Any]:
        body = template(aws)
        if boundary:
            body["Resources"]["Role"]["Properties"]["PermissionsBoundary"] = boundary
        return body

    def found() -> Any:
        role = account.client("iam").get_role(RoleName=stack.physical("Role"))["Role"]
        return role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")

    assert stack.apply(bounded(made), creates=True) == "CREATE_COMPLETE"
    assert found() == made
    assert stack.apply(bounded(None)) == "UPDATE_COMPLETE"
    assert found() is None
    assert stack.apply(bounded(f"{made}-not")) == "UPDATE_ROLLBACK_COMPLETE"
    assert "does not exist or is not attachable" in stack.reason("Role", "UPDATE_FAILED")
    assert found() is None

"""Stacks: change sets, events, roll-back, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

_names = count(1)
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
ECHO = "def handler(event, context):\n    print('ran')\n    return event"


def template(aws: Any, **resources: Any) -> dict[str, Any]:
    """A bucket, a role, a function, its schedule; `resources` replaces or adds (None: removes)."""
    environment = aws.environment()
    whole = {
        "Data": {
            "Type": "AWS::S3::Bucket",
            "Properties": {"Tags": [{"Key": "stack", "Value": {"Ref": "AWS::StackName"}}]},
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [TRUST]}},
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Handler": "index.handler",
                "Runtime": environment["SLDB_RUNTIME"],
                "Architectures": [environment["SLDB_ARCHITECTURE"]],
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": ECHO},
                "Timeout": {"Ref": "Timeout"},
                "Environment": {"Variables": {"BUCKET": {"Fn::Sub": "s3://${Data}/x"}}},
            },
        },
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "ScheduleExpression": "rate(1 minute)",
                "Targets": [{"Id": "f", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}],
            },
        },
        "Permission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": {"Ref": "Function"},
                "Principal": "events.amazonaws.com",
                "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
            },
        },
    }
    whole.update(resources)
    return {
        "Parameters": {"Timeout": {"Type": "Number", "Default": 5, "MaxValue": 900}},
        "Resources": {name: resource for name, resource in whole.items() if resource is not None},
        "Outputs": {"Bucket": {"Value": {"Ref": "Data"}}} if whole["Data"] else {},
    }


class Stack:
    """One stack, driven as a deployer does it."""

    def __init__(self, account: Any, wait: Callable[[Callable[[], Any]], Any]) -> None:
        self.name = f"stack-{next(_names)}"
        self.account = account
        self.client = account.client("cloudformation")
        self.id = ""
        self._wait = wait

    def prepare(self, body: dict[str, Any], *, creates: bool = False, **parameters: str) -> dict[str, Any]:
        made = self.client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"change-{next(_names)}",
            ChangeSetType="CREATE" if creates else "UPDATE",
            TemplateBody=json.dumps(body),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        self.id = made["StackId"]
        return dict(self.client.describe_change_set(ChangeSetName=made["Id"]))

    def apply(self, body: dict[str, Any], *, creates: bool = False, execute: Any = None, **parameters: str) -> str:
        change_set = self.prepare(body, creates=creates, **parameters)
        assert change_set["Status"] == "CREATE_COMPLETE", change_set
        self.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"], **(execute or {}))
        return self.settled()

    def delete(self, **more: Any) -> str:
        self.client.delete_stack(StackName=self.name, **more)
        return self.settled()

    def describe(self) -> dict[str, Any]:
        return dict(self.client.describe_stacks(StackName=self.id)["Stacks"][0])

    def settled(self) -> str:
        return str(self._wait(lambda: (s := self.describe()["StackStatus"]) and not s.endswith("_IN_PROGRESS") and s))

    def events(self) -> list[tuple[str, str]]:
        """(logical id, status), the oldest first."""
        found = self.client.describe_stack_events(StackName=self.id)["StackEvents"]
        return [(event["LogicalResourceId"], event["ResourceStatus"]) for event in reversed(found)]

    def reason(self, logical_id: str, status: str) -> str:
        found = self.client.describe_stack_events(StackName=self.id)["StackEvents"]
        wanted = (logical_id, status)
        return str(
            next(
                event["ResourceStatusReason"]
                for event in found
                if (event["LogicalResourceId"], event["ResourceStatus"]) == wanted
            )
        )

    def physical(self, logical_id: str) -> str:
        found = self.client.describe_stack_resource(StackName=self.id, LogicalResourceId=logical_id)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])


@pytest.fixture
def stack(account: Any, wait: Any) -> Stack:
    return Stack(account, wait)


@pytest.fixture
def deployed(stack: Stack, aws: Any) -> Stack:
    assert stack.apply(template(aws), creates=True) == "CREATE_COMPLETE"
    return stack


def summary(change_set: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    changes = [change["ResourceChange"] for change in change_set["Changes"]]
    return [(each["Action"], each["LogicalResourceId"], each.get("Replacement")) for each in changes]


def error(caught: Any) -> tuple[str, str]:
    answer = caught.value.response["Error"]
    return answer["Code"], answer["Message"]


# --- creation


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


# --- updates


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


# --- deletion


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


# --- refusals


def refused(stack: Stack, body: dict[str, Any], **parameters: str) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        stack.prepare(body, creates=True, **parameters)
    with pytest.raises(ClientError, match="does not exist"):
        stack.client.describe_stacks(StackName=stack.name)
    return error(caught)


def test_capabilities(stack: Stack, aws: Any) -> None:
    body = template(aws)
    for capabilities, needed in (([], "CAPABILITY_IAM"), (["CAPABILITY_IAM"], "CAPABILITY_NAMED_IAM")):
        with pytest.raises(ClientError) as caught:
            stack.client.create_change_set(
                StackName=stack.name,
                ChangeSetName="c",
                ChangeSetType="CREATE",
                TemplateBody=json.dumps(body),
                Capabilities=capabilities,
            )
        assert error(caught) == ("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")
        body["Resources"]["Role"]["Properties"]["RoleName"] = "named"


def test_what_cannot_be_supplied_is_refused_by_name(stack: Stack, aws: Any) -> None:
    alarm = {"Type": "AWS::CloudWatch::Alarm"}
    assert "AWS::CloudWatch::Alarm (the resource Alarm)" in refused(stack, template(aws, Alarm=alarm))[1]
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"AccelerateConfiguration": {}}}
    assert "the property AccelerateConfiguration of AWS::S3::Bucket" in refused(stack, template(aws, Data=bucket))[1]
    body = {**template(aws), "Transform": "AWS::Serverless-2016-10-31"}
    assert "the template section Transform" in refused(stack, body)[1]
    with pytest.raises(ClientError, match="the parameter RoleARN of cloudformation:CreateChangeSet"):
        stack.client.create_change_set(
            StackName=stack.name, ChangeSetName="c", TemplateBody="{}", RoleARN="arn:aws:iam::123456789012:role/deploy"
        )


def test_unknown_member_deep_in_a_property_fails_its_resource(stack: Stack, aws: Any) -> None:
    rule = {"Id": "a", "Status": "Enabled", "Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 1}]}
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"LifecycleConfiguration": {"Rules": [rule]}}}
    assert stack.apply(template(aws, Data=bucket), creates=True) == "ROLLBACK_COMPLETE"
    assert "does not supply Transitions in a lifecycle rule" in stack.reason("Data", "CREATE_FAILED")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Other": "1"}, "Parameters: [Other] do not exist in the template"),
        ({"Timeout": "soon"}, "Parameter 'Timeout' must be a number."),
        ({"Timeout": "901"}, "Parameter 'Timeout' must be a number not greater than 900"),
    ],
)
def test_parameters(stack: Stack, aws: Any, parameters: dict[str, str], message: str) -> None:
    assert refused(stack, template(aws), **parameters) == ("ValidationError", message)


def test_references_that_lead_nowhere(stack: Stack, aws: Any) -> None:
    body = template(aws, Role=None)
    code, message = refused(stack, body)
    assert code == "ValidationError"
    assert message.startswith("Template format error: Unresolved resource dependencies [Role]")


def test_circle(stack: Stack, aws: Any) -> None:
    body = template(aws)
    body["Resources"]["Data"]["DependsOn"] = "Function"
    assert refused(stack, body)[1] == "Circular dependency between resources: [Data, Function]"


def test_template_too_long(stack: Stack, aws: Any) -> None:
    body = {**template(aws), "Description": "x" * 51_200}
    assert "Member must have length less than or equal to 51200" in refused(stack, body)[1]


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


def test_tags_of_the_stack_reach_what_can_have_some(stack: Stack, aws: Any, account: Any) -> None:
    def bring(**tags: str) -> None:
        stack.client.update_stack(
            StackName=stack.name,
            TemplateBody=json.dumps(template(aws)),
            Capabilities=["CAPABILITY_IAM"],
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        assert stack.settled() == "UPDATE_COMPLETE"

    def shown() -> list[dict[str, str]]:
        role = account.client("iam").list_role_tags(RoleName=stack.physical("Role"))["Tags"]
        rule = account.client("events").describe_rule(Name=stack.physical("Rule"))["Arn"]
        found = [role, account.client("events").list_tags_for_resource(ResourceARN=rule)["Tags"]]
        return [{tag["Key"]: tag["Value"] for tag in tags} for tags in found]

    assert stack.apply(template(aws), creates=True) == "CREATE_COMPLETE"
    assert stack.describe()["Tags"] == []
    bring(team="a", old="1", stack="of the stack")
    assert shown() == [{"team": "a", "old": "1", "stack": "of the stack"}] * 2
    data = account.client("s3").get_bucket_tagging(Bucket=stack.physical("Data"))["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in data} == {"team": "a", "old": "1", "stack": stack.name}  # its own wins
    assert stack.apply(template(aws), Timeout="7") == "UPDATE_COMPLETE"  # says nothing of tags: they stay
    bring(team="b")
    assert shown() == [{"team": "b"}] * 2
    bring()
    assert shown() == [{}] * 2
    with pytest.raises(ClientError, match="aws: prefixed tag key names"):
        bring(**{"aws:mine": "1"})


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

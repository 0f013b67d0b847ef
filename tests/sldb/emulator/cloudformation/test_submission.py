"""Templates, parameters, capabilities and tags, and what is refused of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.aws.cloudformation import Stack, error, template


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
    stream = {"Type": "AWS::Kinesis::Stream"}
    assert "AWS::Kinesis::Stream (the resource Stream)" in refused(stack, template(aws, Stream=stream))[1]
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

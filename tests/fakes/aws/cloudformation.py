"""Small stacks of the emulated CloudFormation: a template to vary, and a stack driven as a deployer drives it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from itertools import count
from typing import Any

names = count(1)
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
LOGS = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
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
            "Properties": {
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [TRUST]},
                "Policies": [{"PolicyName": "logs", "PolicyDocument": {"Version": "2012-10-17", "Statement": [LOGS]}}],
            },
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


def template_in_s3(s3: Any, text: str, bucket: str = "templates") -> dict[str, str]:
    """Put a template into S3; return the argument of a call for it. For those that are too long for a request."""
    key = f"{hashlib.sha256(text.encode()).hexdigest()}.template"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
    return {"TemplateURL": f"{s3.meta.endpoint_url}/{bucket}/{key}"}


class Stack:
    """A stack, driven as a deployer drives it."""

    def __init__(self, account: Any, wait: Callable[[Callable[[], Any]], Any]) -> None:
        self.name = f"stack-{next(names)}"
        self.account = account
        self.client = account.client("cloudformation")
        self.id = ""
        self._wait = wait

    def prepare(self, body: dict[str, Any], *, creates: bool = False, **parameters: str) -> dict[str, Any]:
        made = self.client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"change-{next(names)}",
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


def revert_drift(stack: Stack, whole: dict[str, Any]) -> dict[str, Any]:
    """A drift-aware change set, as a deployer asks for it."""
    made = stack.client.create_change_set(
        StackName=stack.name,
        ChangeSetName=f"revert-{next(names)}",
        ChangeSetType="UPDATE",
        TemplateBody=json.dumps(whole),
        Capabilities=["CAPABILITY_IAM"],
        DeploymentMode="REVERT_DRIFT",
    )
    return dict(stack.client.describe_change_set(ChangeSetName=made["Id"]))


def drifts(change_set: dict[str, Any]) -> dict[str, str]:
    """The drift of each changed resource, by its logical id."""
    changes = [change["ResourceChange"] for change in change_set["Changes"]]
    return {each["LogicalResourceId"]: each["ResourceDriftStatus"] for each in changes}


def summary(change_set: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    changes = [change["ResourceChange"] for change in change_set["Changes"]]
    return [(each["Action"], each["LogicalResourceId"], each.get("Replacement")) for each in changes]


def error(caught: Any) -> tuple[str, str]:
    answer = caught.value.response["Error"]
    return answer["Code"], answer["Message"]

"""The resource of a call, as policies name it."""

from __future__ import annotations

import json

import pytest

from sldb.emulator.access.resource_arns import arn_of, ec2_resource
from sldb.emulator.calls.call import ACCOUNT, Call

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/g"
STACK = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/s/1"


def call(service: str, action: str, path: str = "/", form: dict[str, str] | None = None, **fields: object) -> Call:
    body = json.dumps(fields).encode()
    return Call(service, action, "us-east-1", "key", "POST", path, {}, {}, form or {}, body, {})


@pytest.mark.parametrize(
    ("made", "arn"),
    [
        (call("iam", "CreateRole", form={"RoleName": "r"}), f"arn:aws:iam::{ACCOUNT}:role/r"),
        (call("iam", "SimulatePrincipalPolicy", form={"PolicySourceArn": "arn:x"}), "arn:x"),
        (call("iam", "ListRoles"), "*"),
        (call("lambda", "CreateFunction", "/2015-03-31/functions", FunctionName="f"), FUNCTION),
        (call("lambda", "Invoke", "/2015-03-31/functions/f/invocations"), FUNCTION),
        (call("lambda", "TagResource", f"/2017-03-31/tags/{FUNCTION}"), FUNCTION),
        (call("lambda", "GetAccountSettings", "/2016-08-19/account-settings"), "*"),
        (call("cloudformation", "DescribeStacks", form={"StackName": "s"}), STACK.replace("/1", "/id")),
        (call("cloudformation", "DescribeStacks", form={"StackName": STACK}), STACK),
        (call("cloudformation", "DescribeStacks"), "*"),
        (call("events", "PutRule", Name="r"), f"arn:aws:events:us-east-1:{ACCOUNT}:rule/r"),
        (call("events", "PutTargets", Rule="r"), f"arn:aws:events:us-east-1:{ACCOUNT}:rule/r"),
        (call("logs", "FilterLogEvents", logGroupName="/g"), f"{LOGS}:log-stream:"),
        (call("logs", "TagResource", resourceArn=LOGS), LOGS),
        (call("logs", "DescribeLogGroups", logGroupNamePrefix="/g"), "*"),
        (call("sts", "AssumeRole"), "*"),
    ],
)
def test_the_arn(made: Call, arn: str) -> None:
    assert arn_of(made) == arn


def test_a_body_that_is_no_object_names_nothing() -> None:
    made = call("events", "PutRule")
    for body in (b"[1]", b"nonsense", b""):
        assert arn_of(Call(*(getattr(made, name) for name in Call.__slots__[:9]), body, {})) == "*"


@pytest.mark.parametrize(
    ("given", "found"), [("sg-1", "security-group/sg-1"), ("vpc-1", "vpc/vpc-1"), ("x-1", "*/x-1")]
)
def test_a_resource_of_ec2(given: str, found: str) -> None:
    assert ec2_resource(given) == found

"""Lambda's demands on the role of a function before it takes its configuration. Called under moto's lock.

For a network, that Lambda may connect the function to it (its guide, "Giving Lambda functions access to resources in an
Amazon VPC"); for active tracing, that segments may be sent (users' reports: "does not have permissions to call
PutTraceSegments on XRAY").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sldb.emulator.access.iam import Authorizer
from sldb.emulator.access.policy import Request
from sldb.emulator.access.resource_arns import json_of
from sldb.emulator.calls.call import Call
from sldb.emulator.calls.errors import AwsError

_OF_NETWORKS = (
    *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces"),
    *("ec2:DescribeSubnets", "ec2:DeleteNetworkInterface"),
)


def check_execution_role(judge: Authorizer, call: Call) -> None:
    """Raise AwsError if the role lacks a right that Lambda needs for the function."""
    if call.action not in ("CreateFunction", "UpdateFunctionConfiguration"):
        return
    wanted = json_of(call)
    for action in _demanded(wanted) if "Role" in wanted else ():
        if not judge.service_may(wanted["Role"], Request(action, "*")):
            service, _, name = action.partition(":")
            message = f"The provided execution role does not have permissions to call {name} on {service.upper()}"
            raise AwsError("InvalidParameterValueException", message)


def _demanded(wanted: Mapping[str, Any]) -> Iterator[str]:
    if wanted.get("VpcConfig", {}).get("SubnetIds"):
        yield from _OF_NETWORKS
    if wanted.get("TracingConfig", {}).get("Mode") == "Active":
        yield "xray:PutTraceSegments"

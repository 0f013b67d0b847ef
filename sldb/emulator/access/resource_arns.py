"""The resource that a call is about, as IAM's policies name it: its ARN, or `*` for a call about none.

From the service authorization reference. A log group is named with what follows it (`…:log-group:NAME:*` in a policy)
for every call but those about its tags. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from sldb.emulator.calls.actions import function_in
from sldb.emulator.calls.call import ACCOUNT, Call
from sldb.emulator.calls.function_config import LATEST, FunctionName

ANY = "*"
_EC2_KINDS = {"sg": "security-group", "vpc": "vpc", "subnet": "subnet"}


def arn_of(call: Call) -> str:
    """Return the ARN of the resource of a call to IAM, Lambda, CloudFormation, EventBridge, SQS, SNS, CloudWatch or its
    Logs."""
    match call.service:
        case "iam":
            return _of_iam(call.form)
        case "lambda":
            return _of_lambda(call)
        case "cloudformation":
            return _of_stack(call.form, call.region)
        case "events":
            return _of_rule(json_of(call), call.region)
        case "sqs":
            return _of_queue(json_of(call), call.region)
        case "sns":
            return _of_topic(call.form, call.region)
        case "monitoring":
            return _of_alarm(json_of(call), call.region)
        case "logs":
            return _of_log_group(call.action, json_of(call), call.region)
        case _:
            return ANY


def ec2_resource(resource_id: str) -> str:
    """Return the kind and id of a resource of EC2, as its ARN ends."""
    return f"{_EC2_KINDS.get(resource_id.partition('-')[0], ANY)}/{resource_id}"


def json_of(call: Call) -> Mapping[str, Any]:
    """Return the JSON object in the body of a call; one without fields if there is none."""
    try:
        found = json.loads(call.body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _of_iam(form: Mapping[str, str]) -> str:
    if "RoleName" in form:
        return f"arn:aws:iam::{ACCOUNT}:role/{form['RoleName']}"
    return form.get("PolicySourceArn") or form.get("PolicyArn") or ANY


def _of_lambda(call: Call) -> str:
    _, is_tags, resource = call.path.partition("/tags/")
    if is_tags:
        return unquote(resource)
    _, is_mapping, rest = call.path.partition("/event-source-mappings")
    if is_mapping:
        uuid = rest.strip("/")
        return f"arn:aws:lambda:{call.region}:{ACCOUNT}:event-source-mapping:{uuid}" if uuid else ANY
    _, is_function, rest = call.path.partition("/functions/")
    name = function_in(call.path) if is_function and rest else json_of(call).get("FunctionName")
    qualifier = call.query.get("Qualifier") if is_function else None
    if qualifier == LATEST:
        qualifier = None
    return FunctionName.parse(str(name), call.region, qualifier).arn if name else ANY


def _of_stack(form: Mapping[str, str], region: str) -> str:
    name = form.get("StackName") or form.get("ResourceARN")
    if not name:
        return ANY
    return name if name.startswith("arn:") else f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{name}/id"


def _of_rule(fields: Mapping[str, Any], region: str) -> str:
    name = fields.get("Rule") or fields.get("Name")
    return str(fields.get("ResourceARN") or (f"arn:aws:events:{region}:{ACCOUNT}:rule/{name}" if name else ANY))


def _of_queue(fields: Mapping[str, Any], region: str) -> str:
    name = str(fields.get("QueueUrl", "")).rpartition("/")[2] or fields.get("QueueName")
    return f"arn:aws:sqs:{region}:{ACCOUNT}:{name}" if name else ANY


def _of_topic(form: Mapping[str, str], region: str) -> str:
    subscription = form.get("SubscriptionArn", "")
    arn = form.get("TopicArn") or form.get("ResourceArn") or subscription.rpartition(":")[0]
    return arn or (f"arn:aws:sns:{region}:{ACCOUNT}:{form['Name']}" if "Name" in form else ANY)


def _of_alarm(fields: Mapping[str, Any], region: str) -> str:
    """Return the ARN of an alarm or a dashboard; of several the first, and of a search the pattern of all."""
    if dashboard := fields.get("DashboardName") or next(iter(fields.get("DashboardNames", ())), None):
        return f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{dashboard}"
    if "ResourceARN" in fields:
        return str(fields["ResourceARN"])
    name = fields.get("AlarmName") or next(iter(fields.get("AlarmNames", ())), ANY)
    return f"arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:{name}"


def _of_log_group(action: str, fields: Mapping[str, Any], region: str) -> str:
    if "resourceArn" in fields:
        return str(fields["resourceArn"])
    name = fields.get("logGroupName")
    if not name or action == "DescribeLogGroups":
        return ANY
    return f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{name}:log-stream:"

"""The resources with the name of a run, still there; they are looked for by name.

An option with other kinds of resources adds them to `FINDERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sldb.stack.account import Account

Finder = Callable[[Account, str], Iterator[str]]


def find(account: Account, name: str) -> list[str]:
    """Return the resources left, for people: kind and name. Raises errors of boto3."""
    return [f"{kind} {found}" for kind, finder in FINDERS.items() for found in finder(account, name)]


def remove_loose(account: Account, name: str) -> None:
    """Delete log groups, made again by the last lines of a deleted function, and the queues of checks."""
    for group in _log_groups(account, name):
        account.logs.delete_log_group(logGroupName=group)
    for queue in _queues(account, name):
        account.session.client("sqs").delete_queue(QueueUrl=queue)


def _stacks(account: Account, name: str) -> Iterator[str]:
    pages = account.cloudformation.get_paginator("describe_stacks").paginate()
    for page in pages:
        for stack in page["Stacks"]:
            if _is_of(stack["StackName"], name) and stack["StackStatus"] != "DELETE_COMPLETE":
                yield f"{stack['StackName']} ({stack['StackStatus']})"


def _buckets(account: Account, name: str) -> Iterator[str]:
    for bucket in account.s3.list_buckets()["Buckets"]:
        if _is_of(bucket["Name"], name):
            yield bucket["Name"]


def _functions(account: Account, name: str) -> Iterator[str]:
    for page in account.functions.get_paginator("list_functions").paginate():
        yield from (found["FunctionName"] for found in page["Functions"] if _is_of(found["FunctionName"], name))


def _log_groups(account: Account, name: str) -> Iterator[str]:
    for prefix in ("/aws/lambda/", "/aws/vendedlogs/sldb/"):
        pages = account.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix + name)
        yield from (found["logGroupName"] for page in pages for found in page["logGroups"])


def _security_groups(account: Account, name: str) -> Iterator[str]:
    filters: Any = [{"Name": "tag:sldb:stack", "Values": [name]}]
    for group in account.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]:
        yield f"{group['GroupId']} ({group.get('GroupName', '')})"


def _vpcs(account: Account, name: str) -> Iterator[str]:
    filters: Any = [{"Name": "tag:sldb:stack", "Values": [name]}]
    yield from (vpc["VpcId"] for vpc in account.ec2.describe_vpcs(Filters=filters)["Vpcs"])


def _roles(account: Account, name: str) -> Iterator[str]:
    for page in account.iam.get_paginator("list_roles").paginate():
        yield from (role["RoleName"] for role in page["Roles"] if _is_of(role["RoleName"], name))


def _alarms(account: Account, name: str) -> Iterator[str]:
    pages = account.session.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{name}-")
    yield from (alarm["AlarmName"] for page in pages for alarm in page.get("MetricAlarms", ()))


def _topics(account: Account, name: str) -> Iterator[str]:
    for page in account.session.client("sns").get_paginator("list_topics").paginate():
        arns = (topic["TopicArn"] for topic in page["Topics"])
        yield from (arn for arn in arns if _is_of(arn.rpartition(":")[2], name))


def _queues(account: Account, name: str) -> Iterator[str]:
    for page in account.session.client("sqs").get_paginator("list_queues").paginate(QueueNamePrefix=name):
        yield from page.get("QueueUrls", ())


FINDERS: dict[str, Finder] = {
    "stack": _stacks,
    "bucket": _buckets,
    "function": _functions,
    "log group": _log_groups,
    "security group": _security_groups,
    "VPC": _vpcs,
    "role": _roles,
    "alarm": _alarms,
    "topic": _topics,
    "queue": _queues,
}


def _is_of(found: str, name: str) -> bool:
    return found == name or found.startswith(f"{name}-")

"""The resources with the name of a run, still there; they are looked for by name, a key of KMS by its description.

An option with other kinds of resources adds them to `FINDERS`, and those outside of the stack to `remove_loose`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from sldb.stack.account import Account

Finder = Callable[[Account, str], Iterator[str]]
BACKUP, CALLER = "backup", "caller"  # NAME-backup: a bucket in another region; NAME-caller: a user
KEY_DAYS = 7  # until a key is deleted; KMS knows no shorter time


def find(account: Account, name: str) -> list[str]:
    """Return the resources left, for people: kind and name. Raises errors of boto3."""
    return [f"{kind} {found}" for kind, finder in FINDERS.items() for found in finder(account, name)]


def pending(account: Account, name: str) -> list[str]:
    """Return the keys that KMS deletes at a date, for people. Raises errors of boto3."""
    keys = [key for key in _described_keys(account, name) if key["KeyState"] == "PendingDeletion"]
    return [f"key {key['Arn']} (deleted on {key['DeletionDate']:%Y-%m-%d})" for key in keys]


def remove_loose(account: Account, name: str) -> None:
    """Delete log groups, made again by the last lines of a deleted function, and what the options made outside of the
    stack."""
    for group in _log_groups(account, name):
        account.logs.delete_log_group(logGroupName=group)
    for queue in _queues(account, name):
        account.session.client("sqs").delete_queue(QueueUrl=queue)
    for bucket in _buckets(account, name):
        if bucket == f"{name}-{BACKUP}":
            remove_bucket(account, bucket)
    remove_users(account, name)
    for key in _keys(account, name):
        account.session.client("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=KEY_DAYS)


def remove_bucket(account: Account, bucket: str) -> None:
    """Delete a bucket of any region, with its objects."""
    region = account.s3.head_bucket(Bucket=bucket)["BucketRegion"]
    s3 = account.session.client("s3", region_name=region)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        found: Any = [{"Key": each["Key"]} for each in page.get("Contents", ())]
        if found:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": found})
    s3.delete_bucket(Bucket=bucket)


def remove_users(account: Account, name: str) -> None:
    """Delete the users of a run, with their access keys and policies."""
    for user in _users(account, name):
        for key in account.iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
            account.iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
        for policy in account.iam.list_user_policies(UserName=user)["PolicyNames"]:
            account.iam.delete_user_policy(UserName=user, PolicyName=policy)
        account.iam.delete_user(UserName=user)


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


def _users(account: Account, name: str) -> Iterator[str]:
    for page in account.iam.get_paginator("list_users").paginate():
        yield from (user["UserName"] for user in page["Users"] if _is_of(user["UserName"], name))


def _dashboards(account: Account, name: str) -> Iterator[str]:
    pages = account.session.client("cloudwatch").get_paginator("list_dashboards").paginate(DashboardNamePrefix=name)
    yield from (found["DashboardName"] for page in pages for found in page["DashboardEntries"])


def _apis(account: Account, name: str) -> Iterator[str]:
    for page in account.apis.get_paginator("get_apis").paginate():
        yield from (api["Name"] for api in page["Items"] if _is_of(api["Name"], name))
    for page in account.rest_apis.get_paginator("get_rest_apis").paginate():
        yield from (api["name"] for api in page["items"] if _is_of(api["name"], name))


def _api_keys(account: Account, name: str) -> Iterator[str]:
    for page in account.rest_apis.get_paginator("get_api_keys").paginate():
        yield from (key["name"] for key in page["items"] if _is_of(key["name"], name))


def _secrets(account: Account, name: str) -> Iterator[str]:
    filters: Any = [{"Key": "tag-value", "Values": [name]}]
    pages = account.session.client("secretsmanager").get_paginator("list_secrets").paginate(Filters=filters)
    yield from (secret["Name"] for page in pages for secret in page["SecretList"])


def _file_systems(account: Account, name: str) -> Iterator[str]:
    wanted = {"Key": "sldb:stack", "Value": name}
    for page in account.efs.get_paginator("describe_file_systems").paginate():
        yield from (each["FileSystemId"] for each in page["FileSystems"] if wanted in each["Tags"])


def _keys(account: Account, name: str) -> Iterator[str]:
    yield from (key["Arn"] for key in _described_keys(account, name) if key["KeyState"] != "PendingDeletion")


def _described_keys(account: Account, name: str) -> Iterator[Any]:
    kms = account.session.client("kms")
    for page in kms.get_paginator("list_keys").paginate():
        for each in page["Keys"]:
            try:
                key = kms.describe_key(KeyId=each["KeyId"])["KeyMetadata"]
            except ClientError as error:
                if error.response["Error"]["Code"] != "AccessDeniedException":
                    raise
                continue  # a key of others: those of a run have a policy that lets the account do everything
            if key["Description"] == name:
                yield key


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
    "user": _users,
    "dashboard": _dashboards,
    "API": _apis,
    "API key": _api_keys,
    "secret": _secrets,
    "file system": _file_systems,
    "key": _keys,
}


def _is_of(found: str, name: str) -> bool:
    return found == name or found.startswith(f"{name}-")

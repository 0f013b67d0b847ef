"""The extension point for faults: everything a hook may do with a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.front.hooks import Hook, ReplyLost

Proceed = Callable[[Call], Answer]


@pytest.fixture
def hooked(aws: Any) -> Iterator[Callable[[Hook], None]]:
    yield aws.hooks.append
    aws.hooks.clear()


@pytest.fixture
def bucket(account: Any) -> str:
    return str(account.bucket())


def test_hook_sees_every_call_and_its_answer(account: Any, bucket: str, hooked: Any) -> None:
    seen = []

    def watch(call: Call, proceed: Proceed) -> Answer:
        answer = proceed(call)
        seen.append((call.service, call.action, call.region, answer.status))
        return answer

    hooked(watch)
    account.client("s3").put_object(Bucket=bucket, Key="k", Body="1")
    with pytest.raises(ClientError):
        account.client("s3").get_object(Bucket=bucket, Key="none")
    account.client("ec2").describe_vpcs()
    account.client("iam").list_roles()
    account.client("events").list_rules()
    account.client("lambda").list_functions()
    account.client("sts").get_caller_identity()
    assert seen == [
        ("s3", "PutObject", "us-east-1", 200),
        ("s3", "GetObject", "us-east-1", 404),
        ("ec2", "DescribeVpcs", "us-east-1", 200),
        ("iam", "ListRoles", "us-east-1", 200),
        ("events", "ListRules", "us-east-1", 200),
        ("lambda", "ListFunctions", "us-east-1", 200),
        ("sts", "GetCallerIdentity", "us-east-1", 200),
    ]


def test_call_applied_and_answer_lost(account: Any, bucket: str, hooked: Any) -> None:
    def lose(call: Call, proceed: Proceed) -> Answer:
        answer = proceed(call)
        if call.action == "PutObject":
            raise ReplyLost
        return answer

    hooked(lose)
    with pytest.raises(HTTPClientError):
        account.client("s3").put_object(Bucket=bucket, Key="k", Body="1")
    assert account.client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"


def test_hook_answers_itself(account: Any, bucket: str, hooked: Any) -> None:
    def throttle(call: Call, proceed: Proceed) -> Answer:
        if call.action == "PutObject":
            raise AwsError("SlowDown", "Please reduce your request rate.", 503)
        return proceed(call)

    hooked(throttle)
    with pytest.raises(ClientError) as caught:
        account.client("s3").put_object(Bucket=bucket, Key="k", Body="1")
    assert caught.value.response["Error"]["Code"] == "SlowDown"
    assert "Contents" not in account.client("s3").list_objects_v2(Bucket=bucket)


def test_first_hook_is_the_outermost(account: Any, hooked: Any) -> None:
    order = []

    def named(name: str) -> Hook:
        def hook(call: Call, proceed: Proceed) -> Answer:
            order.append(name)
            return proceed(call)

        return hook

    hooked(named("outer"))
    hooked(named("inner"))
    account.client("s3").list_buckets()
    assert order == ["outer", "inner"]

"""Users and sessions of roles as callers: their own policies apply, not the owner's rights."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.backends import get_backend

TRUST = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "sts:AssumeRole"}
LIST = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
_names = count(1)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def client(aws: Any, service: str, credentials: dict[str, str]) -> Any:
    members = {
        "aws_access_key_id": "AccessKeyId",
        "aws_secret_access_key": "SecretAccessKey",
        "aws_session_token": "SessionToken",
    }
    given = {name: credentials[member] for name, member in members.items() if member in credentials}
    return boto3.client(service, "us-east-1", endpoint_url=aws.url, **given)  # type: ignore[call-overload]  # no literal


@pytest.fixture
def user(account: Any) -> str:
    name = f"user-{next(_names)}"
    account.client("iam").create_user(UserName=name, Path="/team/")
    return name


def key_of(account: Any, user: str) -> dict[str, str]:
    return dict(account.client("iam").create_access_key(UserName=user)["AccessKey"])


def refused(call: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_a_user_may_do_what_its_policies_say(account: Any, aws: Any, user: str) -> None:
    iam = account.client("iam")
    s3 = client(aws, "s3", key_of(account, user))
    assert refused(s3.list_buckets) == "AccessDenied"
    iam.put_user_policy(UserName=user, PolicyName="list", PolicyDocument=document(LIST))
    assert "Buckets" in s3.list_buckets()
    assert refused(lambda: s3.create_bucket(Bucket="of-a-user")) == "AccessDenied"
    iam.delete_user_policy(UserName=user, PolicyName="list")
    iam.create_group(GroupName=f"group-of-{user}")
    iam.put_group_policy(GroupName=f"group-of-{user}", PolicyName="list", PolicyDocument=document(LIST))
    iam.add_user_to_group(GroupName=f"group-of-{user}", UserName=user)
    assert "Buckets" in s3.list_buckets()


def test_a_users_signature_is_checked(account: Any, aws: Any, user: str) -> None:
    account.client("iam").put_user_policy(UserName=user, PolicyName="list", PolicyDocument=document(LIST))
    key = key_of(account, user)
    assert refused(client(aws, "s3", {**key, "SecretAccessKey": "x"}).list_buckets) == "SignatureDoesNotMatch"
    account.client("iam").update_access_key(UserName=user, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert refused(client(aws, "s3", key).list_buckets) == "InvalidClientTokenId"


def test_a_session_has_the_policies_of_its_role_and_ends(account: Any, aws: Any) -> None:
    name = f"assumed-{next(_names)}"
    iam = account.client("iam")
    role = iam.create_role(RoleName=name, Path="/team/", AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
    found = account.client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    s3 = client(aws, "s3", found)
    assert refused(s3.list_buckets) == "AccessDenied"
    iam.put_role_policy(RoleName=name, PolicyName="list", PolicyDocument=document(LIST))
    assert "Buckets" in s3.list_buckets()
    assert refused(client(aws, "s3", {**found, "SessionToken": "x"}).list_buckets) == "InvalidToken"
    sessions: Any = get_backend("sts")["123456789012"]["aws"]
    session = sessions.assumed_roles[-1]
    session.expiration = session.expiration.replace(year=2020)
    assert refused(s3.list_buckets) == "ExpiredToken"

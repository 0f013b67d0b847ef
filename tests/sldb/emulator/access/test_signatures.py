"""A function's calls are checked as AWS checks them; botocore, which signs them here, is the oracle."""

from __future__ import annotations

import http.client
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

POLICY = {"Effect": "Allow", "Action": ["s3:*", "ec2:*", "iam:*", "lambda:*"], "Resource": "*"}


@pytest.fixture(scope="module")
def credentials(account: Any) -> dict[str, str]:
    """What a container has in its environment."""
    source = """
import os
def handler(event, context):
    return {"aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
            "aws_session_token": os.environ["AWS_SESSION_TOKEN"]}
"""
    return dict(account.invoke(account.function(source, role=account.role(POLICY))))


def client(aws: Any, service: str, credentials: dict[str, str]) -> Any:
    return boto3.client(service, "us-east-1", endpoint_url=aws.url, **credentials)  # type: ignore[call-overload]  # not a literal


@pytest.fixture
def bucket(account: Any) -> str:
    return str(account.bucket())


def test_calls_signed_by_botocore_are_accepted(aws: Any, credentials: dict[str, str], bucket: str) -> None:
    s3 = client(aws, "s3", credentials)
    for key in ("plain", "a b/ü+~(x)=&?#%25", "databases/main/0000000000000001.ltx", "//double"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), Metadata={"note": "two  spaces"})
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    found = s3.list_objects_v2(Bucket=bucket, Prefix="a b/", StartAfter="a", MaxKeys=5)["Contents"]
    assert len(found) == 1
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "plain"}]})
    client(aws, "ec2", credentials).describe_vpcs(Filters=[{"Name": "tag:a b", "Values": ["ü/+"]}])
    client(aws, "iam", credentials).list_roles(PathPrefix="/a/")
    client(aws, "lambda", credentials).list_functions(MaxItems=5)


@pytest.mark.parametrize("part", ["aws_secret_access_key", "aws_session_token"])
def test_wrong_secret_or_token_is_refused(aws: Any, credentials: dict[str, str], bucket: str, part: str) -> None:
    wrong = {**credentials, part: "wrong"}
    with pytest.raises(ClientError) as caught:
        client(aws, "s3", wrong).put_object(Bucket=bucket, Key="k", Body=b"x")
    assert caught.value.response["Error"]["Code"] in ("SignatureDoesNotMatch", "InvalidToken")
    with pytest.raises(ClientError) as caught:
        client(aws, "ec2", wrong).describe_vpcs()
    assert caught.value.response["Error"]["Code"] == "AuthFailure"


def test_presigned_address_of_a_function(aws: Any, credentials: dict[str, str], bucket: str) -> None:
    import urllib.request

    from botocore.config import Config

    s3 = boto3.client("s3", "us-east-1", endpoint_url=aws.url, config=Config(signature_version="s3v4"), **credentials)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"x"


def test_a_header_with_a_key_and_no_signature_is_refused(aws: Any, credentials: dict[str, str]) -> None:
    scope = f"{credentials['aws_access_key_id']}/20261127/us-east-1/s3/aws4_request"
    connection = http.client.HTTPConnection("127.0.0.1", aws.port)
    connection.request("GET", "/", headers={"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}"})
    answer = connection.getresponse()
    assert (answer.status, b"IncompleteSignature" in answer.read()) == (403, True)
    connection.close()

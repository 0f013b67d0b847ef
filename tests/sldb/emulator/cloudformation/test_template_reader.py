"""Templates in S3 for the emulated CloudFormation."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sldb.emulator.calls.errors import AwsError
from sldb.emulator.cloudformation.template_reader import MAX_BYTES, bucket_and_key
from tests.fakes.aws.cloudformation import Stack, error, template, template_in_s3

OWN = "http://127.0.0.1:4566"


@pytest.mark.parametrize(
    "url",
    [
        f"{OWN}/b-1/x/k%201",
        "https://b-1.s3.eu-west-1.amazonaws.com/x/k 1",
        "https://b-1.s3-eu-west-1.amazonaws.com/x/k 1",
        "https://s3.eu-west-1.amazonaws.com/b-1/x/k 1",
        "https://b-1.s3.cn-north-1.amazonaws.com.cn/x/k 1",
    ],
)
def test_addresses(url: str) -> None:
    assert bucket_and_key(url, OWN) == ("b-1", "x/k 1")


@pytest.mark.parametrize(
    "url",
    [
        *("", "b/k", "s3://b/k", "http://b.s3.eu-west-1.amazonaws.com/k", "https://example.com/b/k"),
        *("https://b.s3.eu-west-1.amazonaws.com/", "https://b.s3.cn-north-1.amazonaws.com/k", f"{OWN}/b"),
        *("http://127.0.0.1:4567/b/k", "https://b.s3.eu-west-1.amazonaws.com.example.com/k"),
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(AwsError, match="TemplateURL must be a supported URL"):
        bucket_and_key(url, OWN)


def create(stack: Stack, client: Any = None, **given: Any) -> Any:
    return (client or stack.client).create_change_set(
        StackName=stack.name,
        ChangeSetName="c",
        ChangeSetType="CREATE",
        Capabilities=["CAPABILITY_IAM"],
        **given,
    )


def test_a_template_in_s3_may_be_longer_than_one_in_a_request(stack: Stack, aws: Any, account: Any) -> None:
    s3 = account.client("s3")
    body = json.dumps({**template(aws), "Description": "x" * 60_000})
    for refused, message in (
        ({"TemplateBody": body}, "less than or equal to 51200"),
        (template_in_s3(s3, body + " " * MAX_BYTES), "Template may not exceed 1000000 bytes in size."),
        ({**template_in_s3(s3, body), "TemplateBody": body}, "Either Template URL or Template Body must be specified."),
        ({"TemplateURL": f"{aws.url}/templates/none"}, "S3 error: The specified key does not exist."),
        ({"TemplateURL": f"{aws.url}/none/none"}, "S3 error: The specified bucket does not exist"),
    ):
        with pytest.raises(ClientError) as caught:
            create(stack, **refused)
        assert message in error(caught)[1]
    made = create(stack, **template_in_s3(s3, body))
    assert stack.client.describe_change_set(ChangeSetName=made["Id"])["Status"] == "CREATE_COMPLETE"


def test_the_caller_must_have_the_right_to_read_it(stack: Stack, aws: Any, account: Any) -> None:
    iam, name = account.client("iam"), f"user-of-{stack.name}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = boto3.client(
        "cloudformation",
        region_name="us-east-1",
        endpoint_url=aws.url,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )

    def allow(*actions: str) -> None:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)

    given = template_in_s3(account.client("s3"), json.dumps(template(aws)))
    allow("cloudformation:*")
    with pytest.raises(ClientError) as caught:
        create(stack, user, **given)
    assert error(caught) == ("ValidationError", "S3 error: Access Denied")
    allow("cloudformation:*", "s3:GetObject")
    create(stack, user, **given)

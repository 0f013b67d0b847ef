"""What the emulated account has beside the stacks that are deployed to it: a topic, a key, a network, …"""

from __future__ import annotations

import json
from typing import Any

import boto3

from sldb.deploy.protection.access_logs import statement
from sldb.deploy.protection.key import missing_statements
from tests.fakes.aws.issuer import Issuer
from tests.sldb.deploy.pairs.options import Facts

ACCOUNT, REGION = "123456789012", "us-east-1"
ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")


def make_facts(stack: str, issuer: Issuer) -> Facts:
    """Make what a stack needs for each option; return the names."""
    client: Any = boto3.client
    topic = client("sns").create_topic(Name=f"{stack}-ops")["TopicArn"]
    may_publish = _statement("cloudwatch.amazonaws.com", "sns:Publish", topic)
    client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy_of(may_publish))
    vpc, subnets = _network(client("ec2"))
    return Facts(
        topic=topic,
        key=_key(client("kms")),
        log_bucket=_log_bucket(client("s3"), stack),
        boundary=_boundary(client("iam"), stack),
        issuer=issuer.url,
        vpc=vpc,
        subnets=",".join(subnets),
    )


def _key(kms: Any) -> str:
    arn = str(kms.create_key()["KeyMetadata"]["Arn"])
    policy = json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])
    policy["Statement"] += missing_statements(policy, ACCOUNT, REGION, has_topic=True)
    kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=json.dumps(policy))
    return arn


def _network(ec2: Any) -> tuple[str, list[str]]:
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    blocks = ((zone, f"10.9.{number}.0/24") for number, zone in enumerate(ZONES))
    made = [ec2.create_subnet(VpcId=vpc, AvailabilityZone=zone, CidrBlock=block) for zone, block in blocks]
    return vpc, [each["Subnet"]["SubnetId"] for each in made]


def _log_bucket(s3: Any, stack: str) -> str:
    name = f"{stack}-logs-of-the-company"
    s3.create_bucket(Bucket=name)
    may_write = statement(f"{stack}-data-{ACCOUNT}-{REGION}", ACCOUNT, name, "")
    s3.put_bucket_policy(Bucket=name, Policy=policy_of(may_write))
    return name


def _boundary(iam: Any, stack: str) -> str:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    made = iam.create_policy(PolicyName=f"{stack}-boundary", PolicyDocument=policy_of(everything))
    return str(made["Policy"]["Arn"])


def _statement(service: str, action: str, resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"Service": service}, "Action": action, "Resource": resource}


def policy_of(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})

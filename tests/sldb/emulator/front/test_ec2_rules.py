"""Security groups as EC2 has them, where moto is more generous."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def vpc(account: Any) -> str:
    return str(account.client("ec2").create_vpc(CidrBlock="10.0.0.0/28")["Vpc"]["VpcId"])


def create(account: Any, vpc: str | None, name: str, **more: Any) -> str:
    where = {"VpcId": vpc} if vpc else {}
    made = account.client("ec2").create_security_group(GroupName=name, Description="a lock", **where, **more)
    return str(made["GroupId"])


def code(caught: Any) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_name_is_taken_whatever_its_case(account: Any, vpc: str) -> None:
    group_id = create(account, vpc, "Lock-One")
    with pytest.raises(ClientError, match=f"'lock-ONE' already exists for VPC '{vpc}'") as caught:
        create(account, vpc, "lock-ONE")
    assert code(caught) == "InvalidGroup.Duplicate"
    account.client("ec2").delete_security_group(GroupId=group_id)
    create(account, vpc, "lock-ONE")


def test_name_is_free_in_another_vpc(account: Any, vpc: str) -> None:
    other = account.client("ec2").create_vpc(CidrBlock="10.1.0.0/28")["Vpc"]["VpcId"]
    assert create(account, vpc, "shared") != create(account, other, "SHARED")
    create(account, None, "shared")  # in the default VPC


@pytest.mark.parametrize("name", ["sg-lock", "SG-lock", "x" * 256, "ünlock", "a\tb"])
def test_names_that_ec2_refuses(account: Any, vpc: str, name: str) -> None:
    with pytest.raises(ClientError) as caught:
        create(account, vpc, name)
    assert code(caught) == "InvalidParameterValue"


def test_longest_name(account: Any, vpc: str) -> None:
    create(account, vpc, "x" * 255)


def test_unknown_vpc(account: Any) -> None:
    with pytest.raises(ClientError, match="'vpc-0123' does not exist") as caught:
        create(account, "vpc-0123", "lock")
    assert code(caught) == "InvalidVpcID.NotFound"


def test_tags_come_with_the_group(account: Any, vpc: str) -> None:
    tags = [{"Key": "Owner", "Value": "me"}, {"Key": "sldb:stack", "Value": "test-db"}]
    specification = [{"ResourceType": "security-group", "Tags": tags}]
    made = account.client("ec2").create_security_group(
        GroupName="tagged", Description="d", VpcId=vpc, TagSpecifications=specification
    )
    assert sorted(made["Tags"], key=lambda tag: tag["Key"]) == tags
    filters = [{"Name": "tag:Owner", "Values": ["me"]}, {"Name": "vpc-id", "Values": [vpc]}]
    found = account.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
    assert [group["GroupName"] for group in found] == ["tagged"]


def test_group_that_is_gone(account: Any, vpc: str) -> None:
    group_id = create(account, vpc, "gone")
    account.client("ec2").delete_security_group(GroupId=group_id)
    with pytest.raises(ClientError) as caught:
        account.client("ec2").delete_security_group(GroupId=group_id)
    assert code(caught) == "InvalidGroup.NotFound"


def test_vpc_with_a_group_in_it_cannot_go(account: Any) -> None:
    vpc_id = account.client("ec2").create_vpc(CidrBlock="10.2.0.0/28")["Vpc"]["VpcId"]
    group_id = create(account, vpc_id, "holder")
    with pytest.raises(ClientError) as caught:
        account.client("ec2").delete_vpc(VpcId=vpc_id)
    assert code(caught) == "DependencyViolation"
    account.client("ec2").delete_security_group(GroupId=group_id)
    account.client("ec2").delete_vpc(VpcId=vpc_id)


def test_eight_at_once_and_one_wins(account: Any, vpc: str) -> None:
    def attempt(name: str) -> bool:
        try:
            create(account, vpc, name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidGroup.Duplicate":
                raise
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        for number in range(10):
            names = [f"race-{number}", f"RACE-{number}"] * 4
            assert sum(threads.map(attempt, names)) == 1


def test_what_is_not_emulated_is_refused_by_name(account: Any) -> None:
    with pytest.raises(ClientError, match="does not supply ec2:DescribeInstances") as caught:
        account.client("ec2").describe_instances()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    with pytest.raises(ClientError, match="does not supply the service kinesis"):
        account.client("kinesis").list_streams()

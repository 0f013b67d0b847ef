"""The error of a list of security groups names the database or the VPC that it was for."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambda_handlers.wire import SldbError
from sldb.stack.lock_groups import list_lock_groups, list_security_groups


class Refusing:
    """An EC2 client without the right to describe security groups."""

    def get_paginator(self, name: str) -> Refusing:
        assert name == "describe_security_groups"
        return self

    def paginate(self, **_: Any) -> Any:
        denied = {"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}
        raise ClientError(denied, "DescribeSecurityGroups")  # type: ignore[arg-type]  # a response without metadata


def test_the_error_names_the_database_of_the_lock() -> None:
    ec2: Any = Refusing()
    with pytest.raises(SldbError, match="not allowed to look for the lock of orders"):
        list_lock_groups(ec2, "test-db", "vpc-1", "orders")
    with pytest.raises(SldbError, match="not allowed to look for locks"):
        list_lock_groups(ec2, "test-db", "vpc-1")


def test_the_error_names_the_vpc_of_the_groups() -> None:
    ec2: Any = Refusing()
    with pytest.raises(SldbError, match="not allowed to look for security groups in vpc-1"):
        list_security_groups(ec2, {"vpc-id": "vpc-1"}, "look for security groups in vpc-1")

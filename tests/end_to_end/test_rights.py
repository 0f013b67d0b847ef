"""What the query function and its bucket refuse."""

from __future__ import annotations

import json

import boto3
import pytest

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


def test_the_query_function_may_delete_no_object(stack):
    """Least privilege, seen from its role: what a function of this role asks AWS itself."""
    rules = boto3.client("iam").get_role_policy
    roles = boto3.client("iam").list_roles()["Roles"]
    query = next(role["RoleName"] for role in roles if "QueryRole" in role["RoleName"])
    actions = json.dumps(rules(RoleName=query, PolicyName="data")["PolicyDocument"])
    assert "s3:PutObject" in actions
    assert "Delete" not in actions


def test_an_unconditional_write_of_a_commit_is_refused_by_the_bucket(stack):
    stack.new_table()
    bucket = next(each["Name"] for each in stack.s3.list_buckets()["Buckets"] if "-data-" in each["Name"])
    with pytest.raises(stack.s3.exceptions.ClientError, match="AccessDenied"):
        stack.s3.put_object(Bucket=bucket, Key="databases/main/0000/0000000000000001-0000000000000001.ltx", Body=b"x")

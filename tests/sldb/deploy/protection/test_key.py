"""Which statements the policy of a key must have, and what the policy of a bucket of logs must allow."""

from __future__ import annotations

from typing import Any

import pytest

from sldb.deploy.protection import access_logs
from sldb.deploy.protection.key import missing_statements

ACCOUNT, REGION = "123456789012", "eu-central-1"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
LOGS = f"logs.{REGION}.amazonaws.com"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def statement(principal: Any, *actions: str, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": list(actions), "Resource": "*", **more}


OF_ACCOUNT = statement({"AWS": ROOT}, "kms:*")
OF_LOGS = statement(
    {"Service": LOGS}, "kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"
)


def missing(*statements: dict[str, Any]) -> list[str]:
    return [each["Sid"] for each in missing_statements(policy(*statements), ACCOUNT, REGION)]


def test_the_policy_that_aws_proposes_lacks_the_logs() -> None:
    assert missing(OF_ACCOUNT) == ["ForTheLogs"]
    assert missing(OF_ACCOUNT, OF_LOGS) == []


def test_a_topic_of_alarms_needs_cloudwatch_in_the_policy() -> None:
    [wanted] = missing_statements(policy(OF_ACCOUNT, OF_LOGS), ACCOUNT, REGION, has_topic=True)
    assert (wanted["Sid"], wanted["Principal"]) == ("ForTheAlarms", {"Service": "cloudwatch.amazonaws.com"})
    assert missing_statements(policy(OF_ACCOUNT, OF_LOGS, wanted), ACCOUNT, REGION, has_topic=True) == []


def test_what_is_missing_makes_a_policy_complete() -> None:
    added = missing_statements(
        policy(statement({"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"}, "kms:*")), ACCOUNT, REGION
    )
    assert len(added) == 2
    assert missing_statements(policy(*added), ACCOUNT, REGION) == []


@pytest.mark.parametrize(
    ("groups", "is_enough"),
    [
        ("*", True),
        (f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:*", True),
        (f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/*", True),
        (f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:*", False),
    ],
)
def test_a_statement_for_log_groups_of_elsewhere_is_none(groups: str, is_enough: bool) -> None:
    conditional = {**OF_LOGS, "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}}}
    assert (missing(OF_ACCOUNT, conditional) == []) is is_enough


def test_an_action_too_few_and_a_denial_are_not_enough() -> None:
    assert missing(OF_ACCOUNT, statement({"Service": LOGS}, "kms:Encrypt*", "kms:Decrypt*")) == ["ForTheLogs"]
    assert missing(OF_ACCOUNT, {**OF_LOGS, "Effect": "Deny"}) == ["ForTheLogs"]
    assert missing(OF_ACCOUNT, statement({"Service": "logs.amazonaws.com"}, "kms:*")) == ["ForTheLogs"]


def test_regions_of_other_partitions_have_their_own_names() -> None:
    [of_root, of_logs] = missing_statements(policy(), ACCOUNT, "cn-north-1")
    assert of_root["Principal"] == {"AWS": f"arn:aws-cn:iam::{ACCOUNT}:root"}
    assert of_logs["Principal"] == {"Service": "logs.cn-north-1.amazonaws.com.cn"}


def test_the_statement_for_access_logs_is_enough_and_one_for_another_bucket_or_prefix_is_not() -> None:
    wanted = access_logs.statement("data", ACCOUNT, "logs", "sldb/")
    assert access_logs.may_log(policy(wanted), "data", "logs", "sldb/")
    assert not access_logs.may_log(policy(wanted), "other", "logs", "sldb/")
    assert not access_logs.may_log(policy(wanted), "data", "logs", "elsewhere/")
    assert not access_logs.may_log(policy({**wanted, "Effect": "Deny"}), "data", "logs", "sldb/")
    assert not access_logs.may_log(policy({**wanted, "Principal": "*"}), "data", "logs", "sldb/")
    assert not access_logs.may_log(policy(), "data", "logs", "")
    in_china = access_logs.statement("data", ACCOUNT, "logs", "sldb/", "aws-cn")
    assert access_logs.may_log(policy(in_china), "data", "logs", "sldb/", "aws-cn")
    assert not access_logs.may_log(policy(wanted), "data", "logs", "sldb/", "aws-cn")

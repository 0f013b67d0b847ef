"""The options for a key of one's own and for access logs: what they come to, and what they refuse."""

from __future__ import annotations

import pytest

from lambda_handlers.wire import SldbError
from sldb.aws.errors import OperationFailed
from sldb.deploy.protection.options import PROTECTION_DEFAULTS, ProtectionChoices, check_protection, former_keys
from sldb.deploy.protection.plan import refuse_lost_keys

KEY = "arn:aws:kms:us-east-1:123456789012:key/6f3b0c7e-0000-4000-8000-000000000002"
OTHER = KEY.replace("0002", "0003")


def test_options_that_are_not_given_change_nothing() -> None:
    assert ProtectionChoices().parameters() == {}


def test_none_removes() -> None:
    removed = ProtectionChoices(kms_key="none", access_logs="none").parameters()
    assert removed == dict.fromkeys(PROTECTION_DEFAULTS, "")


@pytest.mark.parametrize(
    ("given", "bucket", "prefix"), [("logs", "logs", ""), ("logs/", "logs", ""), ("logs/a/b-", "logs", "a/b-")]
)
def test_a_bucket_may_have_a_prefix(given: str, bucket: str, prefix: str) -> None:
    values = ProtectionChoices(access_logs=given).parameters()
    assert (values["AccessLogBucket"], values["AccessLogPrefix"]) == (bucket, prefix)


@pytest.mark.parametrize(
    "values",
    [
        {"KmsKey": "alias/mine"},
        {"KmsKey": KEY.replace("key/", "alias/")},
        {"KmsKey": f"{KEY},{OTHER}"},
        {"AccessLogBucket": "Logs"},
        {"AccessLogBucket": "s3:"},
        {"AccessLogBucket": "logs", "AccessLogPrefix": "x" * 801},
    ],
)
def test_what_aws_would_refuse_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(SldbError) as refused:
        check_protection({**PROTECTION_DEFAULTS, **values})
    assert refused.value.code == "bad_request"


def test_the_defaults_are_right() -> None:
    check_protection(PROTECTION_DEFAULTS)
    check_protection({"KmsKey": KEY, "AccessLogBucket": "logs.example", "AccessLogPrefix": "sldb/"})


def test_a_key_that_objects_were_encrypted_with_is_remembered() -> None:
    assert former_keys({}, KEY) == ""
    assert former_keys({"KmsKey": KEY}, KEY) == ""
    assert former_keys({"KmsKey": KEY}, "") == KEY
    assert former_keys({"KmsKey": OTHER, "FormerKmsKeys": KEY}, "") == f"{KEY},{OTHER}"
    assert former_keys({"KmsKey": "", "FormerKmsKeys": f"{KEY},{OTHER}"}, KEY) == OTHER  # it is the key again


def test_a_version_that_knows_no_keys_is_none_to_go_back_to_once_there_is_one() -> None:
    refuse_lost_keys({"KmsKey": ""}, {})
    refuse_lost_keys({"KmsKey": KEY}, {"KmsKey": "", "FormerKmsKeys": KEY})
    for previous in ({"KmsKey": KEY}, {"FormerKmsKeys": KEY}):
        with pytest.raises(OperationFailed):
            refuse_lost_keys(previous, {})

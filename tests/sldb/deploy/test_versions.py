"""`--recoverable-days`: what is deleted from the bucket can be recovered, against the emulated AWS."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_handlers.storage.log.keys import cancel_prefix, streams_prefix, transactions_key
from sldb.aws.options import AwsOptions
from sldb.deploy.versions import EXPIRY, RULE, keep_versions, kept_days
from sldb.doctor.aws import recoverable_days
from sldb.ops.status import read_status
from sldb.stack.account import connect
from sldb.stack.bucket import Bucket
from tests.sldb.commands import BUNDLE_BUCKET, DATA_BUCKET, Commands

KEY = "databases/main/0000/0000000000000001-0000000000000001.ltx"


def versioning(sldb: Commands) -> str | None:
    return sldb.client("s3").get_bucket_versioning(Bucket=DATA_BUCKET).get("Status")


def rules(sldb: Commands) -> dict[str, Any]:
    found = sldb.client("s3").get_bucket_lifecycle_configuration(Bucket=DATA_BUCKET)["Rules"]
    return {rule["ID"]: rule for rule in found}


def kept_by_rule(sldb: Commands) -> int:
    return rules(sldb)[RULE]["NoncurrentVersionExpiration"]["NoncurrentDays"]


def recover(sldb: Commands, key: str) -> None:
    """As docs/security.md says: without the mark of its deletion the object is there again."""
    s3 = sldb.client("s3")
    listed = s3.list_object_versions(Bucket=DATA_BUCKET, Prefix=key)
    (mark,) = [one for one in listed["DeleteMarkers"] if one["IsLatest"]]
    s3.delete_object(Bucket=DATA_BUCKET, Key=key, VersionId=mark["VersionId"])


def test_at_first_nothing_is_kept(sldb: Commands) -> None:
    sldb.ok("deploy")
    assert versioning(sldb) is None
    assert "can be recovered" not in sldb.ok("status").out
    assert json.loads(sldb.ok("status", "--format", "json").out)["recoverable_days"] == 0


def test_what_is_deleted_can_be_had_back(sldb: Commands) -> None:
    sldb.ok("deploy", "--recoverable-days", "3")
    assert versioning(sldb) == "Enabled"
    assert kept_by_rule(sldb) == 3
    assert rules(sldb)[RULE]["Expiration"] == {"ExpiredObjectDeleteMarker": True}
    assert "can be recovered for 3 days" in sldb.ok("status").out
    s3 = sldb.client("s3")
    s3.put_object(Bucket=DATA_BUCKET, Key=KEY, Body=b"committed", IfNoneMatch="*")
    s3.delete_object(Bucket=DATA_BUCKET, Key=KEY)
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=DATA_BUCKET, Key=KEY)
    recover(sldb, KEY)
    assert s3.get_object(Bucket=DATA_BUCKET, Key=KEY)["Body"].read() == b"committed"
    with pytest.raises(s3.exceptions.ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=DATA_BUCKET, Key=KEY, Body=b"other", IfNoneMatch="*")


@pytest.mark.long
def test_it_stays_until_it_is_turned_off_and_then_no_more_is_kept(sldb: Commands) -> None:
    sldb.ok("deploy", "--recoverable-days", "3")
    sldb.ok("deploy", "--memory", "2048")
    assert versioning(sldb) == "Enabled"
    sldb.ok("deploy", "--recoverable-days", "7")
    assert kept_by_rule(sldb) == 7
    sldb.ok("deploy", "--recoverable-days", "0", "--yes")
    assert versioning(sldb) == "Suspended"
    assert kept_by_rule(sldb) == 1


@pytest.mark.long
def test_a_bucket_that_an_earlier_stack_left_is_set_too(sldb: Commands) -> None:
    """CloudFormation does not manage it."""
    sldb.ok("deploy")
    sldb.ok("destroy", "--yes")
    earlier = [rule for name, rule in rules(sldb).items() if name not in EXPIRY]  # before there were transactions
    sldb.client("s3").put_bucket_lifecycle_configuration(Bucket=DATA_BUCKET, LifecycleConfiguration={"Rules": earlier})
    assert "found the data of an earlier stack" in sldb.ok("deploy", "--recoverable-days", "3").err
    assert versioning(sldb) == "Enabled"
    assert set(rules(sldb)) == {RULE, "abort-unfinished-uploads", "expire-replies", *EXPIRY}
    expiry = {name: (rules(sldb)[name]["Filter"], rules(sldb)[name]["Expiration"]) for name in EXPIRY}
    assert expiry == {
        "expire-streams": ({"Prefix": "databases/" + streams_prefix()}, {"Days": 2}),
        "expire-cancel-marks": ({"Prefix": "databases/" + cancel_prefix()}, {"Days": 1}),
    }
    assert kept_by_rule(sldb) == 3
    sldb.ok("deploy", "--recoverable-days", "5")
    assert kept_by_rule(sldb) == 5
    sldb.ok("deploy", "--recoverable-days", "0", "--yes")
    assert versioning(sldb) == "Suspended"


@pytest.mark.long
def test_a_bucket_that_kept_versions_does_so_no_more_under_a_stack_that_does_not(sldb: Commands) -> None:
    sldb.ok("deploy", "--recoverable-days", "3")
    sldb.ok("destroy", "--yes")
    sldb.ok("deploy")
    assert versioning(sldb) == "Suspended"


def test_destroy_with_the_data_deletes_all_versions(sldb: Commands) -> None:
    sldb.ok("deploy", "--recoverable-days", "3")
    s3 = sldb.client("s3")
    for number in range(3):
        s3.put_object(Bucket=DATA_BUCKET, Key="databases/main/head.json", Body=b"%d" % number)
    s3.delete_object(Bucket=DATA_BUCKET, Key="databases/main/head.json")
    policy = s3.get_bucket_policy(Bucket=DATA_BUCKET)["Policy"]
    s3.delete_bucket_policy(Bucket=DATA_BUCKET)  # which lets only the query function make a key
    for key in (transactions_key(), streams_prefix() + "0" * 64):
        s3.put_object(Bucket=DATA_BUCKET, Key=f"databases/{key}", Body=b"x")
    s3.put_bucket_policy(Bucket=DATA_BUCKET, Policy=policy)
    sldb.ok("destroy", "--yes", "--delete-data")
    assert sldb.buckets() == []


def test_the_plan_shows_it_and_changes_nothing(sldb: Commands) -> None:
    sldb.ok("deploy")
    assert "DataBucket" in sldb.ok("deploy", "--plan", "--recoverable-days", "3").err
    assert versioning(sldb) is None


@pytest.mark.parametrize("days", ["-1", "366"])
def test_days_that_are_none(sldb: Commands, days: str) -> None:
    ran = sldb("deploy", "--recoverable-days", days)
    assert ran.status == 2
    assert "--recoverable-days" in ran.err
    assert sldb.buckets() == []


def test_what_is_set_already_is_left_alone(sldb: Commands) -> None:
    sldb.ok("deploy")
    s3 = sldb.client("s3")
    account = sldb.client("sts").get_caller_identity()["Account"]
    data = Bucket(s3, DATA_BUCKET, account)
    assert not keep_versions(data, 0)
    assert keep_versions(data, 3)
    assert kept_days(data) == 3
    assert not keep_versions(data, 3)
    assert keep_versions(data, 0)
    assert not keep_versions(data, 0)
    assert kept_days(data) == 0
    s3.delete_bucket_lifecycle(Bucket=DATA_BUCKET)
    assert keep_versions(data, 2)
    assert kept_days(Bucket(s3, BUNDLE_BUCKET, account)) == 0


def test_doctor_compares_the_bucket_with_the_stack(sldb: Commands) -> None:
    sldb.ok("deploy", "--recoverable-days", "3")
    account = connect(AwsOptions())
    assert recoverable_days(account, read_status(account, "test-db")).state == "ok"
    sldb.client("s3").put_bucket_versioning(Bucket=DATA_BUCKET, VersioningConfiguration={"Status": "Suspended"})
    found = recoverable_days(account, read_status(account, "test-db"))
    assert (found.state, "--recoverable-days" in found.next) == ("warn", True)

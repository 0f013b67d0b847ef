"""A key of one's own and access logs on the emulated AWS: chosen, refused, used by the roles, changed, taken away."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.store.protocol import (
    PART_BYTES,
    AlreadyExists,
    CopyOf,
    ObjectStore,
    PreconditionFailed,
    StoreError,
)
from tests.fakes.stores.s3 import plain_s3
from tests.sldb.commands import DATA_BUCKET, Commands

ACCOUNT = "123456789012"
LTX = "main/0000/0000000000000001-0000000000000001.ltx"
LOG_BUCKET = "logs-of-the-company"
ALARMS = {
    "Sid": "Alarms",
    "Effect": "Allow",
    "Principal": {"Service": "cloudwatch.amazonaws.com"},
    "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
    "Resource": "*",
    "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
}


def credentials_of(sldb: Commands, role: str) -> Credentials:
    """Return the credentials of a role, as the function with it has them."""
    names = sldb.client("cloudformation").describe_stack_resources(StackName="test-db")["StackResources"]
    name = next(each["PhysicalResourceId"] for each in names if each["LogicalResourceId"] == role)
    arn = sldb.client("iam").get_role(RoleName=name)["Role"]["Arn"]
    made = sldb.aws._principals.mint(arn, "test", "", is_isolated=False)
    return Credentials(made.access_key_id, made.secret_access_key, made.session_token)


def store_of(sldb: Commands, role: str) -> ObjectStore:
    credentials = credentials_of(sldb, role)
    return plain_s3(Settings(f"s3://{DATA_BUCKET}/databases", endpoint_url=sldb.aws.url, credentials=credentials))


def let_use(kms: Any, arn: str, statement: dict[str, Any]) -> None:
    policy = json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])
    policy["Statement"].append(statement)
    kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=json.dumps(policy))


def let_logs_use(kms: Any, arn: str) -> None:
    logs = {
        "Sid": "Logs",
        "Effect": "Allow",
        "Principal": {"Service": "logs.us-east-1.amazonaws.com"},
        "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
        "Resource": "*",
        "Condition": {
            "ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:*"}
        },
    }
    let_use(kms, arn, logs)


def encryption_of(sldb: Commands) -> dict[str, Any]:
    found = sldb.client("s3").get_bucket_encryption(Bucket=DATA_BUCKET)["ServerSideEncryptionConfiguration"]
    rule: dict[str, Any] = found["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    return rule


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_key_of_ones_own_is_checked_used_changed_and_taken_away(sldb: Commands) -> None:
    kms = sldb.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    refused = sldb("deploy", "--kms-key", key)
    assert (refused.status, "ForTheLogs" in refused.err, sldb.stack_status()) == (1, True, None)
    elsewhere = sldb("deploy", "--kms-key", key.replace("us-east-1", "eu-west-1"))
    assert "is not in us-east-1" in elsewhere.err

    let_logs_use(kms, key)
    ran = sldb.ok("deploy", "--kms-key", key, "--api", "token", "--readers")
    assert f"encrypted with {key}" in ran.err
    assert encryption_of(sldb) == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    groups = sldb.client("logs").describe_log_groups()["logGroups"]
    assert {each.get("kmsKeyId") for each in groups} == {key}
    functions = sldb.client("lambda").list_functions()["Functions"]
    assert {each["KMSKeyArn"] for each in functions} == {key}
    assert sldb.client("secretsmanager").list_secrets()["SecretList"][0]["KmsKeyId"] == key
    assert "can be used" in sldb("doctor").out

    uses_every_write_and_read(sldb)
    queues_and_the_topic_of_alarms_use_it(sldb, kms, key)
    is_refused_without_the_right_to_the_key(sldb, kms, key)

    again = kms.create_key()["KeyMetadata"]["Arn"]
    let_logs_use(kms, again)
    let_use(kms, again, ALARMS)
    ran = sldb.ok("deploy", "--kms-key", again)
    assert "existing objects keep the encryption" in ran.err
    assert f"still need: {key}" in ran.err
    for role in ("QueryRole", "DeadlockFixRole", "ReadRole"):
        assert store_of(sldb, role).get(LTX) == b"first"
    sldb.ok("deploy", "--kms-key", "none")
    assert encryption_of(sldb) == {"SSEAlgorithm": "AES256"}
    assert store_of(sldb, "QueryRole").get(LTX) == b"first"
    assert {each.get("kmsKeyId") for each in sldb.client("logs").describe_log_groups()["logGroups"]} == {None}

    sldb.ok("destroy", "--yes")
    ran = sldb.ok("deploy", "--kms-key", again)  # takes the bucket that is left, which the template does not change
    assert f"still need: {key}" in ran.err
    assert encryption_of(sldb) == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": again}
    assert store_of(sldb, "QueryRole").get(LTX) == b"first"
    sldb.ok("destroy", "--yes")
    ran = sldb.ok("deploy")
    assert f"still need: {key},{again}" in ran.err  # the bucket says what its objects are encrypted with
    assert encryption_of(sldb) == {"SSEAlgorithm": "AES256"}  # else the functions could not write
    assert store_of(sldb, "QueryRole").get(LTX) == b"first"
    sldb.ok("destroy", "--yes")


def uses_every_write_and_read(sldb: Commands) -> None:
    """The ETag of what a key of KMS encrypts is no MD5; conditional writes go by it all the same."""
    store = store_of(sldb, "QueryRole")
    tag = store.create(LTX, b"first")
    assert tag.strip('"') != hashlib.md5(b"first", usedforsecurity=False).hexdigest()
    assert store.info(LTX).etag == tag
    head = sldb.client("s3").head_object(Bucket=DATA_BUCKET, Key=f"databases/{LTX}")
    assert (head["ServerSideEncryption"], head["BucketKeyEnabled"]) == ("aws:kms", True)
    with pytest.raises(AlreadyExists):
        store.create(LTX, b"second")
    seen = store.create("main/head.json", b"1")
    newer = store.replace("main/head.json", b"2", seen)
    with pytest.raises(PreconditionFailed):
        store.replace("main/head.json", b"3", seen)
    store.replace("main/head.json", b"3", newer)
    store.create_from("main/large.ltx", [b"x" * PART_BYTES, b"y"])
    store.assemble("main/copy.ltx", [CopyOf("main/large.ltx", 0, PART_BYTES + 1)])
    assert store.size("main/copy.ltx") == PART_BYTES + 1
    assert store.get("main/copy.ltx")[-2:] == b"xy"
    [address] = store.presign("GET", [LTX], 60) or []
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in address  # SSE-KMS takes no older signature
    with urllib.request.urlopen(address) as response:
        assert response.read() == b"first"


def queues_and_the_topic_of_alarms_use_it(sldb: Commands, kms: Any, key: str) -> None:
    chosen = ("deploy", "--queue", "fifo", "--alarms", "ops@example.com", "--yes")
    refused = sldb(*chosen)
    assert (refused.status, "ForTheAlarms" in refused.err) == (1, True)
    let_use(kms, key, ALARMS)
    sldb.ok(*chosen)
    sqs, outputs = sldb.client("sqs"), sldb.outputs()
    urls = sqs.list_queues()["QueueUrls"]
    attributes = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in urls]
    assert [(each["KmsMasterKeyId"], each["SqsManagedSseEnabled"]) for each in attributes] == [(key, "false")] * 3
    topic = sldb.client("sns").get_topic_attributes(TopicArn=outputs["AlarmTopicArn"])["Attributes"]
    assert topic["KmsMasterKeyId"] == key
    # The role may send failed invocations, and take messages: each with the key for that queue alone.
    credentials = credentials_of(sldb, "QueryRole")
    own = boto3.client(
        "sqs",
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
    )
    sqs.send_message(QueueUrl=outputs["QueueUrl"], MessageBody="{}", MessageGroupId="a", MessageDeduplicationId="1")
    denied = {"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    before = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    let_use(kms, key, denied)
    with pytest.raises(ClientError, match="kms:Decrypt"):
        own.receive_message(QueueUrl=outputs["QueueUrl"])
    with pytest.raises(ClientError, match="kms:Decrypt"):
        own.send_message(QueueUrl=outputs["FailedInvocationsUrl"], MessageBody="{}")
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=before)
    own.send_message(QueueUrl=outputs["FailedInvocationsUrl"], MessageBody="{}")
    sqs.purge_queue(QueueUrl=outputs["QueueUrl"])
    sqs.purge_queue(QueueUrl=outputs["FailedInvocationsUrl"])


def is_refused_without_the_right_to_the_key(sldb: Commands, kms: Any, key: str) -> None:
    store = store_of(sldb, "QueryRole")
    before = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    denied = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    kms.put_key_policy(
        KeyId=key,
        PolicyName="default",
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [*json.loads(before)["Statement"], denied]}),
    )
    with pytest.raises(StoreError, match="AccessDenied"):
        store.get(LTX)
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=before)
    assert store.get(LTX) == b"first"
    kms.disable_key(KeyId=key)
    with pytest.raises(StoreError, match="Disabled"):
        store.get(LTX)
    with pytest.raises(ClientError, match="KMSDisabledException"):
        sldb.client("lambda").invoke(FunctionName="test-db-function", Payload=b"{}")
    assert f"the key {key} is Disabled" in sldb("doctor").out
    kms.enable_key(KeyId=key)

    other = kms.create_key()["KeyMetadata"]["Arn"]
    kms.schedule_key_deletion(KeyId=other, PendingWindowInDays=7)
    gone = f"{key.rpartition('/')[0]}/11111111-2222-3333-4444-555555555555"
    for unusable, says in ((other, "cancel-key-deletion"), (gone, "there is no key")):
        ran = sldb("deploy", "--kms-key", unusable, "--plan")
        assert (ran.status, says in ran.err) == (1, True), ran.err


@pytest.mark.long
def test_access_logs_go_to_a_bucket_whose_policy_lets_s3_write_them(sldb: Commands) -> None:
    assert "there is no bucket" in sldb("deploy", "--access-logs", f"{LOG_BUCKET}/sldb/").err
    s3 = sldb.client("s3")
    s3.create_bucket(Bucket=LOG_BUCKET)
    refused = sldb("deploy", "--access-logs", f"{LOG_BUCKET}/sldb/")
    assert (refused.status, "logging.s3.amazonaws.com" in refused.err, sldb.stack_status()) == (1, True, None)
    assert "S3ServerAccessLogs" in refused.err
    wanted = json.loads(refused.err[refused.err.index("{") : refused.err.rindex("}") + 1])
    s3.put_bucket_policy(Bucket=LOG_BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [wanted]}))
    sldb.ok("deploy", "--access-logs", f"{LOG_BUCKET}/sldb/")
    found = s3.get_bucket_logging(Bucket=DATA_BUCKET)["LoggingEnabled"]
    assert (found["TargetBucket"], found["TargetPrefix"]) == (LOG_BUCKET, "sldb/")
    assert f"S3 may write them to s3://{LOG_BUCKET}/sldb/" in sldb("doctor").out
    s3.delete_bucket_policy(Bucket=LOG_BUCKET)
    assert f"S3 may not write logs to {LOG_BUCKET}" in sldb("doctor").out
    sldb.ok("deploy", "--access-logs", "none")
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=DATA_BUCKET)
    refused = sldb("deploy", "--access-logs", DATA_BUCKET)
    assert "logged again" in refused.err
    sldb.ok("destroy", "--yes")

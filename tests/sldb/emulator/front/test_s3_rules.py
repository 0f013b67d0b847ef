"""S3's conditions and policies, where moto has none or others."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.waiting import wait_until


@pytest.fixture
def bucket(account: Any) -> str:
    return str(account.bucket())


@pytest.fixture
def s3(account: Any) -> Any:
    return account.client("s3")


def code(caught: Any) -> str:
    return str(caught.value.response["Error"]["Code"])


def body(s3: Any, bucket: str, key: str) -> bytes:
    return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def test_eight_at_once_and_one_creates(s3: Any, bucket: str) -> None:
    def attempt(key: str, number: int) -> bool:
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=str(number), IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        for round_number in range(10):
            key = f"key-{round_number}"
            won = list(threads.map(attempt, [key] * 8, range(8)))
            assert sum(won) == 1
            assert body(s3, bucket, key) == str(won.index(True)).encode()


def test_copy_keeps_to_its_conditions(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="from", Body="new")
    old = s3.put_object(Bucket=bucket, Key="to", Body="old")["ETag"]
    copy = {"Bucket": bucket, "Key": "to", "CopySource": f"{bucket}/from"}
    with pytest.raises(ClientError) as caught:
        s3.copy_object(**copy, IfNoneMatch="*")
    assert code(caught) == "PreconditionFailed"
    assert body(s3, bucket, "to") == b"old"
    with pytest.raises(ClientError) as caught:
        s3.copy_object(**copy, IfMatch='"0"')
    assert code(caught) == "PreconditionFailed"
    s3.copy_object(**copy, IfMatch=old)
    assert body(s3, bucket, "to") == b"new"
    s3.copy_object(**{**copy, "Key": "fresh"}, IfNoneMatch="*")


def test_delete_if_there(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body="1")
    s3.delete_object(Bucket=bucket, Key="k", IfMatch="*")
    with pytest.raises(ClientError) as caught:
        s3.delete_object(Bucket=bucket, Key="k", IfMatch="*")
    assert code(caught) == "PreconditionFailed"


def test_delete_if_it_is_the_one(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body="1")["ETag"]
    with pytest.raises(ClientError) as caught:
        s3.delete_object(Bucket=bucket, Key="k", IfMatch='"0"')
    assert code(caught) == "PreconditionFailed"
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)


def test_presigned_address_ends(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body="1")
    target = {"Bucket": bucket, "Key": "k"}
    url = s3.generate_presigned_url("get_object", Params=target, ExpiresIn=60)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"1"
    short = s3.generate_presigned_url("get_object", Params=target, ExpiresIn=1)
    refused = wait_until(lambda: refusal(short), "the end of the address")
    assert refused.code == 403
    assert b"Request has expired" in refused.read()
    refused.close()


def refusal(url: str) -> urllib.error.HTTPError | None:
    try:
        urllib.request.urlopen(url).close()
    except urllib.error.HTTPError as error:
        return error
    return None


def test_unsigned_request_is_refused(aws: Any, bucket: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{aws.url}/{bucket}/k")
    assert caught.value.code == 403
    caught.value.close()


def statement(bucket: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}/*"], **more}


def put_policy(s3: Any, bucket: str, *statements: dict[str, Any]) -> None:
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def test_policy_that_demands_tls_holds_on_loopback(s3: Any, bucket: str) -> None:
    put_policy(s3, bucket, statement(bucket, Condition={"Bool": {"aws:SecureTransport": "false"}}))
    s3.put_object(Bucket=bucket, Key="k", Body="1")


def test_policy_that_demands_conditional_writes(s3: Any, bucket: str) -> None:
    condition = {"Null": {"s3:if-none-match": "true"}, "BoolIfExists": {"s3:ObjectCreationOperation": "true"}}
    resource = f"arn:aws:s3:::{bucket}/*.ltx"
    put_policy(s3, bucket, statement(bucket, Action="s3:PutObject", Resource=resource, Condition=condition))
    with pytest.raises(ClientError, match="explicit deny in a resource-based policy") as caught:
        s3.put_object(Bucket=bucket, Key="a/1.ltx", Body="1")
    assert code(caught) == "AccessDenied"
    s3.put_object(Bucket=bucket, Key="a/1.ltx", Body="1", IfNoneMatch="*")
    s3.put_object(Bucket=bucket, Key="a/1.txt", Body="1")
    with pytest.raises(ClientError) as caught:
        s3.copy_object(Bucket=bucket, Key="b.ltx", CopySource=f"{bucket}/a/1.txt")
    assert code(caught) == "AccessDenied"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="c.ltx")["UploadId"]
    where = {"Bucket": bucket, "Key": "c.ltx", "UploadId": upload}
    part = {"PartNumber": 1, "ETag": s3.upload_part(**where, PartNumber=1, Body="1")["ETag"]}
    with pytest.raises(ClientError) as caught:
        s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [part]})
    assert code(caught) == "AccessDenied"
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [part]}, IfNoneMatch="*")


@pytest.mark.parametrize(
    ("condition", "what"),
    [
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, "the condition operator IpAddress"),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, "the condition key aws:PrincipalOrgID"),
        ({"StringEquals": {"s3:prefix": "${aws:username}/"}}, "the policy variable in"),
    ],
)
def test_policy_that_cannot_be_evaluated_is_not_stored(s3: Any, bucket: str, condition: Any, what: str) -> None:
    with pytest.raises(ClientError, match=what):
        put_policy(s3, bucket, statement(bucket, Condition=condition))
    with pytest.raises(ClientError) as caught:
        s3.get_bucket_policy(Bucket=bucket)
    assert code(caught) == "NoSuchBucketPolicy"


def test_versions_stay_and_can_be_deleted_after_a_bucket_ceased_to_keep_them(s3: Any, bucket: str) -> None:
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        if status == "Enabled":
            s3.put_object(Bucket=bucket, Key="k", Body=b"1")
            s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_object(Bucket=bucket, Key="k")
    found = s3.list_object_versions(Bucket=bucket)
    assert len(found["Versions"]) == 1
    every = [*found["Versions"], *found["DeleteMarkers"]]
    deleted = [{"Key": "k", "VersionId": each["VersionId"]} for each in every]
    assert "Errors" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": deleted})
    assert not {"Versions", "DeleteMarkers"} & s3.list_object_versions(Bucket=bucket).keys()

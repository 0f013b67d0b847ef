"""Method, path and query → the name of the action: what boto3 sends is recognised for what it is."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from sldb.emulator.calls.actions import function_in, lambda_action, s3_action, split_bucket_and_key

BUCKET = {"Bucket": "b"}
OBJECT = {"Bucket": "b", "Key": "a/k"}
S3_CALLS: list[tuple[str, dict[str, Any]]] = [
    ("ListBuckets", {}),
    ("CreateBucket", BUCKET),
    ("DeleteBucket", BUCKET),
    ("HeadBucket", BUCKET),
    ("ListObjectsV2", BUCKET),
    ("ListObjects", BUCKET),
    ("ListObjectVersions", BUCKET),
    ("ListMultipartUploads", BUCKET),
    ("GetBucketPolicy", BUCKET),
    ("PutBucketPolicy", {**BUCKET, "Policy": "{}"}),
    ("DeleteBucketPolicy", BUCKET),
    ("GetBucketLifecycleConfiguration", BUCKET),
    ("DeleteBucketLifecycle", BUCKET),
    ("GetBucketVersioning", BUCKET),
    ("GetBucketLocation", BUCKET),
    ("GetPublicAccessBlock", BUCKET),
    ("GetBucketOwnershipControls", BUCKET),
    ("DeleteObjects", {**BUCKET, "Delete": {"Objects": [{"Key": "k"}]}}),
    ("GetObject", OBJECT),
    ("HeadObject", OBJECT),
    ("PutObject", {**OBJECT, "Body": b""}),
    ("DeleteObject", OBJECT),
    ("CopyObject", {**OBJECT, "CopySource": "b/k"}),
    ("CreateMultipartUpload", OBJECT),
    ("UploadPart", {**OBJECT, "UploadId": "u", "PartNumber": 1, "Body": b""}),
    ("UploadPartCopy", {**OBJECT, "UploadId": "u", "PartNumber": 1, "CopySource": "b/k"}),
    ("CompleteMultipartUpload", {**OBJECT, "UploadId": "u", "MultipartUpload": {"Parts": []}}),
    ("AbortMultipartUpload", {**OBJECT, "UploadId": "u"}),
    ("ListParts", {**OBJECT, "UploadId": "u"}),
    ("GetObjectTagging", OBJECT),
]
FUNCTION = {"FunctionName": "f"}
LAMBDA_CALLS: list[tuple[str, dict[str, Any]]] = [
    ("ListFunctions", {}),
    ("GetFunction", FUNCTION),
    ("DeleteFunction", FUNCTION),
    ("GetFunctionConfiguration", FUNCTION),
    ("UpdateFunctionConfiguration", FUNCTION),
    ("UpdateFunctionCode", {**FUNCTION, "ZipFile": b""}),
    ("Invoke", FUNCTION),
    ("GetPolicy", FUNCTION),
    ("RemovePermission", {**FUNCTION, "StatementId": "s"}),
    ("PutFunctionConcurrency", {**FUNCTION, "ReservedConcurrentExecutions": 1}),
    ("DeleteFunctionConcurrency", FUNCTION),
    ("GetFunctionConcurrency", FUNCTION),
    ("PutFunctionEventInvokeConfig", FUNCTION),
    ("ListTags", {"Resource": "arn:aws:lambda:us-east-1:123456789012:function:f"}),
]


class _Sent(Exception):
    """Carries the request instead of sending it."""


@pytest.fixture(scope="module", params=["s3", "lambda"])
def client(request: pytest.FixtureRequest) -> Any:
    made: Any = boto3.client(
        request.param,
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="k",
        aws_secret_access_key="s",
    )

    def stop(request: Any, **_: Any) -> None:
        raise _Sent(request)

    made.meta.events.register("before-send", stop)
    return made


def test_what_boto3_sends(client: Any) -> None:
    from urllib.parse import parse_qsl, unquote, urlsplit

    service = client.meta.service_model.service_name
    methods = {api: python for python, api in client.meta.method_to_api_mapping.items()}
    for operation, parameters in S3_CALLS if service == "s3" else LAMBDA_CALLS:
        with pytest.raises(_Sent) as caught:
            getattr(client, methods[operation])(**parameters)
        sent = caught.value.args[0]
        url = urlsplit(sent.url)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in sent.headers.items()}
        path = unquote(url.path)
        found = s3_action(sent.method, path, query, headers) if service == "s3" else lambda_action(sent.method, path)
        assert found == operation


def test_paths() -> None:
    assert split_bucket_and_key("/b/a/k") == ("b", "a/k")
    assert split_bucket_and_key("/b") == ("b", "")
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f:1"
    assert function_in(f"/2015-03-31/functions/{arn}/invocations") == arn


def test_what_is_no_action() -> None:
    assert s3_action("PATCH", "/b/k", {}, {}) == ""
    assert s3_action("POST", "/b", {}, {}) == ""
    assert lambda_action("GET", "/2015-03-31/layers") == ""

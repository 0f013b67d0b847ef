"""The progress of the upload of a bundle, and the addresses of templates."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from sldb.deploy.bundle_bucket import BundleBucket, object_url
from sldb.stack.account import Account
from tests.fakes.seen_progress import SeenProgress


def test_the_upload_reports_its_position_also_when_it_is_read_again() -> None:
    seen, positions = SeenProgress(), list[int]()

    def put_object(*, Body: Any, **_: object) -> None:  # noqa: N803 - boto3's name
        for size in (-1, 4, 3, -1):
            if size in (-1, 4):
                Body.seek(0)
            Body.read(size)
            positions.append(seen.amounts["bytes"])

    bucket: Any = SimpleNamespace(name="b", account_id="1", s3=SimpleNamespace(put_object=put_object))
    BundleBucket(bucket, "test-db", "eu-west-1").upload("key", b"0123456789", seen)
    assert seen.begun == [("uploading the bundle", {"bytes": 10})]
    assert positions == [10, 4, 7, 10]


@pytest.mark.parametrize(
    ("region", "variables", "url"),
    [
        ("eu-west-1", {}, "https://bundles.s3.eu-west-1.amazonaws.com/k"),
        ("us-east-1", {}, "https://bundles.s3.us-east-1.amazonaws.com/k"),
        ("us-gov-west-1", {}, "https://bundles.s3.us-gov-west-1.amazonaws.com/k"),
        ("cn-north-1", {}, "https://bundles.s3.cn-north-1.amazonaws.com.cn/k"),
        ("eusc-de-east-1", {}, "https://bundles.s3.eusc-de-east-1.amazonaws.eu/k"),
        ("eu-west-1", {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "https://bundles.s3.eu-west-1.amazonaws.com/k"),
        ("us-east-1", {"AWS_USE_FIPS_ENDPOINT": "true"}, "https://bundles.s3.us-east-1.amazonaws.com/k"),
        (  # CloudFormation does not take the private way of this machine
            "eu-west-1",
            {
                "AWS_ENDPOINT_URL_S3": "https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com",
                "AWS_ENDPOINT_URL_CLOUDFORMATION": "https://vpce-1.cloudformation.eu-west-1.vpce.amazonaws.com",
            },
            "https://bundles.s3.eu-west-1.amazonaws.com/k",
        ),
        ("eu-west-1", {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, "http://127.0.0.1:4566/bundles/k"),
    ],
)
def test_cloudformation_reads_from_the_s3_beside_it(
    monkeypatch: pytest.MonkeyPatch, region: str, variables: dict[str, str], url: str
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    session = boto3.Session("key", "secret", region_name=region)
    assert object_url(Account(session, "1", region), "bundles", "k") == url

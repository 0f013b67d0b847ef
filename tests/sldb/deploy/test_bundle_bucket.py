"""The progress of the upload of a bundle."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sldb.deploy.bundle_bucket import BundleBucket
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

"""A backup in a bucket of another region: made, verified, and restored as another database."""

from __future__ import annotations

from typing import Any

from live.leftovers import BACKUP, remove_bucket
from live.plan import Option, Usage
from live.stage import Stage, expect

ELSEWHERE = {  # two regions of a partition: the bucket is in one that the stack is not in
    "aws": ("us-east-1", "us-west-2"),
    "aws-us-gov": ("us-gov-west-1", "us-gov-east-1"),
    "aws-cn": ("cn-north-1", "cn-northwest-1"),
}


def _use(stage: Stage) -> None:
    stage.query("CREATE TABLE IF NOT EXISTS saved (id INTEGER PRIMARY KEY)")
    stage.query("INSERT INTO saved DEFAULT VALUES")
    want = stage.query("SELECT count(*) FROM saved").rows
    bucket, region = f"{stage.name}-{BACKUP}", _other_region(stage)
    _make(stage, bucket, region)
    try:
        place = (f"s3://{bucket}/{stage.name}", "--place-region", region)
        stage.sldb("backup", "create", *place)
        stage.query("DELETE FROM saved")
        stage.sldb("backup", "verify", *place)
        stage.sldb("backup", "restore", *place, "--only", "main", "--as", "restored")
        got = stage.query("SELECT count(*) FROM saved", "restored").rows
        expect(got == want, f"the restored database has what was saved: {got} instead of {want}")
        stage.sldb("databases", "drop", "restored", "--yes")
    finally:
        remove_bucket(stage.account, bucket)


def _other_region(stage: Stage) -> str:
    account = stage.account
    regions = ELSEWHERE[account.session.get_partition_for_region(account.region)]
    return next(region for region in regions if region != account.region)


def _make(stage: Stage, bucket: str, region: str) -> None:
    where: dict[str, Any] = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3 = stage.account.session.client("s3", region_name=region)
    s3.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else where))


OPTION = Option(
    "backup", "a bucket in another region, for minutes", (), _use, usage=Usage(store_writes=400, store_reads=800)
)

"""Policies of buckets. moto stores them too, but judges by them without their conditions; here they are kept apart
from it, for `iam` to judge by in full. Used under moto's lock.
"""

from __future__ import annotations

import json

from sldb.emulator.access.policy import Document
from sldb.emulator.calls.actions import split_bucket_and_key
from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.moto_app import Moto

ACTIONS = frozenset({"GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"})


class BucketPolicies:
    def __init__(self, moto: Moto) -> None:
        self._moto = moto
        self._texts: dict[str, str] = {}  # by bucket

    def of(self, bucket: str) -> list[Document]:
        return [json.loads(self._texts[bucket])] if bucket in self._texts else []

    def answer(self, call: Call) -> Answer:
        bucket = split_bucket_and_key(call.path)[0]
        if bucket not in self._moto.backend("s3", call.region).buckets:
            raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
        match call.action:
            case "PutBucketPolicy":
                self._texts[bucket] = call.body.decode()
            case "DeleteBucketPolicy":
                self.forget(bucket)
            case _:
                if bucket not in self._texts:
                    raise AwsError("NoSuchBucketPolicy", "The bucket policy does not exist", 404)
                return Answer(200, (("Content-Type", "application/json"),), self._texts[bucket].encode())
        return Answer(204)

    def forget(self, bucket: str) -> None:
        """Drop the policy of a bucket: it was deleted, or the bucket was."""
        self._texts.pop(bucket, None)

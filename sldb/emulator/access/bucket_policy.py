"""Policies of buckets. moto stores them too, but judges by them without their conditions; here they are kept apart
from it, for `iam` to judge by in full. Used under moto's lock.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sldb.emulator.access.policy import Document
from sldb.emulator.calls.actions import split_bucket_and_key
from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.moto_app import Moto

if TYPE_CHECKING:
    from sldb.emulator.state.recorder import Recorder

ACTIONS = frozenset({"GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"})


class BucketPolicies:
    def __init__(self, moto: Moto, recorder: Recorder | None = None) -> None:
        self._moto = moto
        self._recorder = recorder
        self._texts: dict[str, str] = recorder.bucket_policies if recorder else {}  # by bucket

    def of(self, bucket: str) -> list[Document]:
        return [json.loads(self._texts[bucket])] if bucket in self._texts else []

    def answer(self, call: Call) -> Answer:
        bucket = split_bucket_and_key(call.path)[0]
        if bucket not in self._moto.backend("s3", call.region).buckets:
            raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
        match call.action:
            case "PutBucketPolicy":
                self._texts[bucket] = call.body.decode()
                self._save()
            case "DeleteBucketPolicy":
                self.forget(bucket)
            case _:
                if bucket not in self._texts:
                    raise AwsError("NoSuchBucketPolicy", "The bucket policy does not exist", 404)
                return Answer(200, (("Content-Type", "application/json"),), self._texts[bucket].encode())
        return Answer(204)

    def forget(self, bucket: str) -> None:
        """Drop the policy of a bucket: it was deleted, or the bucket was."""
        if self._texts.pop(bucket, None) is not None:
            self._save()

    def _save(self) -> None:
        if self._recorder is not None:
            self._recorder.save_bucket_policies(self._texts)

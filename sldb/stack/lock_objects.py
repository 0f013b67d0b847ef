"""Lock objects of databases in a bucket: read and released from outside the function.

The server's side is `lambda_handlers.locks.s3`. Releasing is a replace on condition of the object's ETag: the lock of a
later writer stays.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_handlers.shared.lock_holder import (
    LOCKS_PREFIX,
    Holder,
    decode_object,
    encode_released,
    lock_key,
    locked_database,
)
from sldb.aws.errors import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

AT_ONCE = 10  # boto3's connections


@dataclass(frozen=True, slots=True)
class LockObjects:
    s3: S3Client
    bucket: str
    prefix: str  # of keys, with its slash

    def holder(self, database: str) -> Holder | None:
        """Return the holder of the database's lock, None if it is free."""
        with aws_errors(f"look for the lock of {database}"):
            body, etag = self._read(database)
        lock = decode_object(database, body, etag)
        return lock.holder if lock else None

    def holders(self) -> list[Holder]:
        """Return the holders of all locks: by a LIST, and a GET of each lock object, side by side."""
        with aws_errors("look for locks"):
            lists, prefix = self.s3.get_paginator("list_objects_v2"), f"{self.prefix}{LOCKS_PREFIX}"
            pages = lists.paginate(Bucket=self.bucket, Prefix=prefix)
            keys = [each["Key"].removeprefix(self.prefix) for page in pages for each in page.get("Contents", [])]
        databases = [name for key in keys if (name := locked_database(key))]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            return [holder for holder in threads.map(self.holder, databases) if holder is not None]

    def release(self, lock: Holder) -> bool:
        """Release this very lock; return False if it was released or taken by another writer meanwhile."""
        from botocore.exceptions import ClientError

        with aws_errors(f"free the lock of {lock.database}"):
            try:
                self.s3.put_object(
                    Bucket=self.bucket,
                    Key=self._key(lock.database),
                    Body=encode_released(lock.lock_id, lock.database, time.time()),
                    IfMatch=str(lock.etag),
                )
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("PreconditionFailed", "NoSuchKey", "404", "412"):
                    raise
                # boto3 repeats a request that had no response, and the second may meet the first.
                found = decode_object(lock.database, self._read(lock.database)[0])
                return found is not None and found.released == lock.lock_id
        return True

    def _read(self, database: str) -> tuple[bytes, str]:
        """Return the lock object (empty if there is none) and its ETag."""
        from botocore.exceptions import ClientError

        try:
            response = self.s3.get_object(Bucket=self.bucket, Key=self._key(database))
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return b"", ""
            raise
        return response["Body"].read(), response["ETag"]

    def _key(self, database: str) -> str:
        return f"{self.prefix}{lock_key(database)}"

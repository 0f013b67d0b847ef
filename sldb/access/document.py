"""The access document of a stack in the data bucket, and conditional writes to it.

Several operators may change it at once. A change is a function of the document, applied again to the writing of a
faster operator, so nothing is lost. It must be idempotent: after a lost answer it meets its own result.

The meaning of the document is in `lambda_handlers.access.callers`; `sldb.access.changes` has the changes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from lambda_handlers.access.callers import KEY, BadDocument, Document
from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors
from sldb.stack.names import DATABASES_PREFIX

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_TRIES = 30  # of one change; each is lost to another operator's
PAUSE_SECONDS = 0.05  # grows with every try, up to the maximum; with jitter
MAX_PAUSE_SECONDS = 2.0
# A conditional write that another one was faster than: refused by the condition, while both ran, or because the object
# was deleted (AWS's documentation, "How to prevent object overwrites with conditional writes").
_LOST = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409", "NoSuchKey", "404")


class StoredDocument(Protocol):
    """The object. Methods raise SldbError."""

    def read(self) -> tuple[bytes, str] | None:
        """Return its content and its version; None if it does not exist."""

    def write(self, data: bytes, version: str | None) -> bool:
        """Replace this version, or create it for None; return False if it has another version."""


@dataclass(frozen=True, slots=True)
class BucketDocument:
    """The object in the data bucket of a stack."""

    s3: S3Client
    bucket: str
    account_id: str  # the owner of the bucket: none of another account is read or written

    def read(self) -> tuple[bytes, str] | None:
        from botocore.exceptions import ClientError

        with aws_errors("read the callers of the stack"):
            try:
                found = self.s3.get_object(Bucket=self.bucket, Key=_KEY, ExpectedBucketOwner=self.account_id)
            except ClientError as error:
                if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                    return None
                raise
            return found["Body"].read(), found["ETag"]

    def write(self, data: bytes, version: str | None) -> bool:
        from botocore.exceptions import ClientError

        condition: dict[str, Any] = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
        with aws_errors("change the callers of the stack"):
            try:
                self.s3.put_object(
                    Bucket=self.bucket,
                    Key=_KEY,
                    Body=data,
                    ContentType="application/json",
                    ExpectedBucketOwner=self.account_id,
                    **condition,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] not in _LOST:
                    raise
                return False
        return True


_KEY = DATABASES_PREFIX + KEY


@dataclass(frozen=True, slots=True)
class AccessDocument:
    stored: StoredDocument
    sleep: Callable[[float], None] = field(default=time.sleep)

    def read(self) -> Document:
        """Return the document, an empty one if there is none. Raises SldbError, `corrupt` for a damaged one."""
        return self._read()[0]

    def change(self, change: Callable[[Document], Document]) -> Document:
        """Apply a change, again if another operator was faster, and return the document with it. Raises SldbError:
        that of `change`, or `conflict` if others were faster each time."""
        for tries in range(MAX_TRIES):
            document, version = self._read()
            changed = change(document)
            if changed == document or self.stored.write(_encoded(changed), version):
                return changed
            self.sleep(min(PAUSE_SECONDS * (tries + 1), MAX_PAUSE_SECONDS) * random.uniform(0.5, 1.5))
        raise SldbError("conflict", "other operators are changing the callers of the stack", "try again", applied="no")

    def _read(self) -> tuple[Document, str | None]:
        found = self.stored.read()
        if found is None:
            return Document(), None
        data, version = found
        try:
            return Document.decode(data), version
        except BadDocument as error:
            raise SldbError(
                "corrupt",
                f"the callers of the stack ({_KEY}) cannot be read: {error}",
                "all are refused as long as that is so. The bucket may have an earlier version of the object: without "
                "one, delete it and make the callers again",
                key=_KEY,
            ) from error


def _encoded(document: Document) -> bytes:
    try:
        return document.encode()
    except ValueError as error:
        raise SldbError("too_large", str(error), "revoke callers that are not needed any more", applied="no") from error

"""Waiting for a bucket that S3 is still at work on.

`409 OperationAborted` says that another operation on a bucket of this name has not ended: one of that name was deleted
a moment ago, or another deployment makes it. It passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 3.0
sleep: Callable[[float], None] = time.sleep


def while_s3_is_busy(call: Callable[[], T]) -> T:
    """Make a call that changes a bucket, again for a minute where S3 says that it is at work on the bucket. Raises
    ClientError."""
    from botocore.exceptions import ClientError

    for tries_left in reversed(range(int(PATIENCE_SECONDS / PAUSE_SECONDS) + 1)):
        try:
            return call()
        except ClientError as error:
            if error.response["Error"]["Code"] != "OperationAborted" or not tries_left:
                raise
        sleep(PAUSE_SECONDS)
    raise AssertionError  # the last try returns or raises

"""Busy buckets: calls repeated while S3 has not finished an earlier operation on the bucket.

`409 OperationAborted` says that another operation on a bucket of this name has not ended: one of the same name was
deleted a moment ago, or another deployment creates it. It passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import repeat
from typing import TypeVar

from sldb.aws.polling import retry

T = TypeVar("T")

MAX_WAIT_SECONDS = 60.0
PAUSE_SECONDS = 3.0
sleep: Callable[[float], None] = time.sleep


def retry_while_busy(call: Callable[[], T]) -> T:
    """Return the result of a call that changes a bucket, repeated for a minute while S3 is busy with the bucket. Raises
    ClientError."""
    return retry(call, _is_busy, repeat(PAUSE_SECONDS, int(MAX_WAIT_SECONDS / PAUSE_SECONDS)), sleep)


def _is_busy(error: Exception) -> bool:
    from botocore.exceptions import ClientError

    return isinstance(error, ClientError) and error.response["Error"]["Code"] == "OperationAborted"

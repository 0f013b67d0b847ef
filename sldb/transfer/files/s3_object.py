"""Objects in S3 as files: written here, then uploaded; they appear whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors

if TYPE_CHECKING:
    import boto3

SCHEME = "s3://"


@contextmanager
def uploading(url: str, open_session: Callable[[], boto3.Session]) -> Iterator[Path]:
    """Yield a file, and upload it to `url` at the end of the block. Raises SldbError."""
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    name = key.rpartition("/")[2]
    if not bucket or not name:
        raise SldbError("bad_request", f"{url} names no object", "write s3://BUCKET/KEY")
    with tempfile.TemporaryDirectory(prefix="sldb-") as directory:
        path = Path(directory) / name
        yield path
        with aws_errors(f"upload {url}"):
            session = open_session()
            with path.open("rb") as data:
                session.client("s3").upload_fileobj(data, bucket, key)

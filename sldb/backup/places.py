"""The places of backups: a directory, or s3://BUCKET/PREFIX with a profile and a region of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors
from sldb.aws.options import AwsOptions
from sldb.aws.session import boto3_session

Store: TypeAlias = ObjectStore


def open_place(place: str, aws: AwsOptions, *, creates: bool) -> ObjectStore:
    """Return the store of backups. Raises `not_found` for a missing directory that is not to be created, `bad_request`
    for another address."""
    if place.startswith("s3://"):
        from sldb.targets.bucket import bare_store

        if not place.removeprefix("s3://").strip("/"):
            raise SldbError("bad_request", f"got {place!r}, want s3://BUCKET/PREFIX or a directory")
        with aws_errors(f"use {place}"):
            session = boto3_session(aws)
        return bare_store(place.rstrip("/"), session)[0]
    if "://" in place:
        raise SldbError("bad_request", f"got {place!r}, want s3://BUCKET/PREFIX or a directory")
    directory = Path(place).expanduser().absolute()
    if not directory.is_dir() and not creates:
        raise SldbError("not_found", f"there is no directory {directory}", applied="no")
    return DirectoryStore(directory)

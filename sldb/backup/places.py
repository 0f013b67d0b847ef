"""The places of backups: a directory, or s3://BUCKET/PREFIX with a profile and a region of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import ObjectStore, Refused, StoreError
from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors
from sldb.aws.options import AwsOptions
from sldb.aws.session import boto3_session

Store: TypeAlias = ObjectStore


def open_place(place: str, aws: AwsOptions, *, creates: bool) -> ObjectStore:
    """Return the store of backups. Raises `not_found` for a missing directory that is not to be created, `bad_request`
    for another address, `store_error` for a bucket that cannot be used."""
    if place.startswith("s3://"):
        from sldb.targets.bucket import bare_store

        if not place.removeprefix("s3://").strip("/"):
            raise SldbError("bad_request", f"got {place!r}, want s3://BUCKET/PREFIX or a directory")
        with aws_errors(f"use {place}"):
            session = boto3_session(aws)
        store = bare_store(place.rstrip("/"), session)[0]
        _check_bucket(store, place)
        return store
    if "://" in place:
        raise SldbError("bad_request", f"got {place!r}, want s3://BUCKET/PREFIX or a directory")
    directory = Path(place).expanduser().absolute()
    if not directory.is_dir() and not creates:
        raise SldbError("not_found", f"there is no directory {directory}", applied="no")
    return DirectoryStore(directory)


def _check_bucket(store: ObjectStore, place: str) -> None:
    """Raise `store_error` for a bucket that cannot be listed, with what is wrong with the place, not with the stack."""
    try:
        next(iter(store.list_objects("_backups/")), None)
    except Refused as error:
        bucket = place.removeprefix("s3://").partition("/")[0]
        hint = "check the bucket and your rights on it; --place-profile and --place-region are for the place"
        if error.status == 404:
            hint = f"make it first (`aws s3 mb s3://{bucket}`), or check its name, and --place-profile, --place-region"
        raise SldbError("store_error", f"the place {place}: {error}", hint, applied="no") from error
    except StoreError as error:
        raise store_error(error) from error

"""The object store of the settings. Imports only the modules of its kind of store."""

from __future__ import annotations

from lambda_handlers.settings import Settings
from lambda_handlers.shared.endpoints import is_aws_s3
from lambda_handlers.store.protocol import ObjectStore


def service_store(settings: Settings, store: ObjectStore | None, reader_creates_below: tuple[str, ...]) -> ObjectStore:
    """Return the given store, or that of the settings, opened. A function that only reads has one that creates objects
    below these prefixes alone."""
    store = store or open_store(settings)
    if not settings.read_only or settings.moves_files:
        return store
    from lambda_handlers.store.reading import ReadingStore

    return ReadingStore(store, reader_creates_below)


def open_store(settings: Settings) -> ObjectStore:
    """Open the store of settings.store: s3://bucket/prefix or file:///directory."""
    scheme, _, path = settings.store.partition("://")
    if scheme == "file":
        from lambda_handlers.store.directory import DirectoryStore, path_of_url

        return DirectoryStore(path_of_url(settings.store))
    from lambda_handlers.store.s3 import open_s3

    bucket, _, prefix = path.partition("/")
    if not is_foreign(settings):
        return open_s3(settings, bucket, prefix)
    from functools import partial

    from lambda_handlers.store.other_stores import ForeignStore

    tests = not settings.read_only  # it would write; names of replies and open transactions need no condition
    may_use_parts = settings.large_commits == "parts" and tests
    foreign = partial(ForeignStore, may_use_parts=may_use_parts, temp_dir=settings.temp_dir, tests=tests)
    return open_s3(settings, bucket, prefix, foreign)


def is_foreign(settings: Settings) -> bool:
    """Return True for S3 by a vendor other than AWS, at any endpoint."""
    return bool(settings.endpoint_url) and not is_aws_s3(settings.endpoint_url or "", settings.url_suffix)

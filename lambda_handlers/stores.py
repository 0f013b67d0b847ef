"""The object store that the settings name. Imports only what a store of its kind needs."""

from __future__ import annotations

from lambda_handlers.object_store import ObjectStore
from lambda_handlers.settings import Settings


def open_store(settings: Settings) -> ObjectStore:
    """The store that settings.store names: s3://bucket/prefix or file:///directory."""
    scheme, _, path = settings.store.partition("://")
    if scheme == "file":
        from lambda_handlers.directory_store import DirectoryStore, path_of_url

        return DirectoryStore(path_of_url(settings.store))
    from lambda_handlers.s3_store import open_s3

    bucket, _, prefix = path.partition("/")
    return open_s3(settings, bucket, prefix)

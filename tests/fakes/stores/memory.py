"""An object store in the memory of this process."""

from __future__ import annotations

from obstore.store import MemoryStore

from lambda_handlers.store.s3 import ObstoreStore


def memory_store() -> ObstoreStore:
    """A store in this process's memory, for tests."""
    objects = MemoryStore()
    return ObstoreStore(lambda _retries: objects)

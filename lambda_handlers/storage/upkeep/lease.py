"""The lease (maintenance.json): keeps two maintenance passes over a database from doing the same work twice.

The lease of a dead holder ends after the longest run of a function. Safety does not depend on it.
"""

from __future__ import annotations

from lambda_handlers.host import Host
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.shared.sealed_json import seal, unseal_or_plain
from lambda_handlers.storage.log.keys import maintenance_key
from lambda_handlers.store.protocol import AlreadyExists, NotFound, ObjectStore, PreconditionFailed, Unavailable

LEASE_SECONDS = 960.0  # a function runs for 900 at most


@dataclass(frozen=True, slots=True)
class Lease:
    database: str
    etag: str
    taken_at: tuple[float, float]  # unix seconds by this machine's clock: before it was put, and after

    def end(self, store: ObjectStore) -> None:
        """End the lease. Raises StoreError."""
        store.replace(maintenance_key(self.database), _encode(self.database, "", 0), self.etag)


def take(store: ObjectStore, host: Host, database: str) -> Lease | None:
    """Take the lease; return None if another invocation has it. Raises StoreError."""
    key, now = maintenance_key(database), host.now()
    body = _encode(database, host.nonce(), now + LEASE_SECONDS)
    try:
        old, old_etag = store.get_with_tag(key)
    except NotFound:
        old, old_etag = b"", ""
    if 0 < _expiry(database, old) - now <= LEASE_SECONDS:
        return None
    etag: str | None
    try:
        etag = store.replace(key, body, old_etag) if old_etag else store.create(key, body)
    except (AlreadyExists, PreconditionFailed, NotFound):
        etag = _etag_of(store, key, body)
    except Unavailable:
        if (etag := _etag_of(store, key, body)) is None:
            raise
    return None if etag is None else Lease(database, etag, (now, host.now()))


def _etag_of(store: ObjectStore, key: str, body: bytes) -> str | None:
    """Return the ETag of the lease if it is the one just written, by a write with a lost answer. A lease unknown to its
    own writer would block every invocation until it ends."""
    try:
        found, etag = store.get_with_tag(key)
    except NotFound:
        return None
    return etag if found == body else None


def _encode(database: str, owner: str, expires_at: float) -> bytes:
    """Encode a lease. Version 1 had neither a version nor a checksum. Either version's code reads both."""
    return seal({"version": 2, "owner": owner, "expires_at": expires_at}, maintenance_key(database))


def _expiry(database: str, lease: bytes) -> float:
    """Return the end of a lease in unix seconds; 0 for another object, or a damaged lease."""
    try:
        return float((unseal_or_plain(lease, maintenance_key(database)) or {})["expires_at"])
    except (ValueError, KeyError, TypeError):
        return 0.0
